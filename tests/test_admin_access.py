"""Who may ask the admin endpoint: token, host, origin; and what needs no token."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest
from admin_site import AdminCase
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from twistedgw.admin.endpoint import CONSOLE
from twistedgw.admin.static import StaticFiles
from twistedgw.admin.token import Attempts, Token
from twistedgw.config.model import Admin, Place
from twistedgw.errors import ConfigError, GatewayError


class TokenTests(AdminCase):
    async def test_token(self) -> None:
        site = self.site
        assert stat.S_IMODE((self.folder / "admin.token").stat().st_mode) == 0o600
        assert len(site.token) >= 43
        for headers, reason in (
            ({"Authorization": ""}, "TOKEN_WRONG"),
            ({"Authorization": "Bearer"}, "TOKEN_WRONG"),
            ({"Authorization": "Bearer " + "x" * 43}, "TOKEN_WRONG"),
            ({"Authorization": f"Basic {site.token}"}, "TOKEN_WRONG"),
            ({"Authorization": f"Bearer {site.token[:-1]}"}, "TOKEN_WRONG"),
        ):
            answer = await site.api("GET", "/v1/status", headers=headers)
            assert (answer.status, answer.reason) == (401, reason), headers
            assert answer.header("www-authenticate") == 'Bearer realm="twistedgw admin"'
        answer = await site.gateway.get("/v1/status", port=site.port)
        assert (answer.status, answer.reason) == (401, "TOKEN_MISSING")
        answer = await site.gateway.post("/twistedgw.admin.v1.Gateway/GetStatus", b"{}", port=site.port)
        assert answer.status == 401
        await self.ok("GET", "/v1/status", headers={"Authorization": f"bearer {site.token}"})

    async def test_wrong_tokens_are_limited(self) -> None:
        site = self.site
        seen = []
        for _ in range(12):
            answer = await site.api("GET", "/v1/status", headers={"Authorization": "Bearer wrong"})
            seen.append(answer.status)
        assert seen == [401] * 10 + [429] * 2
        assert int(answer.header("retry-after") or 0) >= 1
        assert answer.reason == "TOO_MANY_ATTEMPTS"
        assert (await site.api("GET", "/v1/status")).status == 429
        for path in ("/", "/healthz"):
            assert (await site.api("GET", path)).status in (200, 404)

    async def test_a_new_token_counts_at_once(self) -> None:
        old = self.site.token
        file = self.folder / "admin.token"
        file.write_text("a-token-of-my-own-1234\n")
        await self.ok("GET", "/v1/status")
        answer = await self.api("GET", "/v1/status", headers={"Authorization": f"Bearer {old}"})
        assert answer.status == 401
        file.write_text("short")
        await self.ok("GET", "/v1/status", headers={"Authorization": "Bearer a-token-of-my-own-1234"})

    async def test_a_body_is_not_read_before_the_token(self) -> None:
        """Whoever has no token is told so before a large body has been sent."""
        answer = await self.site.gateway.post("/v1/plugins", b"x" * 300_000, port=self.site.port)
        assert answer.status == 401


class PagesTests(AdminCase):
    parts: ClassVar[dict[str, str]] = {"admin": "hosts = admin.example, *.lan"}

    async def test_hosts(self) -> None:
        for host, status in (
            ("localhost", 200),
            ("localhost:1234", 200),
            ("127.0.0.1", 200),
            ("[::1]:9080", 200),
            ("10.1.2.3", 200),
            ("admin.example", 200),
            ("ADMIN.example:80", 200),
            ("box.lan", 200),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
        ):
            answer = await self.api("GET", "/v1/status", headers={"Host": host})
            assert answer.status == status, host
            if status == 403:
                assert answer.reason == "UNKNOWN_HOST"
                assert (await self.api("GET", "/", headers={"Host": host})).status == 403
        assert (await self.api("GET", "/healthz", headers={"Host": "evil.example"})).status == 200

    async def test_origins(self) -> None:
        own = f"http://127.0.0.1:{self.site.port}"
        for headers, status in (
            ({"Origin": own}, 200),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Sec-Fetch-Site": "none"}, 200),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ):
            answer = await self.api("POST", "/v1:check", {}, headers=headers)
            assert answer.status == status, headers
            if status == 403:
                assert answer.reason == "FOREIGN_ORIGIN"
        answer = await self.api("OPTIONS", "/v1:check", headers={"Origin": "http://evil.example"})
        assert answer.status == 403
        assert answer.header("access-control-allow-origin") is None

    async def test_every_answer_is_secured(self) -> None:
        site = self.site
        for method, path, headers in (
            ("GET", "/v1/status", {}),
            ("GET", "/v1/nothing", {}),
            ("GET", "/v1/status", {"Authorization": "x"}),
            ("GET", "/nothing", {}),
            ("POST", "/", {}),
            ("GET", "/healthz", {}),
            ("GET", "/metrics", {}),
        ):
            answer = await site.api(method, path, headers=headers)
            assert "default-src 'none'" in (answer.header("content-security-policy") or ""), path
            assert "unsafe" not in (answer.header("content-security-policy") or "")
            assert answer.header("x-content-type-options") == "nosniff"
            assert answer.header("referrer-policy") == "no-referrer"
            assert answer.header("x-frame-options") == "DENY"
            assert answer.header("cache-control") == "no-store"

    async def test_health(self) -> None:
        gateway, port = self.site.gateway, self.site.port
        assert (await gateway.get("/healthz", port=port)).body == b"ok\n"
        assert (await gateway.get("/readyz", port=port)).status == 200
        metrics = await gateway.get("/metrics", port=port)
        assert metrics.status == 200
        assert b"twistedgw_generation 1.0" in metrics.body
        for path in ("/healthz", "/readyz", "/metrics", "/"):
            assert (await gateway.post(path, b"x", port=port)).status == 405
            assert (await gateway.request("GET", path, b"x", port=port)).status == 413


class DrainTests(AdminCase):
    def methods(self) -> dict[str, Any]:
        self.reached, self.hold = threading.Event(), threading.Event()
        self.addCleanup(self.hold.set)

        def say(request: Any, _context: Any) -> Any:
            self.reached.set()
            self.hold.wait(30)
            return request

        return {"Say": say}

    async def test_not_ready_while_it_drains(self) -> None:
        """/readyz fails and /healthz does not while requests in flight end; nothing is changed any more."""
        gateway, port = self.site.gateway, self.site.port
        await self.bind_echo()
        slow = Deferred.fromCoroutine(gateway.get("/v1/say/slow"))
        await deferToThread(self.reached.wait, 30)
        stopping = gateway.service.stopService()
        answer = await gateway.get("/readyz", port=port)
        assert (answer.status, answer.body) == (503, b"not ready\n")
        assert (await gateway.get("/healthz", port=port)).status == 200
        assert (await self.ok("GET", "/v1/status"))["state"] == "draining"
        answer = await self.api("POST", "/v1/services?service_id=late", {})
        assert (answer.status, answer.reason) == (503, "GATEWAY_STOPPING")
        self.hold.set()
        assert (await slow).status == 200
        await stopping


# -- pieces


def admin(path: Path) -> Admin:
    return Admin(place=Place("g.ini", "admin", 1), endpoint="tcp:0", token_file=path, hosts=())


def test_token_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "admin.token"
    first = Token()
    first.make(admin(path))
    text = path.read_bytes().strip()
    assert first.admits(b"Bearer " + text)
    assert not first.admits(None)
    assert not first.admits(b"Bearer ")
    second = Token()
    second.make(admin(path))
    assert second.admits(b"Bearer " + text)
    assert os.listdir(path.parent) == ["admin.token"]


@pytest.mark.parametrize("text", ["", "short", "two words of some length", "ünsichtbar-und-lang-genug"])
def test_token_file_that_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "admin.token"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no token"):
        Token().make(admin(path))


def test_token_file_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made") as caught:
        Token().make(admin(tmp_path / "file" / "admin.token"))
    assert caught.value.problems[0].option == "token_file"


def test_no_token_admits_nobody() -> None:
    assert not Token().admits(b"Bearer ")


def attempt(attempts: Attempts, peer: str) -> bool:
    try:
        attempts.check(peer)
    except GatewayError as error:
        return error.http_status != 429
    attempts.failed(peer)
    return True


def test_attempts_come_back_with_time() -> None:
    clock = Clock()
    attempts = Attempts(clock.seconds, burst=3, seconds=10)
    assert [attempt(attempts, "192.0.2.1") for _ in range(5)] == [True, True, True, False, False]
    assert attempt(attempts, "192.0.2.2")
    clock.advance(10.5)
    assert [attempt(attempts, "192.0.2.1") for _ in range(2)] == [True, False]
    clock.advance(60)
    assert [attempt(attempts, "192.0.2.1") for _ in range(4)] == [True, True, True, False]


def test_attempts_count_a_network_of_ipv6_and_forget_the_oldest() -> None:
    clock = Clock()
    attempts = Attempts(clock.seconds, burst=1, seconds=10, most=2)
    assert attempt(attempts, "2001:db8::1")
    assert not attempt(attempts, "2001:db8::2")
    assert attempt(attempts, "2001:db8:1::1")
    assert attempt(attempts, "")
    assert attempt(attempts, "2001:db8::1")


# -- files


def test_static_files(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.js").write_text("x" * 5000)
    (tmp_path / "secret.py").write_text("")
    (tmp_path / ".hidden.js").write_text("")
    outside = tmp_path.parent / f"{tmp_path.name}.js"
    outside.write_text("")
    (tmp_path / "link.js").symlink_to(outside)
    files = StaticFiles({"/": tmp_path})
    index = files.find("/")
    assert index is not None
    assert (index.content_type, index.body) == (b"text/html; charset=utf-8", b"<p>")
    script = files.find("/sub/a.js")
    assert script is not None
    assert script.packed is not None
    for path in (
        "/sub",
        "/sub/",
        "/secret.py",
        "/.hidden.js",
        "/link.js",
        "/../x.js",
        "/sub/../index.html",
        "/%69ndex.html",
        "//index.html",
        "/nothing.js",
        "/a\0.js",
    ):
        assert files.find(path) is None, path
    (tmp_path / "index.html").write_text("<b>changed")
    changed = files.find("/")
    assert changed is not None
    assert changed.body == b"<b>changed"
    assert changed.etag != index.etag


def test_the_console_is_where_it_is_looked_for() -> None:
    assert CONSOLE.is_dir()
