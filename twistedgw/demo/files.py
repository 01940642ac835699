"""Where the demo's configuration is."""

from __future__ import annotations

import socket
from pathlib import Path

import twistedgw

__all__ = ["PORT_VARIABLE", "demo_config", "reserve_port"]

PORT_VARIABLE = "BOOKSTORE_PORT"
"""The environment variable by which the demo's configuration finds its backend."""


def demo_config() -> Path:
    """Give the path of the demo's ``grpcgw.ini``, as installed or in a checkout."""
    package = Path(twistedgw.__file__).resolve().parent
    installed = package / "etc" / "grpcgw.ini"
    return installed if installed.exists() else package.parent / "etc" / "grpcgw.ini"


def reserve_port() -> socket.socket:
    """Reserve a loopback port that the kernel chooses.

    The port has to be known when the configuration is read, and gRPC may bind it only after twistd has forked. The
    reservation is bound but does not listen; SO_REUSEPORT, which gRPC sets too, lets the server have the port.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
