"""Request bodies and answers of one route, by media type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.openapi.parameters import exclusions, parameters
from twistedgw.openapi.prose import split_comment
from twistedgw.transcoding.descriptors import has_own_form, is_map
from twistedgw.transcoding.httpbody import http_body_of, is_http_body

if TYPE_CHECKING:
    from collections.abc import Collection

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from twistedgw.openapi.parameters import Parameter
    from twistedgw.openapi.scalars import Json
    from twistedgw.openapi.types import Types
    from twistedgw.registry.route import GrpcRoute

__all__ = ["answer", "bound_paths", "request_body"]

_JSON = "application/json"
_NDJSON = "application/x-ndjson"
_SSE = "text/event-stream"
_SEQUENCE = "application/json-seq"
_PROTOBUF = "application/protobuf"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_ANY = "*/*"


def bound_paths(route: GrpcRoute) -> frozenset[str]:
    """Give the paths, in proto names, of the fields that the path binds."""
    return frozenset(variable.name for variable in route.template.variables)


# -- requests


def request_body(route: GrpcRoute, types: Types) -> Json | None:
    """Give the body that a route takes; None where it takes none."""
    rule, descriptor = route.rule, route.method.input_type
    if not rule.body:
        return None
    field = None if rule.body == "*" else descriptor.fields_by_name[rule.body]
    kind = descriptor if field is None else None if field.is_repeated else field.message_type
    if kind is not None and is_http_body(kind):
        return {"description": "Any bytes, of any media type.", "required": True, "content": {_ANY: {}}}
    schema = _whole(route, types) if field is None else _part(route, field, types)
    found: Json = {}
    description = _about(route, types, field)
    if description:
        found["description"] = description
    if kind is None or has_own_form(kind) or len(kind.fields) > len(_covered_below(route)):
        found["required"] = True
    content: Json = {_JSON: {"schema": schema}}
    if route.method.client_streaming:
        found["content"] = _incoming(schema, listed=field is not None and field.is_repeated and not is_map(field))
        return found
    if kind is not None and not has_own_form(kind):
        content |= _forms(kind, types, _covered_below(route))
    if kind is not None:
        content[_PROTOBUF] = {}
    found["content"] = content
    return found


def _whole(route: GrpcRoute, types: Types) -> Json:
    """Give the schema of a message without what the path binds."""
    descriptor = route.method.input_type
    if has_own_form(descriptor):
        return types.message(descriptor, request=True)
    bound = bound_paths(route)
    without = {name for name in bound if "." not in name} | _siblings(descriptor, bound)
    return _inline(descriptor, types, without)


def _part(route: GrpcRoute, field: FieldDescriptor, types: Types) -> Json:
    """Give the schema of a field that is the body, without what the path binds in it; a PATCH requires nothing."""
    descriptor = field.message_type
    if descriptor is None or field.is_repeated or has_own_form(descriptor):
        return types.whole(field, request=True)
    bound = _covered_below(route)
    without = {name for name in bound if "." not in name} | _siblings(descriptor, bound)
    patch = route.rule.method == "PATCH" and any(types.asked(each) for each in descriptor.fields)
    return _inline(descriptor, types, without, partial=patch)


def _inline(descriptor: Descriptor, types: Types, without: set[str], *, partial: bool = False) -> Json:
    if not without and not partial:
        return types.message(descriptor, request=True)
    types.take(field for field in descriptor.fields if field.name not in without)
    return types.object(descriptor, without=without, closed=True, partial=partial)


def _siblings(descriptor: Descriptor, bound: Collection[str]) -> set[str]:
    """Give the fields that cannot be set beside those that the path binds: members of the same oneof."""
    found: set[str] = set()
    for path in bound:
        field = descriptor.fields_by_name[path.partition(".")[0]]
        oneof = field.containing_oneof
        if oneof is not None:
            found.update(other.name for other in oneof.fields if other.name != field.name)
    return found


def _about(route: GrpcRoute, types: Types, field: FieldDescriptor | None) -> str:
    if field is not None:
        return types.describe(field)
    return "" if not route.method.client_streaming else "A stream of messages."


def _covered_below(route: GrpcRoute) -> set[str]:
    """Give what the path binds, as seen from the body."""
    bound = bound_paths(route)
    if route.rule.body == "*":
        return set(bound)
    prefix = f"{route.rule.body}."
    return {path.removeprefix(prefix) for path in bound if path.startswith(prefix)}


def _forms(kind: Descriptor, types: Types, covered: Collection[str]) -> Json:
    found = parameters(kind, types, covered)
    if not found:
        return {}
    encoding = {each.name: how for each in found if (how := each.encoding()) is not None}
    return {_FORM: _form(found, types, encoding, files=False), _MULTIPART: _form(found, types, encoding, files=True)}


def _form(found: Collection[Parameter], types: Types, encoding: Json, *, files: bool) -> Json:
    schema: Json = {"type": "object", "properties": {}}
    for each in found:
        inner = schema["properties"][each.name] = each.in_form(types)
        if files and inner.get("contentEncoding") == "base64":
            for key in ("contentEncoding", "format"):
                del inner[key]
            inner["contentMediaType"] = "application/octet-stream"
    required = [each.name for each in found if each.required]
    if required:
        schema["required"] = required
    apart = exclusions(found)
    if apart:
        schema["allOf"] = apart
    if not types.ignores_unknown:
        schema["additionalProperties"] = False
    return {"schema": schema, **({"encoding": encoding} if encoding else {})}


# -- answers


def answer(route: GrpcRoute, types: Types) -> Json:
    """Give the answer of a call that ended with OK."""
    rule, output = route.rule, route.method.output_type
    field = output.fields_by_name[rule.response_body] if rule.response_body else None
    if http_body_of(output, rule.response_body) is not None:
        return {"description": "The bytes and the media type that the backend gives.", "content": {_ANY: {}}}
    schema = types.message(output) if field is None else types.whole(field)
    nullable = field is not None and field.message_type is not None and not field.is_repeated
    if nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    description = _answer_text(types, output, field)
    if route.method.server_streaming:
        return {"description": description, "content": _streamed(schema, types, route)}
    content: Json = {_JSON: {"schema": schema}}
    if field is None or nullable:
        content[_PROTOBUF] = {}
    return {"description": description, "content": content}


def _answer_text(types: Types, output: Descriptor, field: FieldDescriptor | None) -> str:
    if field is not None:
        return types.describe(field) or "OK"
    return split_comment(types.comment(output.full_name))[0] or "OK"


def _incoming(schema: Json, *, listed: bool) -> Json:
    """Give the media types of a stream of messages from the client.

    Args:
        schema: of one message.
        listed: whether that is a list, so that an array is one message and not the stream.
    """
    stream = {"schema": {"type": "array", "items": schema}}
    return {_NDJSON: stream, _SEQUENCE: stream} if listed else {_NDJSON: stream, _SEQUENCE: stream, _JSON: stream}


def _streamed(schema: Json, types: Types, route: GrpcRoute) -> Json:
    """Give the media types of a stream of messages from the backend.

    A stream is described as the array of its items, as OpenAPI 3.2 has it for sequential media types.
    """
    error = types.error(route)
    wrapped = error
    if route.plugin.error_format != "google":
        wrapped = {"type": "object", "properties": {"error": error}, "required": ["error"]}
    enveloped = route.plugin.stream_envelope == "result"
    item: Json = {"type": "object", "properties": {"result": schema}, "required": ["result"]} if enveloped else schema
    told = {"anyOf": [item, wrapped if enveloped else error]}
    event: Json = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Counts from 1."},
            "event": {"type": "string", "description": "`error` where the stream ends with one."},
            "data": {"type": "string", "contentMediaType": _JSON, "contentSchema": told},
        },
        "required": ["data"],
    }
    items = {"schema": {"type": "array", "items": {"anyOf": [item, wrapped]}}}
    return {
        _NDJSON: items,
        _SSE: {"schema": {"type": "array", "items": event}},
        _SEQUENCE: items,
        _JSON: {"schema": {"type": "array", "items": item}},
    }
