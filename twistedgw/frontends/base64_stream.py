"""Base64 that comes in parts, each of which may have been padded by itself."""

from __future__ import annotations

import base64
import binascii

from twistedgw.errors import InvalidArgument

__all__ = ["Base64Reader"]


class Base64Reader:
    """Decodes base64 as it arrives (PROTOCOL-WEB, "Text-encoded (response) streams"), with padding anywhere."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take a part; give what it decodes to.

        Raises:
            InvalidArgument: it is no base64.
        """
        data = self._rest + data
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        decoded = []
        start = 0
        while start < whole:
            padding = data.find(b"=", start, whole)
            end = whole if padding < 0 else padding - padding % 4 + 4
            if padding >= 0 and padding % 4 < 2:
                raise _malformed("expected base64")
            try:
                decoded.append(base64.b64decode(data[start:end], validate=True))
            except binascii.Error:
                raise _malformed("expected base64") from None
            start = end
        return b"".join(decoded)

    def finish(self) -> None:
        """Learn that there is no more.

        Raises:
            InvalidArgument: it ended within a group of four characters.
        """
        if self._rest:
            raise _malformed("the base64 text ends early")


def _malformed(description: str) -> InvalidArgument:
    return InvalidArgument("", description)
