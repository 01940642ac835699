"""The messages of ``grpc.reflection.v1`` and ``v1alpha``, built here in a pool of their own.

Both versions have the same messages in different packages, so one description does for both; nothing is registered in
the default pool, where grpcio-reflection's generated modules may or may not be.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["request_class", "response_class"]

_PACKAGE = "grpc.reflection.v1"
_STRING = FieldDescriptorProto.TYPE_STRING
_BYTES = FieldDescriptorProto.TYPE_BYTES
_INT32 = FieldDescriptorProto.TYPE_INT32
_MESSAGE = FieldDescriptorProto.TYPE_MESSAGE
_ONE = FieldDescriptorProto.LABEL_OPTIONAL
_MANY = FieldDescriptorProto.LABEL_REPEATED


def request_class() -> Any:
    """Give the class of ``ServerReflectionRequest``."""
    return _classes()["ServerReflectionRequest"]


def response_class() -> Any:
    """Give the class of ``ServerReflectionResponse``."""
    return _classes()["ServerReflectionResponse"]


@functools.cache
def _classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="grpc/reflection/v1/reflection.proto", package=_PACKAGE, syntax="proto3")
    request = file.message_type.add(name="ServerReflectionRequest")
    _choice(request, "message_request")
    _field(request, "host", 1, _STRING)
    _field(request, "file_by_filename", 3, _STRING, chosen=True)
    _field(request, "file_containing_symbol", 4, _STRING, chosen=True)
    _field(request, "list_services", 7, _STRING, chosen=True)

    response = file.message_type.add(name="ServerReflectionResponse")
    _choice(response, "message_response")
    _field(response, "file_descriptor_response", 4, "FileDescriptorResponse", chosen=True)
    _field(response, "list_services_response", 6, "ListServiceResponse", chosen=True)
    _field(response, "error_response", 7, "ErrorResponse", chosen=True)

    _field(file.message_type.add(name="FileDescriptorResponse"), "file_descriptor_proto", 1, _BYTES, _MANY)
    _field(file.message_type.add(name="ListServiceResponse"), "service", 1, "ServiceResponse", _MANY)
    _field(file.message_type.add(name="ServiceResponse"), "name", 1, _STRING)
    error = file.message_type.add(name="ErrorResponse")
    _field(error, "error_code", 1, _INT32)
    _field(error, "error_message", 2, _STRING)

    pool = DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
        for message in file.message_type
    }


def _choice(message: DescriptorProto, name: str) -> None:
    message.oneof_decl.add(name=name)


def _field(
    message: DescriptorProto,
    name: str,
    number: int,
    type_: FieldDescriptorProto.Type.ValueType | str,
    label: FieldDescriptorProto.Label.ValueType = _ONE,
    *,
    chosen: bool = False,
) -> None:
    field = message.field.add(name=name, number=number, label=label)
    if isinstance(type_, str):
        field.type = _MESSAGE
        field.type_name = f".{_PACKAGE}.{type_}"
    else:
        field.type = type_
    if chosen:
        field.oneof_index = 0
