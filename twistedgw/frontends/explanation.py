"""What a request would become: the facts, as `explain` finds them and as people and the admin API get them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from twistedgw.frontends.exchange import Reply

__all__ = ["Explanation", "Matched", "NearMiss", "Outgoing", "Refusal", "plain_value"]


@dataclass(frozen=True, slots=True)
class Matched:
    """The route that took the request.

    Attributes:
        method: of the rule; ``*`` for any.
        template: with the environment's prefix.
        rpc: ``package.Service/Method``; empty for an HTTP backend.
        kind: how the rule came to be: ``api``, ``google.api.http``, ``default``, ``unbound``, ``proxy`` or ``openapi``.
        written: where the rule stands, as ``file:line``.
        service, environment, api: what the route was made for.
        backend: its name.
        targets: those of the backend.
        plugin: the name of the one that converts; None where none does.
        streaming: which side streams: ``request``, ``response`` or ``both``; empty for neither.
        variables: name and decoded text of each path variable.
    """

    method: str
    template: str
    rpc: str
    kind: str
    written: str
    service: str
    environment: str
    api: str
    backend: str
    targets: tuple[str, ...]
    plugin: str | None
    streaming: str
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What would be sent to the backend.

    Attributes:
        url: where a request to an HTTP backend goes; None for a call.
        type: the message's type; None for a request to an HTTP backend.
        message: as canonical JSON; None where it has no JSON form, or there is no message.
        metadata: of a call, in order.
        timeout: seconds; None for no deadline.
        messages: where requests stream, the first ones, in place of `message`.
    """

    url: str | None
    type: str | None
    message: str | None
    metadata: tuple[tuple[str, str | bytes], ...]
    timeout: float | None
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error that the client would get.

    Attributes:
        status: of HTTP.
        fields: name and value of each header field.
        body: a JSON text.
    """

    status: int
    fields: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def of(cls, reply: Reply) -> Refusal:
        """Take it from the answer."""
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.fields)
        return cls(reply.status, fields, reply.body.decode("utf-8"))


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A route that did not take the request.

    Attributes:
        why: the first thing that kept it from doing so. All else is as in `Matched`.
    """

    method: str
    template: str
    rpc: str
    written: str
    service: str
    environment: str
    api: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a request would become.

    Attributes:
        method: of the request.
        target: path and query, as they go on the wire.
        host: as the client asks for it, with its port; empty for none.
        secure: whether it comes by HTTPS.
        matched: the route; None where there is none.
        outgoing: what would be sent. Of a stream of requests that is wrong further on there is this and a refusal.
        refusal: the error; None where the request would be sent.
        near_misses: where no route took the request, those that nearly did, closest first.
        elsewhere: where no route took the request, the schemes and hosts at which one would, as ``https://host``.
        notes: what else there is to know, a sentence each.
    """

    method: str
    target: str
    host: str
    secure: bool
    matched: Matched | None = None
    outgoing: Outgoing | None = None
    refusal: Refusal | None = None
    near_misses: tuple[NearMiss, ...] = ()
    elsewhere: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sent(self) -> bool:
        """Whether the request would reach the backend."""
        return self.refusal is None

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values for JSON; what is empty is left out."""
        found = {
            "method": self.method,
            "target": self.target,
            "host": self.host,
            "secure": self.secure,
            "sent": self.sent,
            "route": self.matched and _matched(self.matched),
            "outgoing": self.outgoing and _outgoing(self.outgoing),
            "refusal": self.refusal and _refusal(self.refusal),
            "nearMisses": [_near_miss(each) for each in self.near_misses],
            "elsewhere": list(self.elsewhere),
            "notes": list(self.notes),
        }
        return _filled(found)


def plain_value(value: str | bytes) -> str:
    """Give a metadata value as text: base64 for a binary one."""
    return value if isinstance(value, str) else base64.b64encode(value).decode("ascii")


def _matched(matched: Matched) -> dict[str, Any]:
    return _filled(
        {
            **_place(matched),
            "kind": matched.kind,
            "plugin": matched.plugin,
            "backend": {"name": matched.backend, "targets": list(matched.targets)},
            "streaming": matched.streaming,
            "variables": [{"name": name, "value": value} for name, value in matched.variables],
        }
    )


def _near_miss(near_miss: NearMiss) -> dict[str, Any]:
    return _filled({**_place(near_miss), "why": near_miss.why})


def _place(route: Matched | NearMiss) -> dict[str, Any]:
    return {
        "method": route.method,
        "template": route.template,
        "rpc": route.rpc,
        "written": route.written,
        "service": route.service,
        "environment": route.environment,
        "api": route.api,
    }


def _outgoing(outgoing: Outgoing) -> dict[str, Any]:
    found: dict[str, Any] = {
        "url": outgoing.url,
        "type": outgoing.type,
        "metadata": [{"key": key, "value": plain_value(value)} for key, value in outgoing.metadata],
    }
    found = _filled(found)
    if outgoing.message is not None:
        found["message"] = orjson.loads(outgoing.message)
    if outgoing.messages:
        found["messages"] = [orjson.loads(message) for message in outgoing.messages]
    if outgoing.timeout is not None:
        found["timeout"] = outgoing.timeout
    return found


def _refusal(refusal: Refusal) -> dict[str, Any]:
    return {
        "status": refusal.status,
        "headers": [{"name": name, "value": value} for name, value in refusal.fields],
        "body": orjson.loads(refusal.body),
    }


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty; False and 0 are not."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
