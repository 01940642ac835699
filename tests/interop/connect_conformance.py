"""The Connect project's conformance runner against the gateway, in front of the project's own reference server.

    python tests/interop/connect_conformance.py [options of the runner, such as --run PATTERN, -v or --trace]

Needs Go (https://go.dev) once, to build the runner and the reference server of `VERSION` into a cache folder; their
module brings the `.proto` files too.  The runner plays clients of Connect and gRPC-Web, over HTTP/1.1 and, with TLS,
HTTP/2; the gateway calls the reference server by gRPC.  For each of its combinations of protocol, HTTP version, TLS and
limits the runner starts this file with ``--serve``, which starts a gateway and its backend.

Exit status: the runner's, so 0 where each case passes but those in connect_known_failing.txt, and those fail.
CONFORMANCE_LOG=FILE keeps the gateways' logs.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
VERSION = "v1.0.7"
MODULE = "connectrpc.com/conformance"

CONFIG = """
features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  supports_h2c: false
  supports_tls: true
  supports_tls_client_certs: true
  supports_half_duplex_bidi_over_http1: true
  supports_connect_get: true
  supports_message_receive_limit: true
"""

GATEWAY = """
[gateway]
request_timeout = 0s
drain_timeout = 0s
{limit}
state_dir = state
[listener:front]
endpoint = tcp:0:interface=127.0.0.1
{tls}
[service:conformance]
[backend:reference]
protocol = grpc
target = 127.0.0.1:{port}
[api:conformance/all]
rpc = connectrpc.conformance.v1.ConformanceService/*
backend = reference
[plugin:protos]
type = backend-grpc
proto = {protos}/connectrpc/conformance/v1/service.proto
import_path = {protos}
unknown_fields = ignore
[binding:all]
plugin = protos
service = conformance
environment = release
apis = *
"""


def main() -> int:
    """Run the whole."""
    go = shutil.which("go")
    if go is None:
        print("connect_conformance: skipped, since there is no Go here to build the runner with (https://go.dev)")
        return 0
    tools = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "twistedgw" / f"conformance-{VERSION}"
    build(go, tools)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG)
        command = [str(tools / "connectconformance"), "--mode", "server", "--conf", str(config)]
        command += ["--max-servers", "2", *sys.argv[1:]]
        command += ["--known-failing", f"@{HERE / 'connect_known_failing.txt'}"]
        command += ["--", sys.executable, str(Path(__file__).resolve()), "--serve", str(tools)]
        return subprocess.run(command, check=False).returncode


def build(go: str, tools: Path) -> None:
    """Build the runner and the reference server, and copy their protos, where that was not done before."""
    if (tools / "types.bin").exists():
        return
    environ = {**os.environ, "GOBIN": str(tools), "GOFLAGS": "-mod=mod"}
    for name in ("connectconformance", "referenceserver"):
        subprocess.run([go, "install", f"{MODULE}/cmd/{name}@{VERSION}"], env=environ, check=True)
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    shutil.copytree(
        Path(cache, f"{MODULE}@{VERSION}", "proto"), tools / "proto", copy_function=shutil.copyfile, dirs_exist_ok=True
    )
    part = tools / f"types.{os.getpid()}"
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tools / 'proto'}", f"--descriptor_set_out={part}"]
    subprocess.run([*protoc, "connectrpc/conformance/v1/server_compat.proto", "--include_imports"], check=True)
    part.rename(tools / "types.bin")


# -- one gateway


def serve(tools: Path) -> int:
    """Be a server under test: read what is wanted, start it, tell where it is, serve until SIGTERM."""
    types = load_types(tools)
    request = types["ServerCompatRequest"].FromString(read_sized(sys.stdin.buffer))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        reference = stack.enter_context(running([str(tools / "referenceserver")], stdin=subprocess.PIPE))
        wanted = types["ServerCompatRequest"](protocol="PROTOCOL_GRPC", http_version="HTTP_VERSION_2")
        write_sized(reference.stdin, wanted.SerializeToString())
        backend = types["ServerCompatResponse"].FromString(read_sized(reference.stdout))
        Path(folder, "gateway.ini").write_text(settings(request, backend.port, tools, Path(folder)))
        run = "from twisted.scripts.twistd import run; run()"
        command = [sys.executable, "-c", run, "-n", "grpcgw", "-c", "gateway.ini"]
        gateway = stack.enter_context(running(command, cwd=folder, stderr=subprocess.STDOUT))
        with open(os.environ.get("CONFORMANCE_LOG", os.devnull), "a") as log:
            log.write(f"{request}\n")
            port = port_of(gateway.stdout, log)
            answer = types["ServerCompatResponse"](host="127.0.0.1", port=port, pem_cert=request.server_creds.cert)
            write_sized(sys.stdout.buffer, answer.SerializeToString())
            log.writelines(line.decode() for line in gateway.stdout)
    return 1


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[Any]:
    """Run a process until the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def port_of(lines: Any, log: Any) -> int:
    """Wait until the gateway tells where it listens."""
    said = []
    for line in lines:
        said.append(line.decode())
        log.write(said[-1])
        found = re.search(rb" serves .*\(127\.0\.0\.1:(\d+)\)", line)
        if found:
            return int(found[1])
    raise SystemExit("the gateway did not start:\n" + "".join(said))


def load_types(tools: Path) -> dict[str, Any]:
    """Give the classes of the runner's messages to servers."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString((tools / "types.bin").read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    named = {name: f"connectrpc.conformance.v1.{name}" for name in ("ServerCompatRequest", "ServerCompatResponse")}
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(full)) for name, full in named.items()}


def settings(request: Any, port: int, tools: Path, folder: Path) -> str:
    """Write a gateway's configuration."""
    tls = ""
    if request.use_tls:
        (folder / "server.pem").write_bytes(request.server_creds.cert)
        (folder / "server.key").write_bytes(request.server_creds.key)
        tls = "protocol = https\ncertificate = server.pem\nprivate_key = server.key\nhttp2 = yes\n"
    if request.client_tls_cert:
        (folder / "clients.pem").write_bytes(request.client_tls_cert)
        tls += "client_ca = clients.pem\n"
    limit = f"max_request_body = {request.message_receive_limit}" if request.message_receive_limit else ""
    return GATEWAY.format(limit=limit, tls=tls, port=port, protos=tools / "proto")


def read_sized(stream: Any) -> bytes:
    """Read a message behind its length."""
    (size,) = struct.unpack(">I", stream.read(4))
    data: bytes = stream.read(size)
    return data


def write_sized(stream: Any, data: bytes) -> None:
    """Write a message behind its length."""
    stream.write(struct.pack(">I", len(data)) + data)
    stream.flush()


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[2])) if sys.argv[1:2] == ["--serve"] else main())
