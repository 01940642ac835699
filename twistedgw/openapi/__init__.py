"""OpenAPI 3.1 of the very routes that serve: no Twisted, no gRPC, no I/O but for the files of the browsable page."""
