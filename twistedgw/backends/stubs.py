"""What a call needs to know of its RPC, from the descriptor alone.

A stub takes and gives bytes, so it depends on nothing but the RPC's name: a channel keeps its stubs for as long as it
is open, and no descriptor pool of a retired generation with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.message_factory import GetMessageClass

from twistedgw.backends.failures import CallError, unreadable
from twistedgw.status import Code

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

__all__ = ["parse", "parse_as", "path", "serialize"]


def path(full_name: str) -> str:
    """Give the ``:path`` of an RPC: ``/package.Service/Method`` for ``package.Service.Method``."""
    service, _, method = full_name.rpartition(".")
    return f"/{service}/{method}"


def serialize(request: Message) -> bytes:
    """Give the bytes of a request.

    Raises:
        CallError: INVALID_ARGUMENT: required (proto2) fields are not set.
    """
    try:
        return request.SerializeToString()
    except EncodeError:
        missing = ", ".join(cast("Any", request).FindInitializationErrors())
        raise CallError(
            Code.INVALID_ARGUMENT, f"required fields are missing: {missing}", reason="INVALID_REQUEST"
        ) from None


def parse(method: MethodDescriptor, data: bytes | None) -> Message:
    """Make a message of the RPC's output type, of the descriptor's own pool.

    Raises:
        CallError: INTERNAL: there is no message, or its bytes are not of that type.
    """
    if data is None:
        raise unreadable("the backend answered without a message")
    return parse_as(GetMessageClass(method.output_type), data)


def parse_as(kind: type[Message], data: bytes) -> Message:
    """Make a message of a class.

    Raises:
        CallError: INTERNAL: the bytes are not of that type.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        raise unreadable("the backend's answer is not of the type that its RPC declares") from None
