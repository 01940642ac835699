"""Configurations of any size, for the curves of `bench.scaling`. Pure text, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

METHODS = 50
"""Of one generated service; each has two routes: its rule, and POST /package.Service/Method."""
RULES = (
    'get: "/v1/{x}s/{{id}}"',
    'get: "/v1/{x}s"',
    'post: "/v1/{x}s" body: "*"',
    'patch: "/v1/{x}s/{{id}}" body: "*"',
    'delete: "/v1/{x}s/{{id}}"',
    'post: "/v1/{x}s/{{id}}:archive" body: "*"',
    'get: "/v1/{{parent=projects/*}}/{x}s"',
    'get: "/v1/{{name=projects/*/{x}s/*}}"',
    'get: "/v1/{x}s/{{id}}/parts/{{part}}"',
    'get: "/files/{x}s/{{name=**}}"',
)
HEADER = """\
syntax = "proto3";
package {package};
import "google/api/annotations.proto";
"""
MESSAGE = "message Thing { string id = 1; string name = 2; string parent = 3; string part = 4; int32 size = 5; }\n"


def service(name: str) -> str:
    """Give a service that is published in one environment only, so that its routes are there once."""
    hidden = (f"[environment:{name}/{environment}]\npublished = no" for environment in ("prepub", "test"))
    return "\n".join([f"[service:{name}]", *hidden])


def proto(package: str, methods: int) -> str:
    """Give a .proto with one service `Things` that has so many methods, and a rule for each."""
    lines = [HEADER.format(package=package), "service Things {"]
    for number in range(methods):
        resource = f"{package.replace('.', '')}x{number // len(RULES)}"
        rule = RULES[number % len(RULES)].format(x=resource)
        lines.append(f"  rpc Do{number}(Thing) returns (Thing) {{ option (google.api.http) = {{ {rule} }}; }}")
    return "\n".join([*lines, "}", MESSAGE])


def routes(folder: Path, count: int) -> str:
    """Write .proto files with `count` routes, and give the sections that serve them: one plugin, one service."""
    left, files, sections = count // 2, [], [service("scale")]
    while left > 0:
        number = len(files)
        (folder / f"scale{number}.proto").write_text(proto(f"scale.s{number}", min(left, METHODS)))
        files.append(f"scale{number}.proto")
        sections.append(f"[api:scale/s{number}]\nrpc = scale.s{number}.Things/*\nbackend = bench")
        left -= METHODS
    proto_list = ",\n  ".join(files)
    sections.append(f"[plugin:scale]\ntype = backend-grpc\nproto = {proto_list}")
    sections.append("[binding:scale]\nplugin = scale\nservice = scale\nenvironment = release")
    return "\n".join(sections)


def apis(_folder: Path, count: int) -> str:
    """Give `count` sections [api] of the service that is there anyway."""
    return "\n".join(
        f"[api:bench/a{number}]\nmethod = GET\npath = /a/{number}/{{shelf}}\nrpc = bench.v1.Bench/Find\nbackend = bench"
        for number in range(count)
    )


def plugins(folder: Path, count: int) -> str:
    """Write `count` .proto files of ten methods, and give as many plugins, services and bindings."""
    sections = []
    for number in range(count):
        name = f"p{number}"
        (folder / f"{name}.proto").write_text(proto(f"plug.{name}", len(RULES)))
        sections += [
            service(name),
            f"[api:{name}/all]\nrpc = plug.{name}.Things/*\nbackend = bench",
            f"[plugin:{name}]\ntype = backend-grpc\nproto = {name}.proto",
            f"[binding:{name}]\nplugin = {name}\nservice = {name}\nenvironment = release",
        ]
    return "\n".join(sections)


def touch_protos(folder: Path, text: str) -> None:
    """Change every .proto of a folder, so that none is known already."""
    for path in folder.glob("*.proto"):
        path.write_text(f"{path.read_text()}// {text}\n")
