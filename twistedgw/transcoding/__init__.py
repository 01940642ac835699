"""The pure core: path templates, router, binder and JSON codec.

Imports the standard library, protobuf and orjson only: no Twisted, no gRPC, no I/O.
"""
