"""`twistd grpcgw` and `grpcgw` as processes: what an operator sees."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from gateway import Twistd
from grpc_backend import echo_backend

INI = """
[gateway]
drain_timeout = 20s
{gateway}
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:echo]
[backend:echo]
protocol = grpc
target = {target}
[api:echo/say]
method = GET
path = {path}
rpc = echo.v1.Echo/Say
backend = echo
[plugin:echo]
type = backend-grpc
proto = echo.proto
[binding:release]
plugin = echo
service = echo
environment = release
"""


class Site:
    """A folder with a configuration, and its backend."""

    def __init__(self, folder: Path, **methods) -> None:
        self.folder = folder
        self.backend = echo_backend(folder, **methods)
        self.write()

    def write(self, path: str = "/say/{text}", gateway: str = "") -> None:
        fresh = self.folder / "new"
        fresh.write_text(INI.format(target=self.backend.target, path=path, gateway=gateway))
        fresh.rename(self.folder / "g.ini")


@pytest.fixture
def site(tmp_path: Path):
    made = Site(tmp_path)
    yield made
    made.backend.stop()


@pytest.fixture
def started(site: Site):
    running: list[Twistd] = []

    def start(*before: str, **options) -> Twistd:
        twistd = Twistd("-c", "g.ini", cwd=site.folder, before=("-n", "--pidfile=", *before), **options)
        running.append(twistd)
        return twistd

    yield start
    for twistd in running:
        twistd.stop()


def get(port: int, path: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def grpcgw(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from twistedgw.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


# -- start and stop


def test_serves_and_stops(site: Site, started) -> None:
    """It serves, says so in one line, and stops in order at SIGTERM."""
    twistd = started()
    (port,) = twistd.ports()
    assert get(port, "/say/x") == (200, {"text": "x"})
    assert twistd.stop() in (-signal.SIGTERM, 0)
    log = "\n".join(twistd.lines)
    assert re.search(
        r"twistedgw \S+ serves 3 routes on tcp:0:interface=127.0.0.1 \(127.0.0.1:\d+\) \(generation 1, AsyncioBridge\)",
        log,
    )
    assert "stopping: 0 requests in flight" in log
    assert log.rstrip().endswith("Server Shut Down.")
    assert "Traceback" not in log


def test_thread_bridge_on_another_reactor(site: Site, started) -> None:
    """`twistd --reactor=epoll` is the thread bridge."""
    twistd = started("--reactor=poll")
    (port,) = twistd.ports()
    assert "ThreadBridge" in twistd.lines[-1]
    assert get(port, "/say/x")[0] == 200
    twistd.stop()
    assert "Traceback" not in "\n".join(twistd.lines)


def test_sigterm_drains(tmp_path: Path) -> None:
    """A request that is on its way when SIGTERM comes is answered."""
    seen, held = threading.Event(), threading.Event()

    def say(request, context):
        seen.set()
        held.wait(30)
        return request

    site = Site(tmp_path, Say=say)
    twistd = Twistd("-c", "g.ini", cwd=tmp_path, before=("-n", "--pidfile="))
    try:
        (port,) = twistd.ports()
        answers: list[tuple[int, dict]] = []
        client = threading.Thread(target=lambda: answers.append(get(port, "/say/x")))
        client.start()
        assert seen.wait(30)
        twistd.signal(signal.SIGTERM)
        twistd.wait_for("stopping: 1 requests in flight")
        held.set()
        client.join(30)
        assert answers == [(200, {"text": "x"})]
        twistd.wait()
    finally:
        held.set()
        twistd.stop()
        site.backend.stop()


def test_wrong_configuration(site: Site, started) -> None:
    """The whole report, exit status 1, no usage page, no traceback."""
    site.write(path="/say/{nope}", gateway="tmeout = 1s\nthreads = many")
    twistd = started()
    assert twistd.wait() == 1
    assert len(twistd.lines) == 2
    assert twistd.lines[0].startswith("g.ini:4: [gateway] tmeout: ")
    assert twistd.lines[1].startswith("g.ini:5: [gateway] threads: ")
    site.write(path="/say/{nope}")
    twistd = started()
    assert twistd.wait() == 1
    assert len(twistd.lines) == 1
    assert twistd.lines[0].startswith("g.ini:13: [api:echo/say] path: ")


def test_missing_configuration(site: Site) -> None:
    twistd = Twistd("-c", "none.ini", cwd=site.folder, before=("-n", "--pidfile="))
    assert twistd.wait() == 1
    assert "none.ini: " in twistd.lines[0]


def test_port_is_taken(site: Site, started) -> None:
    """A port that cannot be bound: exit status 1, and the listener is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        text = (site.folder / "g.ini").read_text().replace("tcp:0:interface=127.0.0.1", endpoint)
        (site.folder / "g.ini").write_text(text)
        twistd = started()
        assert twistd.wait() == 1
    assert any(f"[listener:http] endpoint: cannot listen on {endpoint}: " in line for line in twistd.lines)


def test_daemon(site: Site) -> None:
    """As a daemon: the parent leaves at once, the gateway serves, reloads and stops by its pid file."""
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
    log = site.folder / "twistd.log"
    done = subprocess.run(
        [*command, f"--logfile={log}", "--pidfile=t.pid", "grpcgw", "-c", "g.ini"],
        cwd=site.folder,
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pid = int((site.folder / "t.pid").read_text())
    try:
        _until(lambda: " serves " in log.read_text())
        port = int(Twistd.PORT.findall(log.read_text())[0])
        assert get(port, "/say/x") == (200, {"text": "x"})
        os.kill(pid, signal.SIGHUP)
        _until(lambda: "reloaded: generation 2" in log.read_text())
        assert get(port, "/say/y") == (200, {"text": "y"})
    finally:
        os.kill(pid, signal.SIGTERM)
    _until(lambda: not (site.folder / "t.pid").exists())
    assert "Traceback" not in log.read_text()


def _until(condition) -> None:
    """Wait for what another process does and tells nobody of; the time limit only ends a test that has failed."""
    waiting = threading.Event()
    for _ in range(600):
        if condition():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not happen")


# -- SIGHUP


def test_sighup(site: Site, started) -> None:
    """SIGHUP reloads; a wrong configuration is refused in the log and the old one goes on."""
    twistd = started()
    (port,) = twistd.ports()
    site.write(path="/new/{text}")
    twistd.signal(signal.SIGHUP)
    assert "generation 2 with 3 routes" in twistd.wait_for("reloaded: ")
    assert get(port, "/new/x")[0] == 200
    site.write(path="/new/{nope}")
    twistd.signal(signal.SIGHUP)
    twistd.wait_for("reload refused, generation 2 goes on; 1 problems:")
    twistd.wait_for(r"g.ini:\d+: \[api:echo/say\] path: .*nope")
    assert get(port, "/new/x")[0] == 200


@pytest.mark.parametrize("reactor", ["--reactor=asyncio", "--reactor=poll"])
def test_sighup_at_any_moment(site: Site, started, reactor: str) -> None:
    """Signals from before the service runs neither kill it nor are lost."""
    twistd = started(reactor)
    _until(lambda: _handles_hangup(twistd.process.pid))
    twistd.signal(signal.SIGHUP)
    twistd.ports()
    twistd.wait_for("reloaded: generation 2")


def _handles_hangup(pid: int) -> bool:
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGHUP - 1) & 1)


@pytest.mark.parametrize("reactor", ["--reactor=asyncio", "--reactor=poll"])
def test_many_reloads_under_load(site: Site, started, reactor: str) -> None:
    """200 reloads by SIGHUP, each of which changes the configuration: no failed request, one connection to the backend."""
    site.write(path="/{text=one/*}")
    twistd = started(reactor)
    (port,) = twistd.ports()
    going = threading.Event()
    failures: list[object] = []
    counts = [0] * 4

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not going.is_set():
            try:
                connection.request("GET", "/one/x")
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or json.loads(body)["text"] not in ("one/x", "x"):
                    failures.append((response.status, body))
                counts[number] += 1
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                failures.append(error)
                connection.close()
        connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for each in clients:
        each.start()
    try:
        for turn in range(200):
            site.write(path="/one/{text}" if turn % 2 else "/{text=one/*}", gateway=f"max_headers = {100 + turn}")
            twistd.signal(signal.SIGHUP)
            assert f"generation {turn + 2} " in twistd.wait_for("reloaded: |reload refused")
    finally:
        going.set()
        for each in clients:
            each.join(60)
    assert failures == []
    assert min(counts) > 0
    assert len(site.backend.connections) == 1


# -- the embedded demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """`twistd -n grpcgw` with nothing else, but for the port of its listener."""
    folder = tmp_path_factory.mktemp("demo")
    from twistedgw.demo.files import demo_config

    shutil.copytree(demo_config().parent, folder / "etc")
    ini = folder / "etc" / "grpcgw.ini"
    ini.write_text(ini.read_text().replace("tcp:8080", "tcp:0").replace("tcp:9080", "tcp:0"))
    code = (
        "import sys, pathlib, twistedgw.demo.files as files;"
        f"files.demo_config = lambda: pathlib.Path({str(ini)!r});"
        "from twisted.scripts.twistd import run; run()"
    )
    environ = {"XDG_STATE_HOME": str(folder / "state")}
    twistd = Twistd(cwd=folder, before=("-n", "--pidfile="), code=code, environ=environ)
    yield twistd.ports()[0]
    assert twistd.stop() in (-signal.SIGTERM, 0)
    assert "Traceback" not in "\n".join(twistd.lines)


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, dict]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_demo(demo: int) -> None:
    """The README's walk."""
    assert ask(demo, "GET", "/v1/shelves")[1]["shelves"][0] == {"id": "1", "theme": "Novels"}
    status, book = ask(
        demo, "POST", "/v1/shelves/1/books", {"title": "Emma", "author": "Jane Austen", "genre": "NOVEL"}
    )
    assert (status, book["title"], book["genre"]) == (200, "Emma", "NOVEL")
    path = f"/v1/shelves/1/books/{book['id']}"
    assert ask(demo, "PATCH", path, {"tags": ["classic"]})[1]["title"] == "Emma"
    assert ask(demo, "GET", path)[1]["tags"] == ["classic"]
    assert ask(demo, "POST", f"{path}:move", {"toShelf": 4})[0] == 200
    assert ask(demo, "GET", path)[0] == 404
    assert ask(demo, "DELETE", f"/v1/shelves/4/books/{book['id']}") == (200, {})
    assert ask(demo, "GET", "/v1/shelves/99") == (404, {"code": 5, "message": "there is no shelf 99", "details": []})
    assert ask(demo, "GET", "/v1/books?page_size=many")[0] == 400
    assert ask(demo, "GET", "/test/v1/newest")[0] == 200
    status, error = ask(demo, "GET", "/test/v1/shelves")
    assert (status, error["details"][0]["reason"]) == (500, "PLUGIN_NOT_BOUND")
    assert ask(demo, "GET", "/prepub/v1/newest")[0] == 404


# -- grpcgw


def test_check(site: Site) -> None:
    done = grpcgw("check", "-c", "g.ini", cwd=site.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "g.ini: no problems; 3 routes, 1 service, 1 plugin, 1 backend" in done.stdout
    site.write(path="/say/{nope}")
    done = grpcgw("check", "-c", "g.ini", cwd=site.folder)
    assert done.returncode == 1
    assert done.stderr.startswith("g.ini:13: [api:echo/say] path: ")


def test_check_the_demo(tmp_path: Path) -> None:
    """The configuration that is shipped has no problems, from any folder."""
    done = grpcgw("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the embedded demo: no problems" in done.stdout


def test_routes(site: Site) -> None:
    """One route a line: METHOD URL-template  package.Service/Method  rule."""
    done = grpcgw("routes", "-c", "g.ini", cwd=site.folder)
    assert done.returncode == 0
    columns = [re.split(r" {2,}", line) for line in done.stdout.splitlines()]
    assert [row[:2] for row in columns] == [
        ["GET /prepub/say/{text}", "echo.v1.Echo/Say"],
        ["GET /say/{text}", "echo.v1.Echo/Say"],
        ["GET /test/say/{text}", "echo.v1.Echo/Say"],
    ]
    assert columns[1][2] == "api g.ini:11 [echo/say release]"
    assert columns[2][2] == "unbound g.ini:11 [echo/say test]"
