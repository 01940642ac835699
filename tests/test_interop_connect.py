"""Connect and gRPC-Web by clients that others wrote: from npm in Node and in Chromium, and connect-python.

They are skipped where Node, npm's packages, Chromium or connect-python are not there. npm's packages come once into
``~/.cache/twistedgw``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from gateway import Gateway
from google.protobuf import descriptor_pb2
from rpc_backend import Talk, ini
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import Site

if TYPE_CHECKING:
    from collections.abc import Callable

JS = Path(__file__).parent / "interop" / "js"
SECONDS = 120
CORS = """
[plugin:pages]
type = cors
allow_origins = http://127.0.0.1:{port}
expose_headers = x-seen
[binding:pages]
plugin = pages
service = talk
environment = release
apis = *
"""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@cache
def packages() -> Path:
    """Give the folder that has npm's packages; they are installed where they were not before."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node and npm here, which run the clients")
    lock = (JS / "package-lock.json").read_bytes()
    cached = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "twistedgw"
    folder = cached / f"js-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / "node_modules" / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(JS / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install the clients: {done.stderr[-300:]}")
        (folder / "node_modules" / ".complete").touch()
    return folder / "node_modules"


def descriptor_set(talk: Talk) -> bytes:
    """Give the types as `protoc --include_imports --descriptor_set_out` does."""
    files: dict[str, Any] = {}

    def add(file: Any) -> None:
        for needed in file.dependencies:
            add(needed)
        if file.name not in files:
            files[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    add(talk.words.DESCRIPTOR.file)
    return descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString()


class ClientCase(TestCase):
    timeout = SECONDS

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.backend = Talk(self.folder)
        self.addCleanup(self.backend.stop)

    def start(self, more: str = "") -> Gateway:
        gateway = Gateway(self.folder, ini(self.backend, more=more)).start()
        self.addCleanup(gateway.stop)
        return gateway

    def unpack(self) -> Path:
        """Put the clients beside their packages."""
        folder = self.folder / "js"
        folder.mkdir()
        (folder / "node_modules").symlink_to(packages())
        for file in (*JS.glob("*.js"), JS / "package.json"):
            shutil.copyfile(file, folder / file.name)
        (folder / "types.bin").write_bytes(descriptor_set(self.backend))
        return folder


class NodeTests(ClientCase):
    async def test_connect_node(self) -> None:
        folder = await deferToThread(self.unpack)
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        server.private_key_pem.write_to_path(self.folder / "key.pem")
        server.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        tls = "protocol = https\nhttp2 = yes\ncertificate = cert.pem\nprivate_key = key.pem\n"
        gateway = self.start(f"[listener:https]\nendpoint = tcp:0:backlog=51:interface=127.0.0.1\n{tls}")
        plain, secure = gateway.ports()
        places = (f"http://127.0.0.1:{plain}", "types.bin", f"https://127.0.0.1:{secure}", "ca.pem")
        done = await deferToThread(run, ["node", "node.js", *places], folder)
        assert len(done.splitlines()) == 8, done


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Pages(Resource):
    """Serves the page and its files, and takes what it tells at its end."""

    isLeaf = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.done: Deferred[Any] = Deferred()

    def render_GET(self, request: Any) -> bytes:
        if request.path == b"/":
            request.responseHeaders = Headers({"content-type": ["text/html"]})
            return b'<!doctype html><script type="module" src="/out.js"></script>'
        if request.path == b"/out.js":
            request.responseHeaders = Headers({"content-type": ["text/javascript"]})
            return (self.folder / "out.js").read_bytes()
        return (self.folder / "types.bin").read_bytes() if request.path == b"/types.bin" else b""

    def render_POST(self, request: Any) -> bytes:
        if not self.done.called:
            reactor.callLater(0, self.done.callback, json.load(request.content))  # type: ignore[attr-defined]
        return b""


class BrowserTests(ClientCase):
    async def test_a_page_of_another_origin(self) -> None:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if chromium is None:
            pytest.skip("no Chromium here")
        folder = await deferToThread(self.unpack)
        await deferToThread(
            run, ["node_modules/.bin/esbuild", "page.js", "--bundle", "--format=esm", "--outfile=out.js"], folder
        )
        pages = Pages(folder)
        port = reactor.listenTCP(0, Site(pages), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        here = port.getHost().port
        gateway = self.start(CORS.format(port=here))
        profile = f"--user-data-dir={self.folder / 'profile'}"
        page = f"http://127.0.0.1:{here}/?gateway=http://127.0.0.1:{gateway.port}"
        browser = subprocess.Popen([chromium, *FLAGS, profile, page], stderr=subprocess.DEVNULL)
        try:
            result = await pages.done.addTimeout(SECONDS, reactor)  # type: ignore[arg-type]
        finally:
            browser.terminate()
            await deferToThread(browser.wait, SECONDS)
        assert len(result.get("done", ())) == 6, result


class ConnectPythonTests(ClientCase):
    async def test_connect_python(self) -> None:
        pytest.importorskip("connectrpc", reason="no connect-python here")
        gateway = self.start()
        done = await deferToThread(partial(call_all, f"http://127.0.0.1:{gateway.port}", self.backend.words))
        assert len(done) == 4, done


def call_all(address: str, words: Callable[..., Any]) -> list[str]:
    """Call by each protocol and in each form that connect-python has."""
    from connectrpc.client import ConnectClientSync, ResponseMetadata
    from connectrpc.code import Code
    from connectrpc.errors import ConnectError
    from connectrpc.method import IdempotencyLevel, MethodInfo
    from connectrpc.protocol import ProtocolType

    def method(name: str) -> Any:
        level = IdempotencyLevel.NO_SIDE_EFFECTS
        return MethodInfo(
            name=name,
            service_name="talk.v1.Talk",
            input=words,
            output=words,
            idempotency_level=level,  # type: ignore[arg-type]
        )

    done = []
    for protocol in (ProtocolType.CONNECT, ProtocolType.GRPC_WEB):
        for as_json in (False, True):
            with ConnectClientSync(address, protocol=protocol, proto_json=as_json) as client:
                long = words(text="x" * 5000)
                with ResponseMetadata() as metadata:
                    told = client.execute_unary(request=long, method=method("Tell"), headers={"acme-id": "me"})
                assert told == long
                assert metadata.headers()["x-seen"] == "me"
                assert metadata.trailers()["x-trailer"] == "t"
                if protocol is ProtocolType.CONNECT:
                    assert client.execute_unary(request=long, method=method("Ask"), use_get=True) == long
                with pytest.raises(ConnectError) as caught:
                    client.execute_unary(request=words(text="fail"), method=method("Tell"))
                assert (caught.value.code, caught.value.message) == (Code.FAILED_PRECONDITION, "it f\u00e4iled")
                assert [detail.type_url.rpartition(".")[2] for detail in caught.value.details] == ["RetryInfo"]
                heard = client.execute_server_stream(request=words(text="m", big=3), method=method("Hear"))
                assert [message.text for message in heard] == ["m0", "m1", "m2"]
                sent = client.execute_client_stream(
                    request=iter([words(text="a"), words(text="b")]), method=method("Send")
                )
                assert sent.text == "a b"
                done.append(f"{protocol} {as_json}")
    return done
