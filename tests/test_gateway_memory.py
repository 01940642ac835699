"""What a generation has held is free once it has retired, without waiting for Python to look for garbage."""

from __future__ import annotations

import configparser
import gc
import shutil
import tempfile
import weakref
from pathlib import Path

from gateway import Gateway
from grpc_backend import echo_backend
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from twistedgw.config.ini import parse
from twistedgw.web.resource import Exchange

INI = """
    [gateway]
    bridge = asyncio
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
    [plugin:echo]
    type = backend-grpc
    proto = echo.proto
    [binding:release]
    plugin = echo
    service = echo
    environment = release
"""
RELOADS = 40


class RetirementTests(TestCase):
    timeout = 120

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        backend = echo_backend(self.folder)
        self.addCleanup(backend.stop)
        self.proto = (self.folder / "echo.proto").read_text()
        self.gateway = Gateway(self.folder, INI.format(target=backend.target)).start()
        self.addCleanup(self.gateway.stop)
        thresholds = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *thresholds)
        gc.disable()
        self.addCleanup(gc.enable)

    async def one_more(self, number: int) -> None:
        """Reload with other types, and use them."""
        (self.folder / "echo.proto").write_text(f"{self.proto}\nmessage Generation{number} {{}}\n")
        self.assertTrue((await self.gateway.reload()).accepted)
        self.assertEqual((await self.gateway.get("/say/x")).status, 200)

    async def test_retired(self) -> None:
        """Nothing of the old generations is left but the schemas that are kept in case that one comes back."""
        service = self.gateway.service
        snapshots: list[weakref.ref[object]] = []
        codecs: list[weakref.ref[object]] = []
        schemas: list[weakref.ref[object]] = []
        for number in range(RELOADS):
            await self.one_more(number)
            snapshot = service.snapshot
            snapshots.append(weakref.ref(snapshot))
            codecs.append(weakref.ref(snapshot.codecs["echo"]))
            schemas.append(weakref.ref(snapshot.schemas["echo"]))
            del snapshot
        await deferLater(reactor, 0, lambda: None)
        self.assertEqual([ref() for ref in snapshots if ref() is not None], [service.snapshot])
        self.assertEqual(len([ref for ref in codecs if ref() is not None]), 1)
        self.assertLessEqual(len([ref for ref in schemas if ref() is not None]), 32)

    async def test_requests(self) -> None:
        """A request goes by itself, answered or refused: the more of them, the dearer it is to look for garbage."""
        for target in ("/say/x", "/say/x?unknown=1", "/none"):
            await self.gateway.get(target)
        gc.collect()
        for target in ("/say/x", "/say/x?unknown=1", "/none"):
            await self.gateway.get(target)
        left = [each for each in gc.get_objects() if isinstance(each, Exchange)]
        self.assertEqual(left, [])

    async def test_nothing_stops_for_other_changes(self) -> None:
        """Where the types stay what they are, a generation goes by itself: no collection, which stops everything."""
        service = self.gateway.service
        await self.one_more(0)
        await deferLater(reactor, 0, lambda: None)
        old = weakref.ref(service.snapshot)
        collections: list[str] = []

        def note(phase: str, _: object) -> None:
            collections.append(phase)

        gc.callbacks.append(note)
        self.addCleanup(gc.callbacks.remove, note)
        text = self.gateway.path.read_text()
        self.gateway.write(text.replace("path = /say/{text}", "path = /new/{text}"))
        self.assertEqual((await self.gateway.reload()).message, "API echo/say changed")
        self.assertEqual((await self.gateway.get("/new/x")).status, 200)
        while old() is not None:  # the thread that has read it may take a moment to let go
            await deferLater(reactor, 0.001, lambda: None)
        self.assertEqual(collections, [])


class IniTests(TestCase):
    def test_no_circles(self) -> None:
        """A parser is free when it has done its work: with many sections it is large."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        before = parsers()
        sections, errors = parse("\n".join(f"[api:a/{number}]\npath = /x" for number in range(1000)))
        self.assertEqual((len(sections), errors), (1000, []))
        self.assertEqual(parsers(), before)


def parsers() -> int:
    kinds = (configparser.SectionProxy, configparser.RawConfigParser)
    return sum(isinstance(each, kinds) for each in gc.get_objects())
