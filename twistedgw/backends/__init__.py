"""Where calls go: channels, and the bridges between the reactor and gRPC."""
