"""The bearer token: where it comes from, and how often one may guess it."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import os
import secrets
import stat
from collections import OrderedDict
from typing import TYPE_CHECKING

from twisted.logger import Logger

from twistedgw.errors import ConfigError, GatewayError
from twistedgw.schema.reading import UnreadableError, read
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twistedgw.config.model import Admin

__all__ = ["Attempts", "Token"]

_BYTES = 32
"""Of randomness in a token that is made here."""
_SHORTEST = 16
_LARGEST = 4096


class Token:
    """The token of a file, which may be replaced while the gateway runs. One thread."""

    _log = Logger(namespace="twistedgw.admin")

    def __init__(self) -> None:
        self._path: Path | None = None
        self._signature: object = None
        self._token = b""

    def make(self, admin: Admin) -> None:
        """Read the file, which is made first where there is none. Before privileges are given up.

        Raises:
            ConfigError: it cannot be made or read, or what is in it is no token.
        """
        path = admin.token_file
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._create(path)
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            problem = admin.place.problem(
                "token_file", f"{path} cannot be made: {reason}", "write a random token into it yourself"
            )
            raise ConfigError([problem]) from None
        try:
            self._read(path)
        except UnreadableError as error:
            raise ConfigError([admin.place.problem("token_file", f"{path}: {error}")]) from None

    def _create(self, path: Path) -> None:
        """Make the file whole and under its own name at once, whoever else does so at the same time."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, secrets.token_urlsafe(_BYTES).encode("ascii") + b"\n")
            os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
                self._log.info("the admin token was made: {path}", path=str(path))
        finally:
            os.close(descriptor)
            os.unlink(fresh)

    def _read(self, path: Path) -> None:
        status = path.stat() if path.exists() else None
        token = read(str(path), _LARGEST).strip()
        if len(token) < _SHORTEST or not token.isascii() or len(token.split()) != 1:
            raise UnreadableError(f"is no token: one word of {_SHORTEST} ASCII characters or more")
        if status is not None and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            self._log.warn("{path} can be read by others: chmod 600 {path}", path=str(path))
        self._path, self._signature, self._token = path, _signature(path), token

    def refresh(self, path: Path) -> None:
        """Read the file again if it has changed, or another one is to be used; keep the old token where that fails."""
        signature = _signature(path)
        if path == self._path and signature == self._signature:
            return
        try:
            self._read(path)
        except (UnreadableError, OSError) as error:
            self._path, self._signature = path, signature
            self._log.error("{path}: {error}; the old token holds", path=str(path), error=str(error))
        else:
            self._log.info("the admin token was read anew: {path}", path=str(path))

    def admits(self, authorization: bytes | None) -> bool:
        """Whether the value of an Authorization field has the token; takes the same time wherever they differ."""
        scheme, _, credentials = (authorization or b"").partition(b" ")
        right = hmac.compare_digest(credentials.strip(), self._token)
        return right and scheme.lower() == b"bearer" and bool(self._token)


def _signature(path: Path) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)


class Attempts:
    """Counts wrong tokens by the address that sends them, and lets each address send only so many.

    An address has `burst` attempts, and gets one back every `seconds`. At most `most` addresses are remembered; an IPv6
    address stands for its /64.
    """

    def __init__(self, clock: Callable[[], float], *, burst: int = 10, seconds: float = 6.0, most: int = 1024) -> None:
        self._clock = clock
        self._burst = burst
        self._seconds = seconds
        self._most = most
        self._empty: OrderedDict[str, float] = OrderedDict()  # when all attempts of an address will be back

    def check(self, peer: str) -> None:
        """Make sure that an address may try.

        Raises:
            GatewayError: 429.
        """
        missing = (self._empty.get(_network(peer), 0.0) - self._clock()) / self._seconds
        if missing > self._burst - 1:
            wait = (missing - self._burst + 1) * self._seconds
            raise GatewayError(
                Code.RESOURCE_EXHAUSTED,
                "too many wrong tokens came from this address: wait a little",
                reason="TOO_MANY_ATTEMPTS",
                headers=(("Retry-After", str(int(wait) + 1)),),
            )

    def failed(self, peer: str) -> None:
        """Learn of a wrong token."""
        network, now = _network(peer), self._clock()
        self._empty[network] = max(self._empty.get(network, 0.0), now) + self._seconds
        self._empty.move_to_end(network)
        while len(self._empty) > self._most:
            self._empty.popitem(last=False)


def _network(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer[:100]
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
