"""Several workers: a real twistd, real processes, real signals."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import workers_probe
from gateway import Twistd
from grpc_backend import echo_backend
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INI = """
[gateway]
workers = 2
drain_timeout = 20s
max_in_flight = 11
{gateway}
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
{listeners}
[service:echo]
[backend:echo]
protocol = grpc
target = {target}
[api:echo/say]
method = GET
path = /say/{{text}}
rpc = echo.v1.Echo/Say
backend = echo
[api:echo/now]
method = GET
path = /{path}/{{text}}
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
    """A folder with a configuration, its backend, and a twistd that serves it with two workers."""

    def __init__(self, folder: Path, **methods: Callable[..., Any]) -> None:
        self.folder = folder
        self.backend = echo_backend(folder, **methods)
        self.write()

    def write(self, path: str = "g1", gateway: str = "", listeners: str = "") -> None:
        fresh = self.folder / "new"
        text = INI.format(target=self.backend.target, path=path, gateway=gateway, listeners=listeners)
        fresh.write_text(text)
        fresh.rename(self.folder / "g.ini")

    def start(self, *before: str, config: tuple[str, ...] = ("-c", "g.ini"), wait: bool = True, **environ: str) -> Site:
        environ["PYTHONPATH"] = str(Path(__file__).parent)
        before = ("-n", "--pidfile=", *before)
        code = workers_probe.CODE
        self.twistd = Twistd(*config, cwd=self.folder, before=before, code=code, environ=environ)
        return self.begun() if wait else self

    def begun(self) -> Site:
        """Wait until it says that it serves."""
        self.port = self.twistd.ports()[0]
        return self

    def reload(self) -> str:
        self.twistd.signal(signal.SIGHUP)
        return self.twistd.wait_for(r"reloaded: generation|reload refused")

    def get(self, path: str, port: int = 0) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def ask(self) -> dict[str, Any]:
        return workers_probe.ask(self.folder)

    def pids(self) -> dict[int, int]:
        return {worker["number"]: worker["pid"] for worker in self.ask()["workers"]}

    def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask until what is told is so."""
        for _ in range(600):
            told = self.ask()
            if true(told):
                return told
            time.sleep(0.05)
        raise AssertionError(f"it did not come to that: {told}")

    def both_answer(self, path: str, status: int) -> None:
        """Ask on new connections until each worker has answered; every answer must have this status."""
        before = answered(self.ask())
        for _ in range(400):
            assert self.get(path)[0] == status
            now = answered(self.ask())
            if all(now[number] > before[number] for number in before):
                return
        raise AssertionError(f"not every worker answers: {before}, {now}")


def samples(told: dict[str, Any], name: str) -> dict[tuple[str, ...], float]:
    """Give the samples of one name by the values of their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(told["metrics"])
        for sample in family.samples
        if sample.name == name
    }


def answered(told: dict[str, Any]) -> dict[str, float]:
    return {number: value for (number,), value in samples(told, "twistedgw_worker_requests_total").items()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Slow:
    """A method of the backend that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, request: Any, _context: Any) -> Any:
        if request.text == "slow":
            self.entered.release()
            assert self.go.wait(60)
        return request


class Asking(threading.Thread):
    """One request, in a thread."""

    def __init__(self, site: Site, path: str) -> None:
        super().__init__(daemon=True)
        self._site, self._path = site, path
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        self.answer = self._site.get(self._path)


class Load:
    """Clients that ask all the time, half of them on new connections."""

    def __init__(self, site: Site, clients: int = 4) -> None:
        self._site = site
        self._over = threading.Event()
        self.answers = 0
        self.wrong: list[Any] = []
        self._threads = [threading.Thread(target=self._run, args=(n % 2 == 0,)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._site.port, timeout=30)
        while not self._over.is_set():
            try:
                connection.request("GET", "/say/x")
                response = connection.getresponse()
                body = response.read()
                self.answers += 1
                if response.status != 200:
                    self.wrong.append((response.status, body))
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                connection.close()
            if not keep:
                connection.close()
        connection.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**methods: Callable[..., Any]) -> Site:
        sites.append(Site(tmp_path, **methods))
        return sites[-1]

    yield make
    for site in sites:
        if hasattr(site, "twistd"):
            site.twistd.stop()
        site.backend.stop()


def test_workers_serve_together(made) -> None:
    """Each worker answers; counts, states and log lines of all come together in the parent."""
    site = made().start()
    told = site.ask()
    assert [(worker["number"], worker["generation"]) for worker in told["workers"]] == [(1, 1), (2, 1)]
    pids = [worker["pid"] for worker in told["workers"]]
    assert len({*pids, site.twistd.process.pid}) == 3
    assert [backend["max_in_flight"] for backend in told["backends"]] == [None, None]
    site.both_answer("/say/x", 200)
    assert site.get("/nowhere")[0] == 404
    told = site.ask()
    total = sum(answered(told).values())
    requests = samples(told, "twistedgw_requests_total")
    assert sum(requests.values()) == total
    assert requests[("say", "OK", "release", "api", "echo", "2xx")] == total - 1
    assert requests[("", "NOT_FOUND", "", "none", "", "4xx")] == 1
    assert samples(told, "twistedgw_request_duration_seconds_count")[("say", "release", "echo")] == total - 1
    assert samples(told, "twistedgw_backend_channels") == {("echo", "ready"): 2}
    assert samples(told, "twistedgw_workers") == {(): 2}
    assert (told["in_flight"], told["ready"]) == (0, True)
    assert site.twistd.stop() in (0, -signal.SIGTERM)
    assert not any(alive(pid) for pid in pids)
    lines = [re.search(r"\[twistedgw\.access#info worker ([12])\]", line) for line in site.twistd.lines]
    assert {found[1] for found in lines if found} == {"1", "2"}
    assert sum(found is not None for found in lines) == total
    assert "Traceback" not in "\n".join(site.twistd.lines)
    assert any("stopped" in line for line in site.twistd.lines), "\n".join(site.twistd.lines[-20:])


def test_reloads_under_load(made) -> None:
    """Fifty reloads: no request fails, and once one is told of, no worker serves the generation before."""
    site = made().start()
    with Load(site) as load:
        for generation in range(2, 52):
            site.write(path=f"g{generation}")
            assert f"generation {generation} " in site.reload()
            assert site.get(f"/g{generation}/x")[0] == 200
            assert site.get(f"/g{generation - 1}/x")[0] == 404
    assert not load.wrong, load.wrong[:5]
    assert load.answers > 50
    told = site.ask()
    assert [worker["generation"] for worker in told["workers"]] == [51, 51]
    assert samples(told, "twistedgw_reloads_total") == {("accepted",): 50, ("refused",): 0}
    assert told["history"] == [[["SIGHUP"], True]] * 50
    lost = [line for line in site.twistd.lines if "lost" in line or "wrote" in line]
    assert [worker["restarts"] for worker in told["workers"]] == [0, 0], lost
    site.both_answer("/g51/x", 200)
    site.both_answer("/g50/x", 404)


def test_refused_reloads_change_nothing(made) -> None:
    """Neither what the parent refuses nor what a worker cannot build is served anywhere."""
    site = made().start(PROBE_WRONG="2")
    site.write(gateway="nonsense = 1")
    assert "generation 1 goes on" in site.reload()
    site.write(path="g2", listeners="[listener:more]\nendpoint = tcp:0:interface=127.0.0.2")
    assert "generation 1 goes on" in site.reload()
    site.twistd.wait_for(r"worker [12]: RuntimeError: generation 2 came out different")
    told = site.ask()
    assert [worker["generation"] for worker in told["workers"]] == [1, 1]
    lost = [line for line in site.twistd.lines if "lost" in line or "wrote" in line]
    assert [worker["restarts"] for worker in told["workers"]] == [0, 0], lost
    assert told["history"] == [[["SIGHUP"], False], [["SIGHUP"], False]]
    site.both_answer("/g1/x", 200)
    site.both_answer("/g2/x", 404)


def test_workers_that_cannot_begin(made) -> None:
    """They are tried again at longer and longer intervals, and a reload may be what helps."""
    site = made().start(PROBE_WRONG="1", wait=False)
    site.twistd.wait_for(r"#error\] worker [12] cannot serve: RuntimeError: generation 1 came out different")
    site.twistd.wait_for("is lost: .*; replaced in 0.1 s")
    site.twistd.wait_for("is lost: .*; replaced in 0.2 s")
    assert not site.ask()["ready"]
    assert "reloaded: generation 2" in site.reload()
    site.begun()
    assert site.ask()["ready"]
    site.both_answer("/g1/x", 200)


def test_a_killed_worker_is_replaced(made) -> None:
    """The other one goes on with what it has; the loss is told, and the next one begins with the generation of now."""
    slow = Slow()
    site = made(Say=slow).start()
    site.write(path="g2")
    site.reload()
    asking = Asking(site, "/say/slow")
    assert slow.entered.acquire(timeout=60)
    told = site.ask()
    (victim,) = [worker for worker in told["workers"] if not worker["in_flight"]]
    os.kill(victim["pid"], signal.SIGKILL)
    line = site.twistd.wait_for("is lost")
    number = victim["number"]
    assert f"#error] worker {number} (process {victim['pid']}) is lost: killed by signal 9; replaced in 0.1 s" in line
    with Load(site) as load:
        told = site.until(lambda told: told["workers"][number - 1]["generation"] == 2)
    assert not load.wrong, load.wrong[:5]
    again = told["workers"][number - 1]
    assert (again["restarts"], alive(again["pid"])) == (1, True)
    os.kill(again["pid"], signal.SIGKILL)
    assert "replaced in 0.2 s" in site.twistd.wait_for("is lost"), "who is lost again at once waits longer"
    slow.go.set()
    asking.join(60)
    assert asking.answer == (200, {"text": "slow"})
    site.until(lambda told: told["workers"][number - 1]["generation"] == 2)
    site.both_answer("/g2/x", 200)


def test_reloads_while_a_worker_begins(made) -> None:
    """It gets there, whatever the generation is by then, with the listeners of that."""
    site = made().start()
    os.kill(site.pids()[1], signal.SIGKILL)
    site.twistd.wait_for("is lost")
    generation = 1
    while site.ask()["workers"][0]["generation"] != generation or generation < 20:
        generation += 1
        more = "[listener:more]\nendpoint = tcp:0:interface=127.0.0.2"
        site.write(path=f"g{generation}", listeners=more if generation % 3 else "")
        assert f"generation {generation} " in site.reload()
        assert generation < 2000
    lost = [line for line in site.twistd.lines if "#error" in line or "wrote" in line]
    assert [worker["restarts"] for worker in site.ask()["workers"]] == [1, 0], "\n".join(lost)
    site.both_answer(f"/g{generation}/x", 200)
    site.twistd.stop()
    assert "Traceback" not in "\n".join(site.twistd.lines)


def test_a_worker_that_is_told_to_end(made) -> None:
    """SIGTERM to one worker: it answers what it has while another takes its place. SIGTERM to all: they drain."""
    slow = Slow()
    site = made(Say=slow).start()
    asking = Asking(site, "/say/slow")
    assert slow.entered.acquire(timeout=60)
    (busy,) = [worker for worker in site.ask()["workers"] if worker["in_flight"]]
    os.kill(busy["pid"], signal.SIGTERM)
    site.twistd.wait_for("ends; replaced")
    site.until(lambda told: all(worker["generation"] == 1 for worker in told["workers"]))
    assert alive(busy["pid"])
    other = Asking(site, "/say/slow")
    assert slow.entered.acquire(timeout=60)
    pids = [busy["pid"], *site.pids().values()]
    for pid in pids:  # what Ctrl-C does, and a service that stops a whole group
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
    site.twistd.signal(signal.SIGTERM)
    site.twistd.wait_for("stopping: 1 requests in flight")
    with contextlib.suppress(ConnectionError):
        while True:
            site.get("/say/x")
    assert asking.is_alive()
    assert other.is_alive()
    slow.go.set()
    assert site.twistd.wait() in (0, -signal.SIGTERM)
    asking.join(60)
    other.join(60)
    assert asking.answer == other.answer == (200, {"text": "slow"})
    assert not any(alive(pid) for pid in pids)


def test_workers_do_not_outlive_their_parent(made) -> None:
    site = made().start()
    pids = list(site.pids().values())
    site.twistd.process.kill()
    site.twistd.wait()
    for _ in range(600):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("a worker lives on")
    with pytest.raises(OSError, match="refused"):
        site.get("/say/x")


def test_listeners_come_and_go(made) -> None:
    """TCP, TLS and UNIX listeners added, renewed and removed by reloads reach every worker."""
    site = made().start()
    authority = trustme.CA()
    path = site.folder / "s"
    tls = "[listener:tls]\nendpoint = tcp:0:interface=127.0.0.2\nprotocol = https\ncertificate = c.pem\nprivate_key = k"
    unix = f"[listener:unix]\nendpoint = unix:{path}:mode=660"

    def renew(name: str) -> None:
        certificate = authority.issue_cert(name)
        certificate.cert_chain_pems[0].write_to_path(site.folder / "c.pem")
        certificate.private_key_pem.write_to_path(site.folder / "k")

    def names() -> set[str]:
        context = ssl.create_default_context(cafile=str(site.folder / "ca"))
        found = set()
        for _ in range(20):
            for name in ("one.test", "two.test"):
                with socket.create_connection(("127.0.0.2", secure), timeout=30) as plain:
                    try:
                        with context.wrap_socket(plain, server_hostname=name):
                            found.add(name)
                    except ssl.SSLCertVerificationError:
                        pass
        return found

    authority.cert_pem.write_to_path(site.folder / "ca")
    renew("one.test")
    site.write(listeners=f"{tls}\n{unix}")
    assert "generation 2" in site.reload()
    (secure,) = _ports(site.twistd.process.pid, "127.0.0.2")
    assert names() == {"one.test"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /say/x HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    renew("two.test")
    assert "generation 3" in site.reload()
    assert names() == {"two.test"}
    victim = site.pids()[1]
    os.kill(victim, signal.SIGKILL)
    site.until(lambda told: told["workers"][0]["pid"] != victim and told["workers"][0]["generation"] == 3)
    assert names() == {"two.test"}
    assert path.exists()
    site.write()
    assert "generation 4" in site.reload()
    assert refused("127.0.0.2", secure)
    for _ in range(600):  # the parent closes its ports one after the other
        if not path.exists():
            break
        time.sleep(0.05)
    assert not path.exists()
    site.both_answer("/say/x", 200)


def refused(address: str, port: int) -> bool:
    """Whether connections are refused, at once or soon."""
    for _ in range(600):
        try:
            socket.create_connection((address, port), timeout=30).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)
    return False


def _ports(pid: int, address: str) -> set[int]:
    """Give the TCP ports that a process listens on at an address."""
    inodes = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    packed = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[1].partition(":")[2], 16)
        for row in rows
        if row[1].startswith(packed) and row[3] == "0A" and f"socket:[{row[9]}]" in inodes
    }


def test_an_endpoint_that_cannot_be_shared(made) -> None:
    """It is an error that says what to do, at the start as at a reload."""
    site = made()
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(site.folder / "both.pem")
    site.write(listeners="[listener:ssl]\nendpoint = ssl:0:privateKey=both.pem:certKey=both.pem")
    done = subprocess.run(
        [sys.executable, "-c", Twistd.RUN, "-n", "--pidfile=", "grpcgw", "-c", "g.ini"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "workers cannot share it; use tcp:, unix: or systemd:, or set workers = 1" in done.stdout + done.stderr


def test_another_reactor_and_bridge(made) -> None:
    """The parent's choice of a reactor is passed on, and the demo's backend runs in the parent."""
    site = made()
    demo = site.folder / "demo"
    shutil.copytree(Path(__file__).parent.parent / "etc", demo)
    ini = (demo / "grpcgw.ini").read_text().replace("tcp:8080", "tcp:0")
    assert "workers" not in ini
    head = "[gateway]\n"
    (demo / "grpcgw.ini").write_text(f"{head}workers = 2\n{ini.replace(head, '')}")
    site.start("--reactor=epoll", config=(), PROBE_DEMO=str(demo / "grpcgw.ini"))
    assert "ThreadBridge, 2 workers" in site.twistd.lines[-1]
    assert any("epollreactor" in line for line in site.twistd.lines)
    site.both_answer("/v1/shelves", 200)
