"""Google's own client, `google-cloud-secret-manager` with its REST transport, works against the gateway unmodified."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gateway import Gateway
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

pytest.importorskip("google.cloud.secretmanager_v1", reason="google-cloud-secret-manager is not installed")

from google.api_core import exceptions, retry
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager_v1 as sm
from google.iam.v1 import policy_pb2
from google.protobuf import duration_pb2, field_mask_pb2
from grpc_backend import CACHE
from secret_manager import SecretManager, client_methods, descriptor_set

from twistedgw.schema.descriptor_set import DescriptorSetSource

if TYPE_CHECKING:
    from collections.abc import Callable

PARENT = "projects/p-1"
SECRET = f"{PARENT}/secrets/s-1"

INI = """
    [gateway]
    bridge = {bridge}
    [listener:http]
    endpoint = tcp:0:interface=127.0.0.1
    [service:secrets]
    [backend:secrets]
    protocol = grpc
    target = {target}
    [api:secrets/all]
    rpc = google.cloud.secretmanager.v1.SecretManagerService/*
    backend = secrets
    [plugin:secrets]
    type = backend-grpc
    descriptor_set = secrets.binpb
    error_format = google
    [binding:secrets]
    plugin = secrets
    service = secrets
    environment = release
"""


def connect(port: int) -> sm.SecretManagerServiceClient:
    transport = sm.SecretManagerServiceClient.get_transport_class("rest")
    return sm.SecretManagerServiceClient(
        transport=transport(host=f"127.0.0.1:{port}", url_scheme="http", credentials=AnonymousCredentials())
    )


def automatic() -> sm.Replication:
    return sm.Replication(automatic=sm.Replication.Automatic())


class GoogleClientTests(TestCase):
    bridge = "asyncio"
    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        path = self.folder / "secrets.binpb"
        path.write_bytes(descriptor_set())
        self.server = SecretManager(DescriptorSetSource(path, cache=CACHE).load())
        self.addCleanup(self.server.backend.stop)
        self.gateway = Gateway(self.folder, INI.format(bridge=self.bridge, target=self.server.backend.target)).start()
        self.addCleanup(self.gateway.stop)

    def use(self, work: Callable[[sm.SecretManagerServiceClient], None]) -> Any:
        """Do the client's blocking work in a thread."""

        def run() -> None:
            with connect(self.gateway.port) as client:
                work(client)

        return deferToThread(run)

    def requests(self, name: str) -> list[Any]:
        return [request for rpc, request, _ in self.server.backend.calls if rpc == name]

    async def test_every_method_has_its_routes(self) -> None:
        """The client's own table of rules is what is served: all methods, with their additional bindings."""
        names = {name for name, *_ in client_methods()}
        self.assertGreaterEqual(names, {"CreateSecret", "UpdateSecret", "AccessSecretVersion", "SetIamPolicy"})
        schema = self.server.backend.schema
        service = schema.services["google.cloud.secretmanager.v1.SecretManagerService"]
        self.assertEqual({method.name for method in service.methods}, names)
        for method in service.methods:
            self.assertEqual(len(schema.rules(method)), 2, method.name)

    async def test_create_and_get(self) -> None:
        """Every kind of field comes to the server as the client had it, and back: what is got equals what was made."""
        secret = sm.Secret(
            replication=automatic(),
            labels={"env": "prod", "k é": "v/&=+"},
            annotations={"": "empty key"},
            topics=[sm.Topic(name="projects/p/topics/a"), sm.Topic()],
            ttl=duration_pb2.Duration(seconds=-86400, nanos=-1),
            version_destroy_ttl=dt.timedelta(days=1),
            rotation=sm.Rotation(next_rotation_time=dt.datetime(2027, 1, 1, tzinfo=dt.timezone.utc)),
            version_aliases={"latest": 2**63 - 1, "first": -(2**63), "zero": 0},
            etag='"x"',
        )
        if "secret_type" in sm.Secret.meta.fields:  # an enum, which earlier versions of the package do not have
            secret.secret_type = 1

        def work(client: sm.SecretManagerServiceClient) -> None:
            made = client.create_secret(parent=PARENT, secret_id="s-1", secret=secret)
            expected = sm.Secret(secret)
            expected.name = SECRET
            expected.create_time = "2026-01-02T03:04:05.000000006Z"
            self.assertEqual(made, expected)
            self.assertEqual(made.create_time.nanosecond, 6)
            self.assertEqual(client.get_secret(name=SECRET), expected)

        await self.use(work)
        (request,) = self.requests("CreateSecret")
        self.assertEqual(
            request.secret.SerializeToString(True), sm.Secret.pb(secret).SerializeToString(deterministic=True)
        )
        self.assertEqual((request.parent, request.secret_id), (PARENT, "s-1"))

    async def test_additional_binding(self) -> None:
        """The same method by its second template."""
        parent = f"{PARENT}/locations/eu"

        def work(client: sm.SecretManagerServiceClient) -> None:
            client.create_secret(parent=parent, secret_id="r", secret=sm.Secret())
            self.assertEqual(client.get_secret(name=f"{parent}/secrets/r").name, f"{parent}/secrets/r")

        await self.use(work)

    async def test_names_that_need_escapes(self) -> None:
        """What the client escapes in a path, the server gets as the client had it."""
        names = [
            f"{PARENT}/secrets/{text}"
            for text in ("a b", "é", "100%", "a+b", "a:b", "q?x=1&y", "#", "~-._", "a:disable")
        ]

        def work(client: sm.SecretManagerServiceClient) -> None:
            for name in names:
                with self.assertRaises(exceptions.NotFound):
                    client.get_secret(name=name)

        await self.use(work)
        self.assertEqual([request.name for request in self.requests("GetSecret")], names)

    async def test_list_with_pages(self) -> None:
        """The client's pager walks all pages, with filter and page tokens full of reserved characters."""
        expression = 'labels.a="b c&d+e/é%41=" AND name:x #'

        def work(client: sm.SecretManagerServiceClient) -> None:
            for number in range(5):
                client.create_secret(parent=PARENT, secret_id=f"s-{number}", secret=sm.Secret(replication=automatic()))
            pager = client.list_secrets(request={"parent": PARENT, "page_size": 2, "filter": expression})
            pages = [[secret.name[-3:] for secret in page.secrets] for page in pager.pages]
            self.assertEqual(pages, [["s-0", "s-1"], ["s-2", "s-3"], ["s-4"]])
            self.assertEqual(client.list_secrets(request={"parent": "projects/none", "page_size": 1}).total_size, 0)

        await self.use(work)
        requests = self.requests("ListSecrets")
        self.assertEqual({request.filter for request in requests[:3]}, {expression})
        self.assertEqual(requests[1].page_token, f"from&+=%/é {PARENT}/secrets/s-2")

    async def test_update_with_mask(self) -> None:
        """PATCH: the mask travels in the query in camelCase, and only what it names changes."""

        def work(client: sm.SecretManagerServiceClient) -> None:
            made = client.create_secret(
                parent=PARENT,
                secret_id="s-1",
                secret=sm.Secret(labels={"a": "1"}, etag="old", version_aliases={"x": 1}),
            )
            made.labels = {"b": "2"}
            made.version_aliases = {"y": 2**53 + 1}
            made.etag = "not in the mask"
            mask = field_mask_pb2.FieldMask(paths=["labels", "version_aliases"])
            changed = client.update_secret(secret=made, update_mask=mask)
            self.assertEqual(dict(changed.labels), {"b": "2"})
            self.assertEqual(dict(changed.version_aliases), {"y": 2**53 + 1})
            self.assertEqual(changed.etag, "old")

        await self.use(work)
        (request,) = self.requests("UpdateSecret")
        self.assertEqual(list(request.update_mask.paths), ["labels", "version_aliases"])
        self.assertEqual(request.secret.name, SECRET)

    async def test_versions(self) -> None:
        """Custom verbs, bytes, int64, enums as the numbers that the client asks for, and times at their end."""
        data = bytes(range(256))
        answers: list[Any] = []

        def work(client: sm.SecretManagerServiceClient) -> None:
            client.transport._session.hooks["response"].append(lambda answer, **_: answers.append(answer.json()))
            client.create_secret(parent=PARENT, secret_id="s-1", secret=sm.Secret(replication=automatic()))
            payload = sm.SecretPayload(data=data, data_crc32c=0)
            version = client.add_secret_version(parent=SECRET, payload=payload)
            self.assertIs(version.state, sm.SecretVersion.State.ENABLED)
            self.assertTrue(version.client_specified_payload_checksum)
            accessed = client.access_secret_version(name=version.name).payload
            self.assertEqual((accessed.data, accessed.data_crc32c, "data_crc32c" in accessed), (data, 0, True))
            self.assertIs(client.disable_secret_version(name=version.name).state, sm.SecretVersion.State.DISABLED)
            destroyed = client.destroy_secret_version(name=version.name)
            self.assertIs(destroyed.state, sm.SecretVersion.State.DESTROYED)
            self.assertEqual((destroyed.destroy_time.year, destroyed.destroy_time.nanosecond), (9999, 999_999_999))
            (listed,) = client.list_secret_versions(parent=SECRET)
            self.assertEqual(listed, destroyed)

        await self.use(work)
        self.assertEqual([answer["state"] for answer in answers if "state" in answer], [1, 2, 3])

    async def test_delete(self) -> None:
        """An Empty answer; an etag in the query; a refusal by precondition."""

        def work(client: sm.SecretManagerServiceClient) -> None:
            client.create_secret(parent=PARENT, secret_id="s-1", secret=sm.Secret(etag='W/"1"'))
            with self.assertRaises(exceptions.BadRequest) as caught:
                client.delete_secret(request={"name": SECRET, "etag": "2"})
            self.assertIn("etag does not match", caught.exception.message)
            self.assertIsNone(client.delete_secret(request={"name": SECRET, "etag": 'W/"1"'}))
            with self.assertRaises(exceptions.NotFound):
                client.delete_secret(name=SECRET)

        await self.use(work)

    async def test_policies(self) -> None:
        """Messages of another package, nested query parameters, repeated strings."""
        policy = policy_pb2.Policy(etag=b"\x00\xff", bindings=[policy_pb2.Binding(role="r", members=["user:a@b", "m"])])

        def work(client: sm.SecretManagerServiceClient) -> None:
            self.assertEqual(client.set_iam_policy(request={"resource": SECRET, "policy": policy}), policy)
            got = client.get_iam_policy(request={"resource": SECRET, "options": {"requested_policy_version": 3}})
            self.assertEqual((got.version, got.bindings), (3, policy.bindings))
            answer = client.test_iam_permissions(request={"resource": SECRET, "permissions": ["a.b", "c.d", "e.f"]})
            self.assertEqual(list(answer.permissions), ["c.d", "e.f"])

        await self.use(work)

    async def test_errors(self) -> None:
        """The server's errors are the client's own exception classes, with message and details."""

        def work(client: sm.SecretManagerServiceClient) -> None:
            with self.assertRaises(exceptions.NotFound) as missing:
                client.get_secret(name=SECRET)
            self.assertIn(f"[{SECRET}] not found: «é»", missing.exception.message)
            self.assertEqual(
                missing.exception.details,
                [
                    {
                        "@type": "type.googleapis.com/google.rpc.ResourceInfo",
                        "resourceName": SECRET,
                        "description": "né",
                    }
                ],
            )
            with self.assertRaises(exceptions.BadRequest) as invalid:
                client.create_secret(parent=PARENT, secret_id="a b", secret=sm.Secret())
            violations = [{"field": "secret_id", "description": "bad characters"}]
            self.assertEqual(invalid.exception.details[0]["fieldViolations"], violations)
            client.create_secret(parent=PARENT, secret_id="s-1", secret=sm.Secret())
            with self.assertRaises(exceptions.Conflict) as exists:
                client.create_secret(parent=PARENT, secret_id="s-1", secret=sm.Secret())
            self.assertEqual((exists.exception.reason, exists.exception.domain), ("EXISTS", "sm.example"))
            self.assertEqual(exists.exception.metadata, {"name": SECRET})

        await self.use(work)

    async def test_errors_of_the_gateway(self) -> None:
        """The gateway's own refusals read the same: class, message, reason and the field."""

        def work(client: sm.SecretManagerServiceClient) -> None:
            with self.assertRaises(exceptions.MethodNotImplemented) as caught:
                client.enable_secret_version(name=f"{SECRET}/versions/1")
            self.assertEqual(caught.exception.code, 501)
            response = client.transport._session.post(
                f"{client.transport._host}/v1/{PARENT}/secrets", json={"ttl": "x"}
            )
            error = exceptions.from_http_response(response)
            self.assertIsInstance(error, exceptions.BadRequest)
            self.assertEqual((error.reason, error.domain), ("INVALID_JSON", "twistedgw"))
            response = client.transport._session.put(f"{client.transport._host}/v1/{SECRET}")
            self.assertIsInstance(exceptions.from_http_response(response), exceptions.MethodNotAllowed)

        await self.use(work)

    async def test_retry(self) -> None:
        """The client knows by the answer that it may try again, and does."""

        def work(client: sm.SecretManagerServiceClient) -> None:
            client.create_secret(parent=PARENT, secret_id="s-1", secret=sm.Secret())
            version = client.add_secret_version(parent=SECRET, payload=sm.SecretPayload(data=b"x"))
            self.server.unavailable = 2
            again = retry.Retry(retry.if_exception_type(exceptions.ServiceUnavailable), initial=0.01, maximum=0.01)
            accessed = client.access_secret_version(name=version.name, retry=again)
            self.assertEqual(accessed.payload.data, b"x")

        await self.use(work)
        self.assertEqual(len(self.requests("AccessSecretVersion")), 3)

    async def test_metadata(self) -> None:
        """What the client says of itself and of the resource reaches the server."""
        await self.use(lambda client: client.list_secret_versions(parent=SECRET, metadata=[("x-mine", "1")]))
        metadata = self.server.backend.calls[-1][2]
        self.assertEqual(metadata["x-mine"], "1")
        self.assertIn("gapic/", metadata["x-goog-api-client"])
        self.assertEqual(metadata["x-goog-request-params"], "parent=projects/p-1/secrets/s-1")


class ThreadGoogleClientTests(GoogleClientTests):
    bridge = "thread"
