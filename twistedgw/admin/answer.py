"""An HTTP/1.1 answer, read as it comes: trailers and broken ends included. Sans-I/O."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Answer"]


class Answer:
    """Reads one answer; interim ones (1xx) are passed over.

    Attributes:
        status: of HTTP; 0 before the head is there.
        reason: the words beside it.
        headers, trailers: names and values as text, in order.
        has_head: whether the head is complete.
        is_complete: whether all of it is there.
    """

    def __init__(self, for_head: bool = False) -> None:
        """Make one.

        Args:
            for_head: whether it answers HEAD, so that there is no body whatever its fields say.
        """
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.has_head = False
        self.is_complete = False
        self._for_head = for_head
        self._parser = httptools.HttpResponseParser(self)
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._is_text = True
        self._pieces: list[tuple[str, bytes]] = []

    def feed(self, data: bytes) -> str:
        """Take what has come; give what is wrong with it, or nothing."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_complete = True
        except httptools.HttpParserError:
            return "" if self.is_complete else "what came is no HTTP"
        return ""

    def feed_end(self) -> str:
        """Learn that nothing more will come; give what is wrong with that, or nothing."""
        if self.is_complete:
            return ""
        if not self.has_head:
            return "the connection was closed before an answer came"
        names = {name.lower() for name, _ in self.headers}
        if names & {"content-length", "transfer-encoding"}:
            return "the connection was closed before the end of the answer"
        self.is_complete = True
        return ""

    def pieces(self) -> Iterator[tuple[str, bytes]]:
        """Give the pieces of the body that have come since: each a text, or octets where it is none."""
        pieces, self._pieces = self._pieces, []
        yield from pieces

    # -- what the parser calls

    def on_message_begin(self) -> None:
        """Begin anew: after an interim answer comes another."""
        self.reason = ""
        self.headers = []

    def on_status(self, status: bytes) -> None:
        """Take the reason."""
        self.reason = status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field: of the head, or after the body."""
        pair = (name.decode("latin-1"), value.decode("latin-1"))
        (self.trailers if self.has_head else self.headers).append(pair)

    def on_headers_complete(self) -> None:
        """Take the head."""
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.has_head = True
            self.is_complete = self._for_head

    def on_body(self, data: bytes) -> None:
        """Take a part of the body; a character that is cut in two waits for its other half."""
        if self._is_text:
            pending = self._decoder.getstate()[0]
            try:
                text = self._decoder.decode(data)
            except UnicodeDecodeError:
                self._is_text = False
                data = pending + data
            else:
                if text:
                    self._pieces.append((text, b""))
                return
        self._pieces.append(("", data))

    def on_message_complete(self) -> None:
        """Learn of the end."""
        if self.has_head:
            self.is_complete = True
            rest = self._decoder.getstate()[0] if self._is_text else b""
            if rest:
                self._pieces.append(("", rest))
