"""Configurations of a few lines, for the tests of the room ``config``."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from twistedgw.config.load import load
from twistedgw.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.config.model import Config

MINIMAL = """
[listener:http]
endpoint = tcp:0
"""

WHOLE = (
    MINIMAL
    + """
[service:s]
[backend:b]
protocol = grpc
target = localhost:50051
[backend:h]
protocol = http
target = http://localhost:8000
[plugin:p]
type = backend-grpc
reflection = b
"""
)
"""One of each that others may name."""


class Folder:
    """A folder of files, the main one among them, with the working folder inside."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str | bytes = "") -> Path:
        """Write a file; text is dedented."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return path

    def load(self, text: str | bytes, **environ: str) -> Config:
        """Load a main file of this text."""
        return load(self.write("gw.ini", text), environ)

    def problems(self, text: str | bytes, **environ: str) -> list[str]:
        """Load a main file of this text and give the report's lines; there must be some."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, **environ)
        return str(caught.value).split("\n")
