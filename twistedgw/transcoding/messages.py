"""The messages of one RPC as bytes and back, in the two forms that RPC protocols have: protobuf and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.codec import check_required
from twistedgw.transcoding.descriptors import may_lack_required

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, MethodDescriptor
    from google.protobuf.message import Message

    from twistedgw.transcoding.codec import Codec

__all__ = ["Messages"]


class Messages:
    """Reads an RPC's requests and writes its answers. Immutable; any thread.

    Attributes:
        read: by the form's name (``proto``, ``json``): makes a request of bytes; raises `InvalidArgument`.
        write: by the form's name: makes bytes of an answer; raises a `GatewayError` where it has no such form.
    """

    def __init__(self, method: MethodDescriptor, codec: Codec) -> None:
        """Take the types of `method`, which belong to the pool of `codec`."""
        self.read: dict[str, Callable[[bytes], Message]] = {
            "proto": _protobuf_reader(method.input_type, codec),
            "json": codec.decoder(method.input_type),
        }
        self.write: dict[str, Callable[[Message], bytes]] = {
            "proto": _serialize,
            "json": codec.encoder(method.output_type),
        }


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _protobuf_reader(descriptor: Descriptor, codec: Codec) -> Callable[[bytes], Message]:
    make = codec.message_class(descriptor).FromString
    checked = may_lack_required(descriptor)

    def read(data: bytes) -> Message:
        try:
            message = make(data)
        except DecodeError:
            raise InvalidArgument("", f"expected a {descriptor.full_name} in protobuf's binary form") from None
        if checked:
            check_required(message)
        return message

    return read
