"""A whole gateway in this process, on this reactor, and one in a twistd of its own."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.client import Agent, HTTPConnectionPool

from twistedgw.signals import Hangup
from twistedgw.start import prepare


class Gateway:
    """Starts a gateway from an INI text in a folder; the listener of each test says `tcp:0:interface=127.0.0.1`."""

    def __init__(self, folder: Path, ini: str, environ: dict[str, str] | None = None) -> None:
        self.path = Path(folder) / "grpcgw.ini"
        self.write(ini)
        self.environ = environ or {}
        self.hangup = Hangup()
        self.service = prepare(self.path, self.environ, self.hangup).service()
        self.pool = HTTPConnectionPool(reactor)
        self.client = treq.client.HTTPClient(Agent(reactor, pool=self.pool))

    def write(self, ini: str) -> None:
        self.path.write_text(textwrap.dedent(ini))

    def start(self) -> Gateway:
        self.service.privilegedStartService()
        self.service.startService()
        return self

    async def stop(self) -> None:
        await self.pool.closeCachedConnections()
        if not self.service.running:
            return
        await Deferred.fromCoroutine(_await(self.service.stopService()))

    @property
    def port(self) -> int:
        return self.ports()[0]

    def ports(self) -> list[int]:
        return [port.getHost().port for port in self.service.listeners.ports.values()]

    async def reload(self) -> Any:
        return await self.service.reloader.request()

    async def request(self, method: str, target: str, data: Any = None, **options: Any) -> Answer:
        headers = options.pop("headers", {})
        url = f"http://127.0.0.1:{options.pop('port', None) or self.port}{target}"
        response = await self.client.request(method, url, data=data, headers=headers, allow_redirects=False, **options)
        return Answer(response.code, response.headers, await response.content())

    async def get(self, target: str, **options: Any) -> Answer:
        return await self.request("GET", target, **options)

    async def post(self, target: str, data: Any, **options: Any) -> Answer:
        return await self.request("POST", target, data, **options)


async def _await(deferred: Any) -> Any:
    return await deferred


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        import json

        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """ErrorInfo.reason of an error in either form."""
        body = self.json.get("error", self.json)
        return next(detail["reason"] for detail in body["details"] if detail["@type"].endswith("ErrorInfo"))

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        return None if values is None else ", ".join(values)


class Twistd:
    """`twistd -n grpcgw` in a process of its own; its log is read by a thread, so that lines can be awaited."""

    PORT = re.compile(r"\(\S+:(\d+)\)")

    RUN = "from twisted.scripts.twistd import run; run()"

    def __init__(
        self, *arguments: str, cwd: Path, before: tuple[str, ...] = ("-n",), environ: Any = None, code: str = RUN
    ) -> None:
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})}
        command = [sys.executable, "-c", code, *before, "grpcgw", *arguments]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, pattern: str, timeout: float = 60) -> str:
        """Give the next line that matches; fails where the process ends first."""
        while True:
            line = self._queue.get(timeout=timeout)
            if line is None:
                self._queue.put(None)
                raise AssertionError(f"the log ended without {pattern!r}:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if re.search(pattern, line):
                return line

    def ports(self) -> list[int]:
        return [int(port) for port in self.PORT.findall(self.wait_for(r"twistedgw .* serves "))]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout: float = 60) -> int:
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        while not self._queue.empty():
            line = self._queue.get()
            if line is not None:
                self.lines.append(line)
        return status
