"""What the admin endpoint answers: the API, the console's files, and how the gateway is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twistedgw.admin.guard import secure
from twistedgw.admin.world import PACKAGE
from twistedgw.errors import GatewayError
from twistedgw.frontends.failure import INTERNAL, error_reply
from twistedgw.frontends.negotiation import accepts_gzip
from twistedgw.status import Code
from twistedgw.web import refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from twistedgw.admin.core import RunningGateway
    from twistedgw.admin.guard import Guard
    from twistedgw.admin.manual import Manual
    from twistedgw.admin.static import StaticFiles
    from twistedgw.web.request import BodySink, Request
    from twistedgw.web.resource import GatewayResource

__all__ = ["AdminResource"]

_API = (b"/v1/", b"/v1:", f"/{PACKAGE}.".encode("ascii"))
_HEALTH = (b"/healthz", b"/readyz", b"/metrics")
_READING = (b"GET", b"HEAD")
_OWN = object()
"""Stands as a request's exchange where this resource answers by itself."""


class AdminResource(Resource):
    """Answers every request of the admin endpoint. Reactor thread only."""

    isLeaf = True
    _log = Logger(namespace="twistedgw.admin")

    def __init__(
        self,
        guard: Guard,
        api: GatewayResource,
        files: StaticFiles,
        manual: Manual,
        gateway: Callable[[], RunningGateway],
    ) -> None:
        """Take what answers."""
        super().__init__()
        self._guard = guard
        self._api = api
        self._files = files
        self._manual = manual
        self._gateway = gateway

    def begin(self, request: Request) -> BodySink | None:
        """Look at a request whose head is complete: one that is refused does not send its body first."""
        secure(request)
        try:
            if self._is_api(request):
                return self._api.begin(request)
        except GatewayError as error:
            self._refuse(request, error)
            return None
        request.exchange = _OWN
        return None

    def _is_api(self, request: Request) -> bool:
        """Check a request; tell whether it is one for the API, and may be."""
        if request.path in _HEALTH:
            self._check_plain(request)
            return False
        self._guard.check_host(request)
        self._guard.check_origin(request)
        if request.path.startswith(_API):
            self._guard.check_token(request)
            return True
        self._check_plain(request)
        return False

    def _check_plain(self, request: Request) -> None:
        """Make sure that a request wants to read and brings nothing along."""
        if request.method not in _READING:
            raise refusals.method_not_allowed(_READING)
        if request.field(b"content-length") not in (None, b"0") or request.field(b"transfer-encoding") is not None:
            raise refusals.body_too_large(0)

    def render(self, request: Any) -> int:
        """Answer a request that is complete."""
        if request.exchange is None and self.begin(request) is not None:
            raise RuntimeError("a stream has come by a channel that collects bodies")
        if request.finished:
            return NOT_DONE_YET
        if request.exchange is _OWN:
            self._answer(request)
        else:
            self._api.render(request)
        return NOT_DONE_YET

    def _answer(self, request: Request) -> None:
        if request.path == b"/metrics":
            request.exchange = (
                self._gateway()
                .metrics()
                .addCallbacks(
                    lambda text: _respond(request, 200, CONTENT_TYPE_PLAIN_0_0_4.encode("ascii"), text),
                    lambda failure: self._bug(request, failure),
                )
            )
        elif request.path == b"/healthz":
            _respond(request, 200, b"text/plain", b"ok\n")
        elif request.path == b"/readyz":
            ready = self._gateway().ready
            _respond(request, 200 if ready else 503, b"text/plain", b"ready\n" if ready else b"not ready\n")
        else:
            self._serve_file(request)

    def _serve_file(self, request: Request) -> None:
        path = request.path.decode("latin-1")
        file = self._files.find(path) or self._manual.find(path)
        if file is None:
            self._refuse(request, GatewayError(Code.NOT_FOUND, "there is no such page", reason="NOT_FOUND"))
            return
        fields = [(b"etag", file.etag), (b"cache-control", b"no-cache"), (b"vary", b"Accept-Encoding"), *file.fields]
        if file.etag in (request.field(b"if-none-match") or b""):
            request.respond(304, fields, b"")
            return
        body = file.body
        fields.append((b"content-type", file.content_type))
        accepted = (request.field(b"accept-encoding") or b"").decode("latin-1")
        if file.packed is not None and accepts_gzip(accepted):
            body = file.packed
            fields.append((b"content-encoding", b"gzip"))
        request.respond(200, fields, body)

    def _refuse(self, request: Request, error: GatewayError) -> None:
        reply = error_reply(error, None)
        request.respond(reply.status, reply.fields, reply.body)

    def _bug(self, request: Request, failure: Failure) -> None:
        self._log.failure("bug at the admin endpoint", failure)
        self._refuse(request, INTERNAL)


def _respond(request: Request, status: int, content_type: bytes, body: bytes) -> None:
    request.respond(status, [(b"content-type", content_type)], body)
