"""Who may ask: the host that is asked for, the page that asks, the token."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from twistedgw.errors import GatewayError
from twistedgw.frontends.head import split_authority
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from twistedgw.admin.token import Attempts, Token
    from twistedgw.config.model import Admin
    from twistedgw.web.request import Request

__all__ = ["SECURITY_FIELDS", "Guard", "secure"]

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    b" connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_FIELDS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer has."""

_NO_STORE = (b"cache-control", b"no-store")
_SAFE = (b"GET", b"HEAD")


def secure(request: Request) -> None:
    """See to it that whatever answers a request says `SECURITY_FIELDS`, and is kept by nobody unless it says so."""
    respond, start = request.respond, request.start

    def complete(fields: object) -> list[tuple[bytes, bytes]]:
        given: list[tuple[bytes, bytes]] = list(fields)  # type: ignore[call-overload]
        names = {name.lower() for name, _ in given}
        missing = [field for field in (*SECURITY_FIELDS, _NO_STORE) if field[0] not in names]
        return [*given, *missing]

    def respond_securely(
        status: int, fields: object, body: bytes, trailers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        respond(status, complete(fields), body, trailers)

    def start_securely(status: int, fields: object) -> None:
        start(status, complete(fields))

    vars(request).update(respond=respond_securely, start=start_securely)


class Guard:
    """Refuses requests. Reactor thread only."""

    def __init__(self, token: Token, attempts: Attempts, admin: Callable[[], Admin]) -> None:
        """Take what it asks.

        Args:
            admin: gives the section as it is now.
        """
        self._token = token
        self._attempts = attempts
        self._admin = admin

    def check_host(self, request: Request) -> None:
        """Make sure that the request asks for a host that is ours: a page can give its own name our address.

        Raises:
            GatewayError: 403.
        """
        host = split_authority((request.host_header or b"").decode("latin-1"))[0]
        if not self._is_ours(host):
            raise GatewayError(
                Code.PERMISSION_DENIED,
                f"{host[:100]!r} is not a host of the admin endpoint: name it in 'hosts' of [admin]",
                reason="UNKNOWN_HOST",
            )

    def _is_ours(self, host: str) -> bool:
        if not host or host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            hosts = self._admin().hosts
            wild = [each[1:] for each in hosts if each.startswith("*.")]
            return host in hosts or any(host.endswith(each) for each in wild)
        return True

    def check_origin(self, request: Request) -> None:
        """Make sure that a page that asks is one of ours.

        Raises:
            GatewayError: 403.
        """
        origin = request.field(b"origin")
        site = request.field(b"sec-fetch-site")
        own = (request.host_header or b"").lower()
        foreign = origin is not None and origin.lower().partition(b"://")[2] != own
        if site is not None and site not in (b"same-origin", b"none"):
            navigation = request.field(b"sec-fetch-mode") == b"navigate" and request.method in _SAFE
            foreign = foreign or not navigation
        if foreign:
            raise GatewayError(
                Code.PERMISSION_DENIED, "pages of other origins may not ask here", reason="FOREIGN_ORIGIN"
            )

    def check_token(self, request: Request) -> None:
        """Make sure that the request has the token.

        Raises:
            GatewayError: 401; 429 after many wrong ones.
        """
        peer = request.peer_host
        self._attempts.check(peer)
        self._token.refresh(self._admin().token_file)
        authorization = request.field(b"authorization")
        if self._token.admits(authorization):
            return
        if authorization is None:
            raise _unauthenticated("this needs the admin token: Authorization: Bearer TOKEN", "TOKEN_MISSING")
        self._attempts.failed(peer)
        raise _unauthenticated("this is not the admin token", "TOKEN_WRONG")


def _unauthenticated(message: str, reason: str) -> GatewayError:
    return GatewayError(
        Code.UNAUTHENTICATED,
        message,
        reason=reason,
        headers=(("WWW-Authenticate", 'Bearer realm="twistedgw admin"'),),
    )
