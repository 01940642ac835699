"""twistedgw: an API gateway from HTTP/HTTPS and JSON to gRPC, by `.proto` files read at run time."""

__version__ = "0.1.0"

__all__ = ["__version__"]
