"""Where descriptors come from: `.proto` files, descriptor sets, server reflection."""
