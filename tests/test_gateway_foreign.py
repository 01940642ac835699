"""gRPC servers that others wrote, behind the gateway by their own unmodified `.proto` files.

The grpc project publishes health, reflection and channelz servers. Their packages carry descriptors and no source, so
the `.proto` files are these descriptors printed; the descriptors themselves, and the running server, are two more sources.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import trustme
from gateway import Gateway
from google.protobuf import descriptor_pb2
from grpc_channelz.v1 import channelz, channelz_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from proto_text import proto_text
from twisted.trial.unittest import TestCase

INI = """
    [gateway]
    bridge = {bridge}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:grpc]
    [backend:grpc]
    protocol = {protocol}
    target = localhost:{port}
    {tls}
    [api:grpc/check]
    method = GET
    path = /health/{{service=**}}
    rpc = grpc.health.v1.Health/Check
    backend = grpc
    [api:grpc/health]
    rpc = grpc.health.v1.Health/*
    backend = grpc
    [api:grpc/channelz]
    rpc = grpc.channelz.v1.Channelz/*
    backend = grpc
    [api:grpc/servers]
    method = GET
    path = /channelz/servers
    rpc = grpc.channelz.v1.Channelz/GetServers
    backend = grpc
    [api:grpc/socket]
    method = GET
    path = /channelz/sockets/{{socket_id}}
    rpc = grpc.channelz.v1.Channelz/GetSocket
    backend = grpc
    [plugin:grpc]
    type = backend-grpc
    {source}
    [binding:grpc]
    plugin = grpc
    service = grpc
    environment = release
"""


class Foreign:
    """One server with all three services."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.server = grpc.server(ThreadPoolExecutor(8))
        self.health = health.HealthServicer()
        self.health.set("", health_pb2.HealthCheckResponse.SERVING)
        self.health.set("shop.v1.Shop/eu", health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        channelz.add_channelz_servicer(self.server)
        names = [
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name,
            reflection.SERVICE_NAME,
        ]
        reflection.enable_server_reflection(names, self.server)
        address = "localhost:0"
        add = self.server.add_insecure_port
        self.port = add(address) if credentials is None else self.server.add_secure_port(address, credentials)
        self.server.start()

    def stop(self) -> None:
        self.server.stop(None).wait()


def published() -> list[descriptor_pb2.FileDescriptorProto]:
    """The published descriptors of the three services, dependencies first."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file) -> None:
        for dependency in file.dependencies:
            add(dependency)
        if file.name not in files:
            files[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    for module in (health_pb2, channelz_pb2, reflection_pb2):
        add(module.DESCRIPTOR)
    return list(files.values())


class ForeignTests(TestCase):
    bridge = "asyncio"
    timeout = 120
    source = "reflection = grpc"

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *, tls: str = "", credentials: grpc.ServerCredentials | None = None) -> Gateway:
        self.backend = Foreign(credentials)
        self.addCleanup(self.backend.stop)
        protocol = "grpcs" if tls else "grpc"
        ini = INI.format(bridge=self.bridge, protocol=protocol, port=self.backend.port, tls=tls, source=self.source)
        gateway = Gateway(self.folder, ini).start()
        self.addCleanup(gateway.stop)
        return gateway

    async def walk(self, gateway: Gateway) -> None:
        """Health by both ways of mapping, its errors, and channelz with its nested messages, 64-bit ids and Any."""
        self.assertEqual((await gateway.get("/health/")).json, {"status": "SERVING"})
        self.assertEqual((await gateway.get("/health/shop.v1.Shop/eu")).json, {"status": "NOT_SERVING"})
        answer = await gateway.get("/health/nobody")
        self.assertEqual((answer.status, answer.json["code"]), (404, 5))
        answer = await gateway.post("/grpc.health.v1.Health/Check", json.dumps({"service": ""}).encode())
        self.assertEqual(answer.json, {"status": "SERVING"})
        servers = (await gateway.get("/channelz/servers?max_results=10")).json
        self.assertTrue(servers["end"])
        ids = {server["ref"]["serverId"] for server in servers["server"]}
        self.assertTrue(all(isinstance(each, str) for each in ids))
        sockets = [
            listening["socketId"] for server in servers["server"] for listening in server.get("listenSocket", [])
        ]
        answer = await gateway.get(f"/channelz/sockets/{sockets[0]}")
        self.assertEqual(answer.json["socket"]["ref"]["socketId"], sockets[0])
        self.assertEqual((await gateway.get("/channelz/sockets/999999999")).status, 404)
        self.assertEqual((await gateway.get("/channelz/sockets/x")).status, 400)

    async def test_plain(self) -> None:
        await self.walk(self.start())

    async def test_mutual_tls(self) -> None:
        authority = trustme.CA()
        server, own = authority.issue_cert("localhost"), authority.issue_cert("gateway.example")
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        own.cert_chain_pems[0].write_to_path(str(self.folder / "own.pem"))
        own.private_key_pem.write_to_path(str(self.folder / "own.key"))
        credentials = grpc.ssl_server_credentials(
            [(server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())],
            authority.cert_pem.bytes(),
            require_client_auth=True,
        )
        tls = "ca = ca.pem\n    certificate = own.pem\n    private_key = own.key"
        await self.walk(self.start(tls=tls, credentials=credentials))


class ThreadForeignTests(ForeignTests):
    bridge = "thread"


class DescriptorSetForeignTests(ForeignTests):
    source = "descriptor_set = services.binpb"

    def setUp(self) -> None:
        super().setUp()
        data = descriptor_pb2.FileDescriptorSet(file=published()).SerializeToString()
        (self.folder / "services.binpb").write_bytes(data)


class ProtoForeignTests(ForeignTests):
    source = (
        "proto = protos/grpc_health/v1/health.proto, protos/grpc_channelz/v1/channelz.proto\n    import_path = protos"
    )

    def setUp(self) -> None:
        super().setUp()
        for file in published():
            if not file.name.startswith("google/"):
                path = self.folder / "protos" / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(proto_text(file))

    async def test_compiled_as_published(self) -> None:
        """What comes out of these sources is what was published."""
        pool = self.start().service.registry.snapshot.schemas["grpc"].pool
        for file in published():
            if file.name.startswith("grpc_") and "reflection" not in file.name:
                compiled = descriptor_pb2.FileDescriptorProto.FromString(pool.FindFileByName(file.name).serialized_pb)
                for each in (file, compiled):
                    each.ClearField("options")
                    each.ClearField("source_code_info")
                    _clear_json_names(each)
                self.assertEqual(compiled, file)


class ThreadProtoForeignTests(ProtoForeignTests):
    bridge = "thread"


def _clear_json_names(message) -> None:
    for field in getattr(message, "field", ()):
        field.ClearField("json_name")
    for nested in (*getattr(message, "message_type", ()), *getattr(message, "nested_type", ())):
        _clear_json_names(nested)
