"""What gRPC's core says about a call that failed on this side of the wire.

A status made by the core cannot be told from one that the backend sent: neither the code, nor the metadata, nor
``debug_error_string()`` differ (tried with grpcio 1.74 and 1.85, where the latter calls a refused connection "received
from peer" or says nothing). What differs is the wording, and the core's wordings name addresses, file descriptors and
HTTP/2 errors. So each is known here by its beginning and gets a sentence of ours. A backend that passes on such a text
of its own core has it replaced as well, which is what its clients would want.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LocalStatus", "local_status"]

UNREACHABLE = "the backend cannot be reached"
INSECURE = "no secure connection to the backend could be made"
LOST = "the connection to the backend was lost"
NOT_GRPC = "the backend's answer is not valid gRPC"
TOO_LARGE = "the backend's answer is larger than the gateway accepts"
LATE = "the backend did not answer before the deadline"


@dataclass(frozen=True, slots=True)
class LocalStatus:
    """What becomes of a status that gRPC's core made.

    Attributes:
        code: the gRPC code that goes to the client.
        reason: ``ErrorInfo.reason``.
        message: a sentence for the client.
        connected: False where no connection was made, so that nothing can have been sent.
    """

    code: Code
    reason: str
    message: str
    connected: bool = True


@dataclass(frozen=True, slots=True)
class _Wording:
    """One way in which the core puts it, under the codes it uses for that."""

    codes: frozenset[Code]
    pattern: re.Pattern[str]
    status: LocalStatus | None


def _wording(codes: Sequence[Code], starts: Sequence[str], status: LocalStatus | None) -> _Wording:
    return _Wording(frozenset(codes), re.compile("|".join(starts), re.DOTALL), status)


_CONNECTING = r"failed to connect to all addresses|connections to all backends failing|no reachable endpoints"
_HANDSHAKE = (
    r"handshake failed|SSL_ERROR|CERTIFICATE_VERIFY_FAILED|not in peer certificate|[Vv]erification [Cc]heck failed"
    r"|security handshaker|Cannot check peer|Peer extraction"
)

_NOT_SECURED = LocalStatus(Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", INSECURE, connected=False)
_NOT_REACHED = LocalStatus(Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", UNREACHABLE, connected=False)
_CUT_OFF = LocalStatus(Code.UNAVAILABLE, "BACKEND_UNAVAILABLE", LOST)
_GARBLED = LocalStatus(Code.INTERNAL, "BACKEND_PROTOCOL_ERROR", NOT_GRPC)

_WORDINGS = (
    _wording(
        [Code.DEADLINE_EXCEEDED],
        [r"Deadline Exceeded"],
        LocalStatus(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", LATE),
    ),
    _wording(
        [Code.RESOURCE_EXHAUSTED, Code.INTERNAL],
        [
            r"CLIENT: (Received|Decompressed) message larger than max",
            r"Decompressed message larger than max",
            r"received (\w+ )?metadata size exceeds",
        ],
        LocalStatus(Code.RESOURCE_EXHAUSTED, "RESPONSE_TOO_LARGE", TOO_LARGE),
    ),
    _wording([Code.UNAVAILABLE], [rf"({_CONNECTING}).*({_HANDSHAKE})"], _NOT_SECURED),
    _wording(
        [Code.UNAVAILABLE],
        [
            _CONNECTING,
            r"errors resolving |DNS resolution failed for |No results from DNS",
            r"(balancer )?address list must (not be|be non-)empty|empty address list",
            r"(no children available|no connection|no valid service config|channel not connected)$",
            r"Channel [Ss]hutdown$|Channel Destroyed$|LB policy (already )?shut down",
            r"subchannel (disconnected|lost all connections|at max number)|Subchannel disconnected",
            r"(connect\(\)|Connection|Connect|Handshake) timed out$",
        ],
        _NOT_REACHED,
    ),
    _wording(
        [Code.UNKNOWN, Code.INTERNAL],
        [r"Failed to create (client )?channel to|lame client channel$|target URI is empty"],
        _NOT_REACHED,
    ),
    _wording(
        [Code.UNAVAILABLE],
        [
            r"(Socket closed|EOF|End of TCP stream|FD [Ss]hutdown|FD Orphaned|TCP socket is shutting down)$",
            r"(recvmsg|sendmsg):|Connection reset by peer$|Broken pipe$|Connection timed out \(",
            r"Connection (going away|to be disconnected)$",
            r"Cancelling all calls$",  # which a server of the same core says when it is stopped
            r"(Endpoint (read failed|closing)|endpoint shutdown|Shutting down endpoint|Secure read failed)",
            r"GOAWAY received|goaway sent$|too_many_pings$|Too many pings$",
            r"[Tt]ransport (closed|destroyed|Stream IDs exhausted)|Stream IDs exhausted$|Delayed close due to",
            r"[Kk]eepalive (watchdog )?timeout$|keepalive_timeout$|(ping|settings)[ _]timeout$",
            r"(RST_STREAM \()?Received RST_STREAM with|RST_STREAM frame received",
        ],
        _CUT_OFF,
    ),
    # A backend that breaks off a call with CANCEL: its client did not, so this is no CANCELLED (499) for it.
    _wording([Code.CANCELLED], [r"(RST_STREAM \()?Received RST_STREAM with"], _CUT_OFF),
    _wording(
        [Code.CANCELLED],
        [
            r"CANCELLED$|Locally cancelled by application|Cancelled upon garbage collection|Channel closed!$",
            r"call (attempt failed|cancelled)$|RST stream sent$|Transport closed$",
        ],
        LocalStatus(Code.CANCELLED, "CANCELLED", "the call was cancelled"),
    ),
    _wording(
        [Code.UNKNOWN, Code.INTERNAL],
        [
            r"(RST_STREAM \()?Received RST_STREAM with|No status received$|Stream removed$",
            r"Compression bit set but no encoding|Decompression failed due to|Unexpected error decompressing data",
            r"Data frame with END_STREAM flag|Error parsing '[\w.-]+' metadata|Failed parsing HTTP/2",
        ],
        _GARBLED,
    ),
    _wording(
        [Code.INTERNAL],
        [
            r"Internal error from Core$|Exception (de)?serializing (request|response)!$",
            r"(Call creation failed|Invalid metadata)$",
        ],
        LocalStatus(Code.INTERNAL, "BACKEND_CALL_FAILED", "the call to the backend failed"),
    ),
    _wording([Code.RESOURCE_EXHAUSTED, Code.PERMISSION_DENIED], [r"(RST_STREAM \()?Received RST_STREAM with"], None),
)

_HTTP_STATUS = re.compile(r"Received http2 header with status: (\d+)")
_WRAPPED = re.compile(r"Stream removed \((.*)\)\Z", re.DOTALL)
_ADDRESS = re.compile(r"\b(ipv4|ipv6|unix|unix-abstract|vsock):[\w./%\[-]")


def local_status(code: Code, text: str) -> LocalStatus | None:
    """Recognise a status that gRPC's core made; None for one that came from the backend."""
    wrapped = _WRAPPED.match(text)
    inner = wrapped[1] if wrapped else text
    answered = _HTTP_STATUS.match(inner)
    if answered:
        return _of_http(code, answered[1])
    for wording in _WORDINGS:
        if code in wording.codes and wording.pattern.match(inner):
            return wording.status or _of_code(code)
    # Not known, but not a backend's words either: a later gRPC, perhaps.
    return _of_code(code) if wrapped or _ADDRESS.search(text) else None


def _of_http(code: Code, status: str) -> LocalStatus:
    """Give what becomes of an answer without a gRPC status: the core has chosen the code by gRPC's own table."""
    reason = "BACKEND_UNAVAILABLE" if code is Code.UNAVAILABLE else "BACKEND_PROTOCOL_ERROR"
    return LocalStatus(code, reason, f"the backend answered with HTTP status {status} and no gRPC status")


def _of_code(code: Code) -> LocalStatus:
    if code is Code.UNAVAILABLE:
        return LocalStatus(code, "BACKEND_UNAVAILABLE", "the backend is not available")
    if code in (Code.INTERNAL, Code.UNKNOWN):
        return _GARBLED
    return LocalStatus(code, "BACKEND_CALL_FAILED", "the call to the backend failed")
