"""Documents and the page to read them on, at paths of the service itself."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import yaml
from config_case import WHOLE as CONFIG
from config_case import Folder
from gateway import Gateway
from grpc_backend import echo_backend
from openapi_spec_validator import validate
from small_snapshots import ECHO, api, build
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from twistedgw.config import rules
from twistedgw.errors import ConfigError
from twistedgw.frontends.explain import explain
from twistedgw.openapi.page import asset, installed, page
from twistedgw.registry.route import DocumentRoute

INI = """
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:echo]
    description = Says what was said
    openapi = /about/openapi.json
    docs = /docs
    [backend:echo]
    protocol = grpc
    target = {target}
    [api:echo/all]
    rpc = echo.v1.Echo/*
    backend = echo
    [plugin:echo]
    type = backend-grpc
    proto = echo.proto
    {plugin}
    [binding:release]
    plugin = echo
    service = echo
    environment = release
    [binding:test]
    plugin = echo
    service = echo
    environment = test
    apis = all
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class ServingTests(TestCase):
    timeout = 120

    async def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.backend = echo_backend(self.folder)
        self.addCleanup(self.backend.stop)
        self.gateway = Gateway(self.folder, INI.format(target=self.backend.target, plugin="")).start()
        self.addCleanup(self.gateway.stop)

    async def test_json_and_yaml(self) -> None:
        answer = await self.gateway.get("/about/openapi.json")
        self.assertEqual((answer.status, answer.header("content-type")), (200, "application/json"))
        validate(answer.json)
        self.assertEqual(answer.json["info"]["title"], "Says what was said")
        self.assertEqual(answer.json["servers"], [{"url": "/"}])
        self.assertIn("/v1/say/{text}", answer.json["paths"])
        self.assertNotIn("docs", json.dumps(list(answer.json["paths"])))
        written = await self.gateway.get("/about/openapi.yaml")
        self.assertEqual((written.status, written.header("content-type")), (200, "application/yaml"))
        self.assertEqual(yaml.safe_load(written.body), answer.json)

    async def test_each_environment_has_its_own(self) -> None:
        answer = await self.gateway.get("/test/about/openapi.json")
        self.assertEqual(answer.json["servers"], [{"url": "/test"}])
        page = await self.gateway.get("/test/docs")
        self.assertIn(b'href="/test/docs/openapi.json"', page.body)

    async def test_it_is_that_of_the_generation(self) -> None:
        before = await self.gateway.get("/about/openapi.json")
        self.gateway.write(INI.format(target=self.backend.target, plugin="enums_as_numbers = yes"))
        await self.gateway.reload()
        after = await self.gateway.get("/about/openapi.json")
        kinds = [each.json["components"]["schemas"]["echo.v1.Mood"]["type"] for each in (before, after)]
        self.assertEqual(kinds, ["string", "integer"])
        self.assertNotEqual(before.header("etag"), after.header("etag"))

    async def test_nothing_is_sent_twice(self) -> None:
        first = await self.gateway.get("/about/openapi.json")
        again = await self.gateway.get("/about/openapi.json", headers={"If-None-Match": first.header("etag")})
        self.assertEqual((again.status, again.body), (304, b""))

    async def test_gzip(self) -> None:
        raw = await deferToThread(self._fetch, "/docs/swagger-ui.css")
        plain = asset("swagger-ui.css")
        assert plain is not None
        self.assertEqual(gzip.decompress(raw), plain[1])

    def _fetch(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
            return answer.read()

    async def test_page(self) -> None:
        page = await self.gateway.get("/docs")
        self.assertEqual(page.header("content-type"), "text/html; charset=utf-8")
        policy = page.header("content-security-policy") or ""
        self.assertIn("script-src 'self';", policy)
        for path in re.findall(rb'(?:href|src)="([^"]+)"', page.body):
            answer = await self.gateway.get(path.decode())
            self.assertEqual(answer.status, 200, path)
            self.assertEqual(answer.header("x-content-type-options"), "nosniff")

    async def test_no_other_file(self) -> None:
        for path in ("/docs/x", "/docs/..%2Fflask_swagger_ui.py", "/docs/swagger-ui.js", "/docs/__init__.py"):
            answer = await self.gateway.get(path)
            self.assertEqual((answer.status, answer.reason), (404, "ROUTE_NOT_FOUND"), path)
        self.assertEqual((await self.gateway.get("/docs/")).status, 404)
        self.assertEqual((await self.gateway.post("/docs", b"")).status, 405)

    async def test_browser(self) -> None:
        """The page shows the operations, and its policy lets it."""
        browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
        if browser is None:
            raise SkipTest("no Chromium is installed")
        shown = await deferToThread(self._dump, browser, f"http://127.0.0.1:{self.gateway.port}/docs")
        self.assertIn("Says what was said", shown.stdout)
        self.assertIn("Echo_Say", shown.stdout)
        self.assertNotIn("Content Security Policy", shown.stderr)

    def _dump(self, browser: str, url: str) -> subprocess.CompletedProcess[str]:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
        command += [f"--user-data-dir={self.folder / 'browser'}", "--virtual-time-budget=20000", "--dump-dom", url]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)


# -- without a gateway


def documents(folder: Path, options: str, more: str = "") -> list[Any]:
    snapshot = build(folder, ECHO.replace("[service:s]\n", f"[service:s]\n{options}\n") + more)
    return [route for route in snapshot.routes if isinstance(route, DocumentRoute)]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ("", []),
        ("openapi = /o", ["/o", "/o.yaml"]),
        ("openapi = /o.json/", ["/o.json", "/o.yaml"]),
        ("docs = /a/b", ["/a/b", "/a/b/{name}"]),
    ],
)
def test_paths(tmp_path: Path, options: str, paths: list[str]) -> None:
    found = documents(
        tmp_path, options, "[environment:s/test]\npublished = no\n[environment:s/prepub]\npublished = no\n"
    )
    assert [route.template.text for route in found] == paths
    assert {(route.rule.method, route.kind) for route in found} <= {("GET", "openapi")}
    assert all(route.written.endswith("g.ini:4") for route in found)


def test_a_path_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"GET /v1/x .*is the same as /v1/x") as caught:
        documents(tmp_path, "openapi = /v1/x", api("x", "GET", "/v1/x"))
    assert caught.value.problems[0].option in ("openapi", "path")


def test_explain(tmp_path: Path) -> None:
    snapshot = build(tmp_path, ECHO.replace("[service:s]\n", "[service:s]\nopenapi = /o.json\n"))
    found = explain(snapshot, "GET", "/o.json")
    assert found.sent
    assert found.matched is not None
    assert (found.matched.kind, found.matched.backend) == ("openapi", "")
    assert found.notes == ("the gateway answers this itself, with the service's documentation",)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("/", "'/' is not a path of its own (write /docs, for example)"),
        ("docs", "'docs' is not a prefix (column 1: expected '/' at the start, found 'd')"),
        ("/{x}", "'/{x}' is not a prefix (a prefix has no '*', no '{variable}' and no ':')"),
    ],
)
def test_wrong_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, why: str) -> None:
    monkeypatch.chdir(tmp_path)
    (problem,) = Folder(tmp_path).problems(CONFIG.replace("[service:s]", f"[service:s]\nopenapi = {value}"))
    assert problem.endswith(f"[service:s] openapi: {why}")


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rules, "docs_installed", lambda: False)
    (problem,) = Folder(tmp_path).problems(CONFIG.replace("[service:s]", "[service:s]\ndocs = /docs"))
    assert problem.endswith("docs: needs a package that is not installed (pip install 'twistedgw[docs]')")


# -- the page


def test_the_page_has_no_scripts_of_its_own() -> None:
    text = page("<A & B>", '/o.json?a="b"&c', "/files/").decode()
    assert "<title>&lt;A &amp; B&gt;</title>" in text
    assert 'href="/o.json?a=&quot;b&quot;&amp;c"' in text
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == ["", ""]
    assert not re.search(r"\son\w+=|<style|style=|https?://", text)


def test_assets() -> None:
    assert installed()
    for name in ("start.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        found = asset(name)
        assert found is not None
        assert found[1]
    assert asset("index.html") is asset("../flask_swagger_ui.py") is asset("") is None
