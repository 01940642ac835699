"""Where the demo's configuration is."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import twistedgw

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PORT_VARIABLE", "STATE_VARIABLE", "demo_config", "demo_state", "reserve_port"]

PORT_VARIABLE = "BOOKSTORE_PORT"
"""The environment variable by which the demo's configuration finds its backend."""

STATE_VARIABLE = "BOOKSTORE_STATE"
"""The environment variable by which the demo's configuration finds the folder that it may write to."""


def demo_config() -> Path:
    """Give the path of the demo's ``grpcgw.ini``, as installed or in a checkout."""
    package = Path(twistedgw.__file__).resolve().parent
    installed = package / "etc" / "grpcgw.ini"
    return installed if installed.exists() else package.parent / "etc" / "grpcgw.ini"


def demo_state(environ: Mapping[str, str]) -> Path:
    """Choose the folder for what is created in the demo; makes nothing, unless no fixed place will do.

    It is below the user's state folder (XDG Base Directory Specification), or else below the folder for temporary
    files: the installed package may be read-only, and is nobody's place for state.
    """
    home = environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    folder = Path(home, "twistedgw", "demo")
    if folder.is_absolute() and _is_writable(folder):
        return folder
    folder = Path(tempfile.gettempdir(), f"twistedgw-demo-{os.getuid()}")
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return folder
    is_ours = folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid()
    return folder if is_ours else Path(tempfile.mkdtemp(prefix="twistedgw-demo-"))


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written to, or be made."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def reserve_port() -> socket.socket:
    """Reserve a loopback port that the kernel chooses.

    The port has to be known when the configuration is read, and gRPC may bind it only after twistd has forked. The
    reservation is bound but does not listen; SO_REUSEPORT, which gRPC sets too, lets the server have the port.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
