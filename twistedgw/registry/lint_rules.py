"""What is right about one rule of one RPC and still hardly meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedgw.errors import Problem
from twistedgw.transcoding.descriptors import has_own_form, is_map
from twistedgw.transcoding.httpbody import is_http_body
from twistedgw.transcoding.rule import METHODS
from twistedgw.transcoding.target import value_field
from twistedgw.transcoding.template import Literal, Template
from twistedgw.transcoding.text import text_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, MethodDescriptor

    from twistedgw.config.model import Api
    from twistedgw.schema.schema import Schema
    from twistedgw.transcoding.rule import HttpRule

__all__ = ["RuleUse", "rule_warnings"]

_FIELDS_SHOWN = 5
_BODILESS = {"GET": "9.3.1", "DELETE": "9.3.5"}
"""Methods for whose content there is no meaning, and the section of RFC 9110 that says so."""
_UPDATES = frozenset(("PATCH", "PUT"))


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule, and the API that brings it in.

    Attributes:
        annotated: whether it stands in the `.proto`, not in the API itself.
    """

    api: Api
    schema: Schema
    method: MethodDescriptor
    rule: HttpRule
    annotated: bool

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that this rule asks for, as far as they are served."""
        if self.rule.method == "*":
            return METHODS
        return (self.rule.method,) if self.rule.method in METHODS else ()

    @property
    def written(self) -> str:
        """Where the rule stands, in short."""
        place = self.schema.place(self.method.full_name) if self.annotated else None
        return f"{place[0]}:{place[1]}" if place else f"{self.api.place.file}:{self.api.place.line}"

    def problem(self, option: str, message: str, hint: str = "") -> Problem:
        """Make the warning.

        Args:
            option: what it is about where the rule stands in the API.
            message: a sentence.
            hint: what to do about it.
        """
        if not self.annotated:
            return self.api.place.problem(option, message, hint)
        message = f"{self.method.full_name}: {self.rule.method} {self.rule.template}: {message}"
        place = self.schema.place(self.method.full_name)
        if place is None:
            return self.api.place.problem("rpc", message, hint)
        return Problem(file=place[0], line=place[1], column=place[2], message=message, hint=hint)


def rule_warnings(use: RuleUse) -> Iterator[Problem]:
    """Give the warnings about a rule that fits its types."""
    if not use.methods:
        served = f"{', '.join(METHODS[:-1])} and {METHODS[-1]}"
        yield use.problem("method", f"never served, since an API with a gRPC backend answers only {served}")
        return
    template = Template.parse(use.rule.template)
    yield from _dot_segments(use, template)
    yield from _body_without_meaning(use)
    yield from _overlap(use, template)
    if use.method.client_streaming:
        yield from _client_stream(use)
    elif use.rule.body != "*":
        yield from _beyond_queries(use)


def _dot_segments(use: RuleUse, template: Template) -> Iterator[Problem]:
    for part in template.segments:
        if isinstance(part, Literal) and part.text in (".", ".."):
            message = f"the path has a {part.text!r} segment, which clients resolve before they send a request"
            yield use.problem("path", message)
            return


def _body_without_meaning(use: RuleUse) -> Iterator[Problem]:
    section = _BODILESS.get(use.rule.method)
    if use.rule.body and section:
        yield use.problem(
            "body",
            f"a {use.rule.method} with a body, which clients and proxies may drop or refuse"
            f" (RFC 9110, section {section})",
            "leave 'body' out, so that the fields come by the query, or use POST",
        )


def _overlap(use: RuleUse, template: Template) -> Iterator[Problem]:
    """Tell of path variables that set what the body sets.

    An update that takes the name of what is updated from the path (``patch: "/v1/{book.name=books/*}" body: "book"``)
    is what AIP-134 asks for.
    """
    body = use.rule.body
    for variable in template.variables:
        if variable.field_path == (body,):
            message = f"path variable {variable.name!r} is the body field, so the path replaces whatever the body says"
            yield use.problem("body", message)
        elif variable.field_path[0] == body and _UPDATES.isdisjoint(use.methods):
            message = f"path variable {variable.name!r} is a part of the body field {body!r}"
            yield use.problem("body", f"{message}; where both set it, the path wins")


def _client_stream(use: RuleUse) -> Iterator[Problem]:
    if use.method.server_streaming:
        yield use.problem(
            "rpc",
            "the method streams both ways, and most HTTP clients send all they have before they read the answer;"
            " WebSocket clients need not (AIP-127)",
        )
    elif not use.rule.body:
        yield use.problem(
            "body",
            "the method takes a stream of messages and the rule has no body to read them from, so it gets just one;"
            " WebSocket clients may send more",
        )


def _beyond_queries(use: RuleUse) -> Iterator[Problem]:
    fields = list(_beyond(use.method.input_type, use.rule.body, "", {use.method.input_type.full_name}))
    if fields:
        more = f" and {len(fields) - _FIELDS_SHOWN} more" if len(fields) > _FIELDS_SHOWN else ""
        shown = ", ".join(fields[:_FIELDS_SHOWN])
        yield use.problem(
            "body", f"no request can set {shown}{more}: not in the body, and no query parameter can express it"
        )


def _beyond(descriptor: Descriptor, body: str, prefix: str, seen: set[str]) -> Iterator[str]:
    """Give the fields that have no form in a query; each message type is looked into once."""
    if is_http_body(descriptor):
        return
    for field in descriptor.fields:
        path = prefix + field.name
        if path == body or text_form(value_field(field)) is not None:
            continue
        inner = field.message_type
        assert inner is not None  # whatever has no text form is a message
        if field.is_repeated:
            yield f"{path!r} ({'a map' if is_map(field) else 'a list'} of messages)"
        elif has_own_form(inner):
            yield f"{path!r} ({inner.full_name})"
        elif inner.full_name not in seen:
            seen.add(inner.full_name)
            yield from _beyond(inner, body, f"{path}.", seen)
