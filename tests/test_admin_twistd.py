"""The admin endpoint in a twistd of its own: start, restart, two on one folder, several workers, the demo."""

from __future__ import annotations

import json
import re
import shutil
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gateway import Twistd
from grpc_backend import echo_backend

INI = """
[gateway]
state_dir = var
{gateway}
[admin]
endpoint = tcp:0:interface=127.0.0.1
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:echo]
[backend:echo]
protocol = grpc
target = {target}
[api:echo/say]
method = GET
path = /say/{{text}}
rpc = echo.v1.Echo/Say
backend = echo
"""


class Running:
    """A twistd, its port and that of its admin endpoint."""

    def __init__(self, folder: Path, *arguments: str, **options: Any) -> None:
        self.folder = folder
        self.twistd = Twistd(*arguments, cwd=folder, before=("-n", "--pidfile="), **options)
        self.token_file = Path("?")

    def ready(self) -> Running:
        ports, admin = 0, 0
        while not (ports and admin):
            line = self.twistd.wait_for(r"twistedgw .* serves |console and admin API on")
            found = re.search(r"\((\S+):(\d+)\)", line)
            assert found is not None
            if "console" in line:
                admin = int(found[2])
                self.token_file = Path(line.partition("the token is in ")[2])
            else:
                ports = int(found[2])
        self.port, self.admin = ports, admin
        return self

    def ask(self, method: str, target: str, body: Any = None, *, port: int = 0) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.admin}{target}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def site(tmp_path: Path):
    backend = echo_backend(tmp_path)
    running: list[Running] = []

    def start(gateway: str = "", name: str = "g.ini", **options: Any) -> Running:
        (tmp_path / name).write_text(INI.format(target=backend.target, gateway=gateway))
        running.append(Running(tmp_path, "-c", name, **options))
        return running[-1]

    yield start
    for each in running:
        each.twistd.stop()
    backend.stop()


def create_and_bind(running: Running) -> None:
    source = {"files": [{"path": "echo.proto", "content": (running.folder / "echo.proto").read_text()}]}
    assert running.ask("POST", "/v1/plugins?plugin_id=echo", {"type": "backend-grpc", "source": source})[0] == 200
    bind = {"service": "echo", "environment": "release", "apis": ["say"]}
    assert running.ask("POST", "/v1/plugins/echo:bind", bind)[0] == 200


def test_restart_and_two_on_one_folder(site) -> None:
    """A restart serves what was acknowledged. A second gateway on the same folder is refused, in words."""
    first = site().ready()
    create_and_bind(first)
    assert first.ask("GET", "/say/x", port=first.port) == (200, {"text": "x"})
    second = site(name="second.ini")
    second.twistd.wait_for(r"state_dir: state_dir .* is in use by another gateway \(process \d+\)")
    assert second.twistd.wait() != 0
    first.twistd.signal(signal.SIGKILL)
    first.twistd.wait()
    third = site().ready()
    assert third.ask("GET", "/say/x", port=third.port) == (200, {"text": "x"})
    assert third.ask("GET", "/v1/plugins/echo")[1]["boundApiCount"] == 1
    assert third.token_file.read_text() == (third.folder / "admin.token").read_text()
    third.twistd.stop()
    assert "Traceback" not in "\n".join(third.twistd.lines)


def test_workers(site) -> None:
    """A change is acknowledged when all workers serve it: no request that begins then meets an older state."""
    running = site("workers = 2").ready()
    bind = {"service": "echo", "environment": "release", "apis": ["say"]}
    create_and_bind(running)
    for _ in range(3):
        assert {running.ask("GET", "/say/x", port=running.port)[0] for _ in range(12)} == {200}
        assert running.ask("POST", "/v1/plugins/echo:unbind", bind)[0] == 200
        assert {running.ask("GET", "/say/x", port=running.port)[0] for _ in range(12)} == {500}
        assert running.ask("POST", "/v1/plugins/echo:bind", bind)[0] == 200
    status = running.ask("GET", "/v1/status")[1]
    assert [each["generation"] for each in status["workers"]] == [status["generation"]] * 2
    assert status["responses"]["2xx"] == "36"
    running.twistd.stop()
    assert "Traceback" not in "\n".join(running.twistd.lines)


def test_the_demo(tmp_path: Path) -> None:
    """The installed demo may be read-only: what is created there goes to the user's state folder."""
    from twistedgw.demo.files import demo_config

    shutil.copytree(demo_config().parent, tmp_path / "etc", ignore=shutil.ignore_patterns("var"))
    ini = tmp_path / "etc" / "grpcgw.ini"
    ini.write_text(ini.read_text().replace("tcp:8080", "tcp:0").replace("tcp:9080", "tcp:0"))
    for path in (tmp_path / "etc").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (tmp_path / "etc").chmod(0o555)
    code = (
        "import sys, pathlib, twistedgw.demo.files as files;"
        f"files.demo_config = lambda: pathlib.Path({str(ini)!r});"
        "from twisted.scripts.twistd import run; run()"
    )
    demo = Running(tmp_path, code=code, environ={"XDG_STATE_HOME": str(tmp_path / "state")}).ready()
    try:
        state = tmp_path / "state" / "twistedgw" / "demo"
        assert sorted(path.name for path in state.iterdir()) == [".lock", "admin.token"]
        bind = {"service": "bookstore", "environment": "test", "apis": ["all"]}
        status, answer = demo.ask("POST", "/v1/plugins/bookstore-proto:bind", bind)
        assert status == 200, answer
        assert demo.ask("GET", "/test/v1/shelves", port=demo.port)[0] == 200
        assert (state / "objects.ini").exists()
        with urllib.request.urlopen(f"http://127.0.0.1:{demo.admin}/healthz", timeout=30) as response:
            assert response.read() == b"ok\n"
    finally:
        demo.twistd.stop()
        (tmp_path / "etc").chmod(0o755)
    assert "Traceback" not in "\n".join(demo.twistd.lines)
