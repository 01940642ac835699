"""The outside world of calls: channels, and the bridges between the reactor and gRPC."""
