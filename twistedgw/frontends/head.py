"""From what a connection says of a request to a `Head`: who is asking, and for which host."""

from __future__ import annotations

import os
import re
from random import Random
from typing import TYPE_CHECKING

from twistedgw.frontends.exchange import FieldBlock, Fields, Head

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["read_head", "split_authority"]

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_random = Random(os.urandom(16))  # noqa: S311 - names requests, and keeps no secret


def read_head(
    method: bytes,
    path: bytes,
    query: bytes,
    fields: Fields,
    *,
    authority: bytes | None,
    peer: str,
    secure: bool,
    trusts: Callable[[str], bool],
) -> Head:
    """Read a head.

    Args:
        authority: the host that the client asked for, from the target or the Host field.
        peer: the address at the other end of the connection.
        secure: whether the connection itself has TLS.
        trusts: tells of an address whether its ``X-Forwarded-*`` fields are believed.
    """
    forwarded = _forwarded(fields, peer, trusts) if trusts(peer) else None
    client, chain = forwarded or (peer, peer)
    if forwarded:
        authority = _last(fields, b"x-forwarded-host") or authority
        proto = _last(fields, b"x-forwarded-proto")
        secure = proto.lower() == b"https" if proto else secure
    text = (authority or b"").decode("latin-1")
    block = fields if isinstance(fields, FieldBlock) else FieldBlock(fields)
    return Head(
        method.decode("latin-1"),
        path,
        query,
        block,
        client,
        chain,
        split_authority(text)[0],
        text,
        secure,
        _request_id(block),
    )


def split_authority(authority: str) -> tuple[str, str]:
    """Split ``host[:port]`` into a lower-case host (no brackets, no root dot) and the port's text."""
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host.lower(), rest.removeprefix(":")
    host, _, port = authority.partition(":")
    return host.lower().removesuffix("."), port


def _forwarded(fields: Fields, peer: str, trusts: Callable[[str], bool]) -> tuple[str, str]:
    """Give the client, being the last address that no trusted proxy vouches for, and the chain up to the peer."""
    told = [value.decode("latin-1") for name, value in fields if name == b"x-forwarded-for"]
    hops = [hop.strip() for hop in ",".join(told).split(",") if hop.strip()]
    hops.append(peer)
    client = next((hop for hop in reversed(hops) if not trusts(hop)), hops[0])
    return client, ", ".join(hops)


def _last(fields: Fields, name: bytes) -> bytes | None:
    """Give the last item of a list field: what the nearest proxy said."""
    found = None
    for key, value in fields:
        if key == name:
            found = value.rpartition(b",")[2].strip()
    return found


def _request_id(fields: FieldBlock) -> str:
    given = fields.texts.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{_random.getrandbits(128):032x}"
