"""A gateway with its admin endpoint, in this process, and a client of its API."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from gateway import Answer, Gateway
from grpc_backend import ECHO_PROTO, Backend, compile_proto, echo
from twisted.trial.unittest import TestCase

INI = """
    [gateway]
    state_dir = var
    drain_timeout = 5s
    {gateway}
    [admin]
    endpoint = tcp:0:interface=127.0.0.1
    {admin}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:echo]
    description = The echo
    [backend:echo]
    protocol = grpc
    target = {target}
    [api:echo/all]
    rpc = echo.v1.Echo/*
    backend = echo
    [api:echo/own]
    method = PUT
    path = /own/{{text}}
    rpc = echo.v1.Echo/Say
    backend = echo
    {more}
"""
OPERATORS_PLUGIN = """
    [plugin:operators]
    type = backend-grpc
    proto = echo.proto
    unknown_query = ignore
    [binding:operators]
    plugin = operators
    service = echo
    environment = test
    apis = own
"""

SHOP = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
// Sells things.
service Shop {
  // Gets one.
  rpc GetItem(GetItemRequest) returns (Item) {
    option (google.api.http) = { get: "/v1/items/{id}" };
  }
  rpc PutItem(Item) returns (Item);
}
message GetItemRequest { string id = 1; }
// A thing.
message Item {
  string id = 1;
  // In cents.
  int64 price = 2;
  Kind kind = 3;
  repeated string tags = 4;
}
enum Kind { KIND_UNSPECIFIED = 0; BOOK = 1; }
"""


def files(**texts: str) -> dict[str, Any]:
    """Give a source of files: `files(a="...")` is `a.proto`."""
    return {"files": [{"path": f"{name}.proto", "content": text} for name, text in texts.items()]}


class Site:
    """The gateway's own client is `gateway`; `api` talks to the admin endpoint with the token."""

    def __init__(self, folder: Path, target: str, **parts: str) -> None:
        self.folder = folder
        self.parts = {"gateway": "", "admin": "", "more": "", "target": target, **parts}
        self.gateway = Gateway(folder, INI.format(**self.parts))

    def start(self) -> Site:
        self.gateway.start()
        return self

    def rewrite(self, **parts: str) -> None:
        self.parts.update(parts)
        self.gateway.write(INI.format(**self.parts))

    async def stop(self) -> None:
        await self.gateway.stop()

    @property
    def endpoint(self) -> Any:
        return self.gateway.service._companions[0]

    @property
    def port(self) -> int:
        return self.endpoint.port.getHost().port

    @property
    def token(self) -> str:
        return (self.folder / "admin.token").read_text().strip()

    async def api(self, method: str, target: str, body: Any = None, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        return await self.gateway.request(method, target, data, port=self.port, headers=headers, **options)

    async def ok(self, method: str, target: str, body: Any = None, **options: Any) -> Any:
        """Give the answer's JSON; it must be a success."""
        answer = await self.api(method, target, body, **options)
        assert answer.status == 200, (method, target, answer.status, answer.body)
        return answer.json

    async def refused(
        self, method: str, target: str, body: Any = None, *, status: int, reason: str, **options: Any
    ) -> Refusal:
        answer = await self.api(method, target, body, **options)
        assert (answer.status, answer.reason) == (status, reason), (method, target, answer.status, answer.body)
        return Refusal(answer.json)

    @property
    def store(self) -> str:
        file = self.folder / "var" / "objects.ini"
        return file.read_text() if file.exists() else ""


class Refusal:
    def __init__(self, status: dict[str, Any]) -> None:
        self.status = status
        self.message: str = status["message"]

    def detail(self, name: str) -> dict[str, Any]:
        return next((each for each in self.status["details"] if each["@type"].endswith(f".{name}")), {})

    @property
    def fields(self) -> dict[str, str]:
        violations = self.detail("BadRequest").get("fieldViolations", [])
        return {each["field"]: each["description"] for each in violations}

    @property
    def problems(self) -> list[dict[str, Any]]:
        return self.detail("Problems").get("problems", [])

    @property
    def users(self) -> list[str]:
        return [each["subject"] for each in self.detail("PreconditionFailure").get("violations", [])]


@functools.cache
def echo_schema() -> Any:
    """Compile the echo once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        return compile_proto(ECHO_PROTO, Path(folder))


class AdminCase(TestCase):
    """Each test has a gateway of its own, with the echo backend behind it."""

    timeout = 60
    parts: ClassVar[dict[str, str]] = {}

    def methods(self) -> dict[str, Any]:
        """Give methods that the backend has in place of its own."""
        return {}

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "echo.proto").write_text(ECHO_PROTO)
        functions = dict.fromkeys(("Say", "Change", "Raw", "Plain"), echo)
        self.backend = Backend(echo_schema(), "echo.v1.Echo", {**functions, **self.methods()})
        self.addCleanup(self.backend.stop)
        self.site = Site(self.folder, self.backend.target, **self.parts).start()
        self.addCleanup(self.site.stop)
        self.api = self.site.api
        self.ok = self.site.ok
        self.refused = self.site.refused

    async def make_shop(self) -> None:
        """A plugin, a service with two APIs and its backend; nothing is bound."""
        plugin = {"type": "backend-grpc", "source": files(shop=SHOP)}
        await self.ok("POST", "/v1/plugins?plugin_id=shop", plugin)
        await self.ok("POST", "/v1/services?service_id=shop", {"hosts": ["shop.example"]})
        await self.ok("POST", "/v1/backends?backend_id=shop", {"protocol": "grpc", "targets": ["127.0.0.1:9"]})
        for name, api in {
            "get": {"method": "GET", "path": "/get/{id}", "rpc": "shop.v1.Shop/GetItem", "backend": "shop"},
            "put": {"method": "PUT", "path": "/put/{id}", "rpc": "shop.v1.Shop/PutItem", "backend": "shop"},
        }.items():
            await self.ok("POST", f"/v1/services/shop/apis?api_id={name}", api)

    async def bind_echo(self) -> None:
        """A plugin for the echo, bound to all of its APIs in release."""
        source = files(echo=(self.folder / "echo.proto").read_text())
        await self.ok("POST", "/v1/plugins?plugin_id=echo", {"type": "backend-grpc", "source": source})
        bind = {"service": "echo", "environment": "release", "apis": ["*"]}
        await self.ok("POST", "/v1/plugins/echo:bind", bind)

    async def bind_shop(self, *apis: str, environment: str = "release") -> dict[str, Any]:
        body = {"service": "shop", "environment": environment, "apis": list(apis) or ["*"]}
        return await self.ok("POST", "/v1/plugins/shop:bind", body)
