"""The embedded demo: a bookstore gRPC server, and the configuration in front of it."""
