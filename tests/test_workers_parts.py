"""What workers are made of, piece by piece, in this process."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from typing import Any

import pytest
import trustme
from grpc_backend import ECHO_PROTO
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogLevel, eventAsText, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from twistedgw.assembly import Assembly, gateway_bridge
from twistedgw.errors import ConfigError
from twistedgw.material import Contents, Material
from twistedgw.serving import share
from twistedgw.workers.commands import blank_file, packed_file, read_file, write_file
from twistedgw.workers.logs import LARGEST_PACK, Shipper, pack, unpack
from twistedgw.workers.sockets import Adopting, Holding

# -- limits


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_shares_add_up_to_the_whole(limit: int, count: int):
    shares = [share(limit, number, count) for number in range(1, count + 1)]
    assert min(shares) >= 1
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == max(limit, count)


def test_one_process_has_the_whole():
    assert share(7, 0, 1) == 7


# -- files without a name


@given(st.binary(max_size=200_000))
def test_a_file_without_a_name_holds_what_was_put_in(data: bytes):
    file = packed_file(data)
    try:
        os.lseek(file, 0, os.SEEK_END)  # where others stand does not matter
        assert read_file(file, len(data)) == data
        assert os.fstat(file).st_nlink == 0
        assert os.fstat(file).st_mode & 0o077 == 0 or hasattr(os, "memfd_create")
    finally:
        os.close(file)


def test_a_file_that_is_shorter_than_said():
    file = blank_file()
    try:
        assert write_file(file, b"abc") == 3
        with pytest.raises(OSError, match="ends after 3 bytes of 4"):
            read_file(file, 4)
    finally:
        os.close(file)


# -- material

INI = """
[listener:tls]
endpoint = tcp:0
protocol = https
certificate = c.pem
private_key = k.pem
[service:echo]
[backend:grpcs]
protocol = grpcs
target = localhost:1
ca = ca.pem
certificate = c.pem
private_key = k.pem
[backend:system]
protocol = grpcs
target = localhost:2
[backend:https]
protocol = https
target = https://localhost:3
ca = ca.pem
[api:echo/all]
rpc = echo.v1.Echo/*
backend = grpcs
[plugin:one]
type = backend-grpc
proto = echo.proto
[plugin:two]
type = backend-grpc
proto = echo.proto
enums_as_numbers = yes
[binding:release]
plugin = one
service = echo
environment = release
[binding:test]
plugin = two
service = echo
environment = test
"""


def assembly(path: Any) -> Assembly:
    return Assembly(path, lambda config: gateway_bridge(config, reactor), reactor, {})


@pytest.fixture
def folder(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "k.pem")
    (tmp_path / "echo.proto").write_text(ECHO_PROTO)
    (tmp_path / "g.ini").write_text(INI)
    return tmp_path


def test_a_generation_is_built_again_from_its_material_alone(folder):
    """Nothing is read a second time: all files are gone, and everything comes out the same."""
    first = assembly(folder / "g.ini").load()
    data = first.material().pack()
    assert len(pickle.loads(data).parts) == 1, "two plugins of the same files share them"
    for file in folder.iterdir():
        file.unlink()
    elsewhere = assembly(folder / "nothing.ini")
    again = elsewhere.rebuild(Material.unpack(data))
    old, new = first.snapshot, again.snapshot
    assert (new.generation, new.digest) == (old.generation, old.digest)
    assert [(route.rpc, route.written, route.template.text) for route in new.routes] == [
        (route.rpc, route.written, route.template.text) for route in old.routes
    ]
    for name, upstream in old.upstreams.items():
        assert new.upstreams[name].identity == upstream.identity
    assert again.listening["tcp:0"].tls is not None
    schema = new.schemas["one"]
    assert schema.place("echo.v1.Echo.Say") == old.schemas["one"].place("echo.v1.Echo.Say") is not None
    assert schema.problems == old.schemas["one"].problems


def test_what_has_not_changed_is_kept(folder):
    loading, building = assembly(folder / "g.ini"), assembly(folder)
    first = loading.load()
    one = building.rebuild(Material.unpack(first.material().pack()))
    second = loading.load(first.snapshot)
    two = building.rebuild(Material.unpack(second.material().pack()), one.snapshot)
    assert two.snapshot.generation == 2
    assert two.snapshot.upstreams["grpcs"] is one.snapshot.upstreams["grpcs"]
    assert two.snapshot.codecs["one"] is one.snapshot.codecs["one"]
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    third = loading.load(second.snapshot)
    three = building.rebuild(Material.unpack(third.material().pack()), two.snapshot)
    assert three.snapshot.upstreams["grpcs"] is not one.snapshot.upstreams["grpcs"], "its certificates have changed"
    assert three.snapshot.upstreams["system"] is one.snapshot.upstreams["system"]


def test_material_that_does_not_fit_is_refused(folder):
    material = assembly(folder / "g.ini").load().material()
    material.files.clear()  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="cannot read"):
        assembly(folder).rebuild(material)


def test_a_file_is_read_once_for_a_generation(tmp_path):
    contents = Contents()
    (tmp_path / "x").write_bytes(b"1")
    assert contents(tmp_path / "x") == b"1"
    (tmp_path / "x").write_bytes(b"2")
    assert contents(tmp_path / "x") == b"1"
    with pytest.raises(FileNotFoundError):
        contents(tmp_path / "y")


# -- logs


def passed_on(event: dict[str, Any]) -> dict[str, Any]:
    (found,) = unpack(pickle.dumps([pack(event)]), 7)
    return found


def test_a_plain_event_arrives_with_its_level_and_the_workers_number():
    event = {
        "log_level": LogLevel.warn,
        "log_namespace": "a.b",
        "log_format": "{x} of {y}",
        "log_time": 1.5,
        "log_logger": object(),
        "log_source": None,
        "x": 1,
        "y": b"z",
    }
    found = passed_on(event)
    assert (found["log_level"], found["log_time"], found["worker"], found["x"]) == (LogLevel.warn, 1.5, 7, 1)
    assert "[a.b#warn worker 7] 1 of b'z'" in eventAsText(found)


def test_an_event_of_objects_arrives_as_it_would_be_formatted():
    event = {
        "log_level": LogLevel.info,
        "log_namespace": "a",
        "log_format": "{x.name} {x.numbers[1]}",
        "x": type("X", (), {"name": "n", "numbers": [1, 2]})(),
    }
    assert formatEvent(passed_on(event)) == "n 2"


def test_a_failure_arrives_with_its_traceback():
    try:
        raise ValueError("boom")
    except ValueError:
        failure = Failure()
    found = passed_on(
        {"log_level": LogLevel.critical, "log_namespace": "a", "log_format": "bug", "log_failure": failure}
    )
    text = eventAsText(found)
    assert found["log_level"] is LogLevel.critical
    assert "bug" in text
    assert "boom" in text


def test_an_event_that_cannot_be_looked_at_does_no_harm():
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    found = passed_on({"log_level": LogLevel.error, "log_namespace": "a", "log_format": "{x}", "x": Bad()})
    assert formatEvent(found)
    assert found["worker"] == 7


class Transport:
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer


class ShipperTests(TestCase):
    def setUp(self) -> None:
        self.sent: list[bytes] = []
        self.shipper = Shipper(reactor)
        self.transport = Transport()

    def arrived(self) -> list[dict[str, Any]]:
        return [event for data in self.sent for event in unpack(data, 1)]

    def event(self, text: str) -> dict[str, Any]:
        return {"log_level": LogLevel.info, "log_namespace": "a", "log_format": "{text}", "text": text}

    def connect(self) -> None:
        self.shipper.connect(self.transport, self.sent.append)

    def tearDown(self) -> None:
        for call in reactor.getDelayedCalls():
            if getattr(call.func, "__self__", None) is self.shipper:
                call.cancel()

    def test_what_was_logged_before_the_connection_is_sent_too(self) -> None:
        self.shipper(self.event("early"))
        self.connect()
        self.shipper.flush()
        self.assertEqual([event["text"] for event in self.arrived()], ["early"])

    def test_no_pack_is_too_large(self) -> None:
        """Many events, large ones, and one that is too large by itself."""
        self.connect()
        texts = ["x" * size for size in (10, 50_000, 30_000, 30_000, 10)] + ["y"] * 1000 + ["z" * 1_000_000]
        for text in texts:
            self.shipper(self.event(text))
        self.shipper.flush()
        self.assertTrue(all(len(data) <= LARGEST_PACK for data in self.sent))
        found = [event["text"] for event in self.arrived()]
        self.assertEqual(found[:-1], texts[:-1])
        self.assertTrue(found[-1].startswith("zzz"))

    def test_a_parent_that_does_not_read_costs_no_memory(self) -> None:
        """What is too much is dropped and counted, and the count is told."""
        self.connect()
        self.transport.producer.pauseProducing()
        for _ in range(20_005):
            self.shipper(self.event("x"))
        self.shipper.flush()
        self.assertEqual(self.sent, [])
        self.transport.producer.resumeProducing()
        self.shipper.flush()
        found = self.arrived()
        self.assertEqual(len(found), 20_001)
        self.assertEqual(formatEvent(found[-1]), "5 log events were lost: too many at a time")

    async def test_events_of_other_threads_are_sent(self) -> None:
        from twisted.internet.task import deferLater

        self.connect()
        thread = threading.Thread(target=self.shipper, args=(self.event("other"),))
        thread.start()
        while not self.sent:
            await deferLater(reactor, 0.01)
        thread.join()
        self.assertEqual([event["text"] for event in self.arrived()], ["other"])


# -- sockets


class Hello(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(self.factory.word)
        self.transport.loseConnection()


def hello(word: bytes) -> Factory:
    factory = Factory.forProtocol(Hello)
    factory.word = word
    factory.noisy = False
    return factory


class SocketTests(TestCase):
    """Two openings in one process stand for two processes."""

    def said(self, connection: socket.socket) -> Any:
        from twisted.internet.threads import deferToThread

        def receive() -> bytes:
            with connection:
                connection.settimeout(30)
                return connection.recv(100)

        return deferToThread(receive)

    async def opened(self, endpoint: str, address: Any = None) -> tuple[Any, Any]:
        holding, adopting = Holding(reactor), Adopting(reactor)
        held = await holding.open(endpoint, hello(b"parent"))
        adopting.take(endpoint, os.dup(held.fileno()), unix_socket=held.addressFamily == socket.AF_UNIX)
        adopted = await adopting.open(endpoint, hello(b"worker"))
        return held, (adopting, adopted)

    async def test_only_those_that_are_admitted_accept(self) -> None:
        """The parent never does; a worker does from its admission on, and what came before it is not lost."""
        held, (adopting, adopted) = await self.opened("tcp:0:interface=127.0.0.1")
        early = socket.create_connection(("127.0.0.1", held.getHost().port))
        holding_said = self.said(early)
        adopting.admit(adopted)
        self.assertEqual(await holding_said, b"worker")
        await adopted.stopListening()
        late = socket.create_connection(("127.0.0.1", held.getHost().port))
        another = Adopting(reactor)
        another.take("x", os.dup(held.fileno()), unix_socket=False)
        port = await another.open("x", hello(b"another"))
        another.admit(port)
        self.assertEqual(await self.said(late), b"another")
        await port.stopListening()
        await held.stopListening()

    async def test_a_unix_socket_stays_as_it_is(self) -> None:
        path = self.mktemp()
        endpoint = f"unix:{path}:mode=640"
        held, (adopting, adopted) = await self.opened(endpoint)
        adopting.admit(adopted)
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        self.assertEqual(await self.said(client), b"worker")
        await adopted.stopListening()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        await held.stopListening()
        self.assertFalse(os.path.exists(path))

    async def test_proxy_protocol(self) -> None:
        endpoint = "haproxy:tcp:0:interface=127.0.0.1"
        held, (adopting, adopted) = await self.opened(endpoint)
        adopting.admit(adopted)
        client = socket.create_connection(("127.0.0.1", held.getHost().port))
        client.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
        self.assertEqual(await self.said(client), b"worker")
        await adopted.stopListening()
        await held.stopListening()

    async def test_a_socket_that_was_not_sent(self) -> None:
        with self.assertRaises(LookupError):
            await Adopting(reactor).open("tcp:1", hello(b""))

    async def test_a_port_that_is_taken(self) -> None:
        held = await Holding(reactor).open("tcp:0:interface=127.0.0.1", hello(b""))
        with self.assertRaises(CannotListenError):
            await Holding(reactor).open(f"tcp:{held.getHost().port}:interface=127.0.0.1", hello(b""))
        await held.stopListening()

    async def test_what_is_forgotten_is_closed(self) -> None:
        adopting = Adopting(reactor)
        ends = [blank_file() for _ in range(3)]
        for end in ends:
            adopting.take("same" if end != ends[2] else "other", end, unix_socket=False)
        adopting.forget()
        for end in ends:
            with self.assertRaises(OSError):
                os.fstat(end)
