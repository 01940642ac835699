"""Google's Secret Manager, as far as its own client package knows it, with a small server of our own behind it.

The package carries the messages, and its REST transport the HTTP rules and the types of each method; the services' own
descriptors it leaves out. So the service is put together again from what the unmodified client says of it.
"""

from __future__ import annotations

import re
import typing
from typing import Any

import google.api.annotations_pb2
import grpc
from google.api import http_pb2
from google.cloud.secretmanager_v1.services.secret_manager_service.transports.rest import (
    SecretManagerServiceRestTransport,
)
from google.protobuf import any_pb2, descriptor_pb2, empty_pb2, message_factory
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_backend import Backend
from grpc_status import rpc_status

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from twistedgw.schema.schema import Schema

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
FILE = "google/cloud/secretmanager/v1/rest.proto"


def client_methods() -> Iterator[tuple[str, Any, Any, list[dict[str, str]]]]:
    """Name, input, output and HTTP rules of each method, as the client has them."""
    for attribute, stub in vars(SecretManagerServiceRestTransport).items():
        if not re.fullmatch("_[A-Z][A-Za-z]+", attribute) or attribute.endswith(("Location", "Locations")):
            continue
        types = typing.get_type_hints(stub.__call__)
        yield attribute[1:], _descriptor(types["request"]), _descriptor(types.get("return")), stub._get_http_options()


def _descriptor(type_: Any) -> Any:
    if type_ is None:
        return empty_pb2.Empty.DESCRIPTOR
    return type_.pb().DESCRIPTOR if hasattr(type_, "pb") else type_.DESCRIPTOR


def _rule(options: list[dict[str, str]]) -> http_pb2.HttpRule:
    rules = [http_pb2.HttpRule(**{each["method"]: each["uri"]}, body=each.get("body", "")) for each in options]
    rules[0].additional_bindings.extend(rules[1:])
    return rules[0]


def descriptor_set() -> bytes:
    """The service and all that it needs, as the file of a plugin's `descriptor_set`."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: Any) -> None:
        if file.name not in files:
            for dependency in file.dependencies:
                add(dependency)
            files[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    add(google.api.annotations_pb2.DESCRIPTOR)
    needed = {"google/api/annotations.proto"}
    service = descriptor_pb2.ServiceDescriptorProto(name=SERVICE.rpartition(".")[2])
    for name, request, response, options in client_methods():
        method = service.method.add(name=name, input_type=f".{request.full_name}", output_type=f".{response.full_name}")
        method.options.Extensions[google.api.annotations_pb2.http].CopyFrom(_rule(options))
        for each in (request, response):
            add(each.file)
            needed.add(each.file.name)
    files[FILE] = descriptor_pb2.FileDescriptorProto(
        name=FILE, package=SERVICE.rpartition(".")[0], syntax="proto3", dependency=sorted(needed), service=[service]
    )
    return descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString()


class SecretManager:
    """Keeps secrets and their versions in memory."""

    def __init__(self, schema: Schema) -> None:
        self.pool = schema.pool
        self.secrets: dict[str, Any] = {}
        self.versions: dict[str, Any] = {}
        self.payloads: dict[str, bytes] = {}
        self.policies: dict[str, Any] = {}
        self.unavailable = 0
        """How many more calls are answered with UNAVAILABLE."""
        names = [name for name, *_ in client_methods() if hasattr(self, name)]
        self.backend = Backend(schema, SERVICE, {name: getattr(self, name) for name in names})

    def make(self, name: str, /, **fields: Any) -> Any:
        full = name if "." in name else f"google.cloud.secretmanager.v1.{name}"
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full))(**fields)

    def found(self, where: dict[str, Any], name: str, context: grpc.ServicerContext) -> Any:
        if name not in where:
            info = error_details_pb2.ResourceInfo(resource_name=name, description="né")
            fail(context, code_pb2.NOT_FOUND, f"[{name}] not found: «é»", info)
        return where[name]

    def CreateSecret(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = f"{request.parent}/secrets/{request.secret_id}"
        if not re.fullmatch("[A-Za-z0-9_-]{1,255}", request.secret_id):
            violation = error_details_pb2.BadRequest.FieldViolation(field="secret_id", description="bad characters")
            fail(
                context,
                code_pb2.INVALID_ARGUMENT,
                "bad secret_id",
                error_details_pb2.BadRequest(field_violations=[violation]),
            )
        if name in self.secrets:
            info = error_details_pb2.ErrorInfo(reason="EXISTS", domain="sm.example", metadata={"name": name})
            fail(context, code_pb2.ALREADY_EXISTS, f"[{name}] already exists", info)
        secret = self.secrets[name] = self.make("Secret")
        secret.CopyFrom(request.secret)
        secret.name = name
        secret.create_time.FromJsonString("2026-01-02T03:04:05.000000006Z")
        return secret

    def GetSecret(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self.found(self.secrets, request.name, context)

    def ListSecrets(self, request: Any, context: grpc.ServicerContext) -> Any:
        everything = sorted(name for name in self.secrets if name.startswith(f"{request.parent}/"))
        start = everything.index(request.page_token.removeprefix("from&+=%/é ")) if request.page_token else 0
        page = everything[start : start + request.page_size]
        answer = self.make("ListSecretsResponse", secrets=[self.secrets[name] for name in page])
        answer.total_size = len(everything)
        if start + request.page_size < len(everything):
            answer.next_page_token = "from&+=%/é " + everything[start + request.page_size]
        return answer

    def UpdateSecret(self, request: Any, context: grpc.ServicerContext) -> Any:
        secret = self.found(self.secrets, request.secret.name, context)
        for path in request.update_mask.paths:
            secret.ClearField(path)
        request.update_mask.MergeMessage(request.secret, secret, True, True)
        return secret

    def DeleteSecret(self, request: Any, context: grpc.ServicerContext) -> Any:
        secret = self.found(self.secrets, request.name, context)
        if request.etag and request.etag != secret.etag:
            fail(context, code_pb2.FAILED_PRECONDITION, "etag does not match")
        del self.secrets[request.name]
        return self.make("google.protobuf.Empty")

    def AddSecretVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.found(self.secrets, request.parent, context)
        number = 1 + sum(name.startswith(f"{request.parent}/") for name in self.versions)
        version = self.make("SecretVersion", name=f"{request.parent}/versions/{number}", state=1)
        version.client_specified_payload_checksum = request.payload.HasField("data_crc32c")
        self.versions[version.name] = version
        self.payloads[version.name] = request.payload
        return version

    def AccessSecretVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self.unavailable:
            self.unavailable -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        payload = self.found(self.payloads, request.name, context)
        return self.make("AccessSecretVersionResponse", name=request.name, payload=payload)

    def DisableSecretVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        version = self.found(self.versions, request.name, context)
        version.state = 2
        return version

    def DestroySecretVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        version = self.found(self.versions, request.name, context)
        version.state = 3
        version.destroy_time.FromJsonString("9999-12-31T23:59:59.999999999Z")
        return version

    def ListSecretVersions(self, request: Any, context: grpc.ServicerContext) -> Any:
        versions = [each for name, each in self.versions.items() if name.startswith(f"{request.parent}/")]
        return self.make("ListSecretVersionsResponse", versions=versions, total_size=len(versions))

    def SetIamPolicy(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.policies[request.resource] = request.policy
        return request.policy

    def GetIamPolicy(self, request: Any, context: grpc.ServicerContext) -> Any:
        policy = self.make("google.iam.v1.Policy")
        policy.CopyFrom(self.found(self.policies, request.resource, context))
        policy.version = request.options.requested_policy_version
        return policy

    def TestIamPermissions(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self.make("google.iam.v1.TestIamPermissionsResponse", permissions=list(request.permissions)[1:])


def fail(context: grpc.ServicerContext, code: int, message: str, *details: Any) -> typing.NoReturn:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError
