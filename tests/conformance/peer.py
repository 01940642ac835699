"""The program that the runner talks to: requests on stdin, answers on stdout, each after its length."""

from __future__ import annotations

import struct
import sys
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from tests.conformance.schema import pool
from twistedgw.errors import GatewayError
from twistedgw.transcoding.codec import Codec, JsonOptions

_JSON = 2
_PROTOBUF = 1
_IGNORE_UNKNOWN = 3


class Peer:
    """Answers one request after the other."""

    def __init__(self) -> None:
        self._pool = pool()
        self._request = GetMessageClass(self._pool.FindMessageTypeByName("conformance.ConformanceRequest"))
        self._response = GetMessageClass(self._pool.FindMessageTypeByName("conformance.ConformanceResponse"))
        self._codec = Codec(self._pool)

    def answer(self, data: bytes) -> bytes:
        return self._answer(self._request.FromString(data)).SerializeToString()

    def _answer(self, request: Any) -> Any:
        if request.message_type == "conformance.FailureSet":
            return self._response(protobuf_payload=b"")
        payload = request.WhichOneof("payload")
        formats = {"protobuf_payload": _PROTOBUF, "json_payload": _JSON}
        if _JSON not in (formats.get(payload), request.requested_output_format):
            return self._response(skipped="not JSON")
        if payload not in formats or request.requested_output_format not in formats.values():
            return self._response(skipped="neither JSON nor protobuf")
        descriptor = self._pool.FindMessageTypeByName(request.message_type)
        ignoring = request.test_category == _IGNORE_UNKNOWN
        codec = self._codec.with_options(JsonOptions(ignore_unknown_fields=ignoring))
        try:
            if payload == "json_payload":
                message = codec.decoder(descriptor)(request.json_payload.encode())
            else:
                message = GetMessageClass(descriptor).FromString(request.protobuf_payload)
        except (GatewayError, DecodeError) as error:
            return self._response(parse_error=str(error))
        if request.requested_output_format == _PROTOBUF:
            return self._response(protobuf_payload=message.SerializeToString())
        try:
            return self._response(json_payload=codec.encoder(descriptor)(message).decode())
        except GatewayError as error:
            return self._response(serialize_error=str(error))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the runner closes its end."""
    peer = Peer()
    while len(size := requests.read(4)) == 4:
        answer = peer.answer(requests.read(*struct.unpack("<I", size)))
        answers.write(struct.pack("<I", len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
