"""What needs a process of its own: other reactors, other event loops, and a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PROGRAM = """
import os, sys, threading
sys.path[:0] = [{tests!r}, {root!r}]
{install}
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twistedgw.backends.bridges import make_bridge
from twistedgw.config.model import Bridge
from twistedgw.errors import ConfigError

def native_threads():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()

def make(kind):
    return make_bridge(kind, threads=2, max_in_flight=5, max_response_message=1000, reactor=reactor)

def run(bridge, upstream, *, serve):
    from bridge_servers import Server, say
    server = Server(address="127.0.0.1:%d" % serve)

    async def main():
        result = await bridge.unary(say(upstream))
        print(type(bridge).__name__, result.message.text)
        await bridge.stop()
        server.stop()

    def start():
        bridge.start()
        d = Deferred.fromCoroutine(main())
        d.addErrback(lambda failure: failure.printTraceback(sys.stdout))
        d.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
"""

CALL = """
from bridge_servers import DeadPort, backend
dead = DeadPort()
dead.stop()
bridge = make(Bridge.AUTO)
run(bridge, bridge.upstream(backend(dead.target)), serve=dead.port)
"""

FORK = """
from bridge_servers import DeadPort, backend
dead = DeadPort()
dead.stop()
bridge = make(Bridge.{kind})
upstream = bridge.upstream(backend(dead.target, ca=None, protocol=Protocol.GRPC))
secure = bridge.upstream(backend(dead.target, protocol=Protocol.GRPCS))
print("threads", native_threads())
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
run(bridge, upstream, serve=dead.port)
"""

ASYNCIO_REACTOR = "import asyncio\nfrom twisted.internet import asyncioreactor\nasyncioreactor.install()"
UVLOOP = "import uvloop\nfrom twisted.internet import asyncioreactor\nasyncioreactor.install(uvloop.new_event_loop())"
SELECT = "from twisted.internet import selectreactor\nselectreactor.install()"


def output(install: str, program: str) -> list[str]:
    """Run a program under a reactor of its own; give the lines that it prints."""
    text = PROGRAM.format(tests=str(TESTS), root=str(TESTS.parent), install=install) + program
    environ = os.environ | {"PYTHONWARNINGS": "default"}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "never retrieved" not in done.stderr
    assert "was destroyed" not in done.stderr
    return done.stdout.splitlines()


def test_asyncio_reactor() -> None:
    assert output(ASYNCIO_REACTOR, CALL) == ["AsyncioBridge hello"]


def test_uvloop() -> None:
    pytest.importorskip("uvloop")
    assert output(UVLOOP, CALL) == ["AsyncioBridge hello"]


def test_another_reactor() -> None:
    """On any other reactor `auto` is the thread bridge."""
    assert output(SELECT, CALL) == ["ThreadBridge hello"]


def test_asyncio_bridge_on_another_reactor() -> None:
    program = """
try:
    make(Bridge.ASYNCIO)
except ConfigError as error:
    print(error)
"""
    assert output(SELECT, program) == [
        (
            "[gateway] bridge: the asyncio bridge needs Twisted's asyncio reactor, and this is SelectReactor"
            " (start twistd with --reactor=asyncio, or set bridge = auto)"
        )
    ]


@pytest.mark.parametrize("kind", ["ASYNCIO", "THREAD"])
def test_made_before_a_fork(kind: str) -> None:
    """twistd forks between makeService and startService: what is made before starts no thread, and works after."""
    lines = output(ASYNCIO_REACTOR, "from twistedgw.config.model import Protocol\n" + FORK.replace("{kind}", kind))
    assert lines == ["threads 1", f"{kind.capitalize()}Bridge hello"]
