"""Snapshots of small configurations, in a folder of the test's own; nothing is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc_backend import CACHE, ECHO_PROTO

from twistedgw.config.load import load
from twistedgw.registry.build import Builder
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.source import Origin

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.registry.snapshot import Snapshot

LISTENER = "[listener:http]\nendpoint = tcp:0\n"
SERVICE = "[service:s]\n"
BACKEND = "[backend:b]\nprotocol = grpc\ntarget = 127.0.0.1:1\n"
PLUGIN = "[plugin:p]\ntype = backend-grpc\nproto = echo.proto\n"
WHOLE = "[api:s/all]\nrpc = echo.v1.Echo/*\nbackend = b\n"
BINDING = "[binding:r]\nplugin = p\nservice = s\nenvironment = release\napis = *\n"
HEAD = LISTENER + SERVICE + BACKEND + PLUGIN
ECHO = HEAD + WHOLE + BINDING
WEB = "[backend:web]\nprotocol = http\ntarget = http://127.0.0.1:1/base\n"


def api(name: str, method: str, path: str, rpc: str = "Say", service: str = "s", **options: str) -> str:
    lines = [f"{key} = {value}\n" for key, value in options.items()]
    head = f"[api:{service}/{name}]\nmethod = {method}\npath = {path}\n"
    return f"{head}rpc = echo.v1.Echo/{rpc}\nbackend = b\n" + "".join(lines)


MESSAGES = "message M { string a = 1; string b = 2; N n = 3; } message N { string x = 1; }"


def proto(method: str, messages: str = MESSAGES) -> str:
    """A .proto of `echo.v1.Echo`; `method` stands on line 6."""
    imports = ("google/api/annotations", "google/api/httpbody", "google/protobuf/any")
    lines = "".join(f'import "{name}.proto"; ' for name in imports)
    return f'syntax = "proto3";\npackage echo.v1;\n{lines}\n\nservice Echo {{\n  {method}\n}}\n{messages}\n'


class Upstream:
    def __init__(self, backend: Any) -> None:
        self.identity = (backend.targets,)
        self.url = backend.targets[0]
        self.max_in_flight = None


def build(folder: Path, ini: str, text: str = ECHO_PROTO) -> Snapshot:
    """Build a snapshot of an INI text and the text of ``echo.proto``."""
    (folder / "echo.proto").write_text(text)
    (folder / "g.ini").write_text(ini)
    builder = Builder(
        lambda plugin, _: ProtoSource(
            plugin.proto, plugin.import_path, cache=CACHE, origin=Origin(plugin.place, folder)
        ).load(),
        Upstream,
    )
    return builder.build(load(folder / "g.ini", {}))
