"""One route as an operation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twistedgw.openapi.bodies import answer, bound_paths, request_body
from twistedgw.openapi.failures import response_references
from twistedgw.openapi.parameters import parameters
from twistedgw.openapi.prose import joined, split_comment
from twistedgw.transcoding.check import variable_fields
from twistedgw.transcoding.descriptors import has_own_form
from twistedgw.transcoding.fieldmask import mask_field
from twistedgw.transcoding.httpbody import http_body_of, is_http_body

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

    from twistedgw.openapi.paths import Path, Slot
    from twistedgw.openapi.scalars import Json
    from twistedgw.openapi.types import Types
    from twistedgw.registry.route import GrpcRoute, ProxyRoute
    from twistedgw.transcoding.template import Variable

__all__ = ["grpc_operation", "proxy_operation", "slot_name"]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_BODYLESS = ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE")


def slot_name(route: GrpcRoute, types: Types, variable: Variable) -> str:
    """Give the name that a path variable is shown with.

    It has no dots, which there are tools that stumble over, and nothing else that a ``json_name`` may have.
    """
    name = _field_name(route, types, variable).replace(".", "_")
    return name if _PLAIN.fullmatch(name) else variable.name.replace(".", "_")


def _field_name(route: GrpcRoute, types: Types, variable: Variable) -> str:
    """Give the name that a query would have for what a path variable sets."""
    fields = variable_fields(route.method.input_type, variable.field_path)
    assert not isinstance(fields, str)
    return ".".join(types.name(field) for field in fields)


def grpc_operation(route: GrpcRoute, types: Types, path: Path, method: str) -> Json:
    """Give the operation of a route that becomes an RPC, without its operationId and tags.

    Args:
        route: the route.
        types: of its plugin.
        path: where it is shown.
        method: the HTTP method, since a rule may be for any.
    """
    found: Json = {}
    summary, rest = split_comment(types.comment(route.method.full_name))
    if summary:
        found["summary"] = summary
    masked = _filled_mask(route, method)
    description = joined(rest, *_notes(route, types, masked))
    if description:
        found["description"] = description
    if _is_deprecated(route.method):
        found["deprecated"] = True
    given = [_path_parameter(route, types, slot) for slot in path.slots]
    given += _query(route, types, masked)
    if given:
        found["parameters"] = given
    body = request_body(route, types)
    if body is not None:
        found["requestBody"] = body
    references = response_references(route.plugin.error_format, body=body is not None)
    found["responses"] = {"200": answer(route, types), **references}
    found["x-grpcgw-rpc"] = route.rpc
    return found


def _is_deprecated(method: MethodDescriptor) -> bool:
    service = method.containing_service
    return any(each.GetOptions().deprecated for each in (method, service, service.file))


def _notes(route: GrpcRoute, types: Types, masked: FieldDescriptor | None) -> list[str]:
    method = route.method
    notes: list[str] = []
    if masked is not None:
        notes.append(
            f"`{types.name(masked)}` is filled from the names in the body; a query parameter of that name sets it"
            " instead."
        )
    raw = is_http_body(method.input_type) or http_body_of(method.output_type, route.rule.response_body) is not None
    if method.client_streaming and not raw:
        notes.append("The request is a stream of messages, one JSON value after the other or in an array.")
    if method.server_streaming and not raw:
        notes.append(
            "The answer is a stream of messages, in the form that `Accept` asks for. If it fails once it has begun, it"
            " ends with an `error` object or event; an array is cut without its closing bracket."
        )
    if route.streaming:
        notes.append("It can be had by WebSocket at this path, too.")
    return notes


# -- parameters


def _path_parameter(route: GrpcRoute, types: Types, slot: Slot) -> Json:
    found: Json = {"name": slot.name, "in": "path", "required": True}
    variable = slot.variable
    field: FieldDescriptor | None = None
    if variable is not None:
        fields = variable_fields(route.method.input_type, variable.field_path)
        assert not isinstance(fields, str)
        field = fields[-1]
    notes = [types.describe(field)] if field is not None else []
    if variable is not None and not slot.whole:
        notes.append(f"`{_field_name(route, types, variable)}` is `{slot.pattern}`.")
    elif variable is not None and len(variable.field_path) > 1:
        notes.append(f"Sets `{_field_name(route, types, variable)}`.")
    if slot.rest:
        notes.append("May have several segments, with slashes between them.")
    if any(notes):
        found["description"] = joined(*notes)
    found["schema"] = types.text(field) if field is not None and slot.whole else _segment(rest=slot.rest)
    return found


def _segment(*, rest: bool) -> Json:
    return {"type": "string"} if rest else {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}


def _query(route: GrpcRoute, types: Types, masked: FieldDescriptor | None) -> list[Json]:
    rule, descriptor = route.rule, route.method.input_type
    if rule.body == "*" or has_own_form(descriptor):
        return []
    covered = set(bound_paths(route))
    if rule.body:
        covered.add(rule.body)
    hidden = types.name(masked) if masked is not None else None
    return [each.in_query(types) for each in parameters(descriptor, types, covered) if each.name != hidden]


def _filled_mask(route: GrpcRoute, method: str) -> FieldDescriptor | None:
    """Give the field mask that the binder fills from the body's names."""
    rule, descriptor = route.rule, route.method.input_type
    if method != "PATCH" or rule.method != "PATCH" or rule.body in ("", "*"):
        return None
    body = descriptor.fields_by_name[rule.body]
    if body.message_type is None or body.is_repeated or has_own_form(body.message_type):
        return None
    return mask_field(descriptor)


# -- HTTP backends


def proxy_operation(route: ProxyRoute, path: Path, method: str) -> Json:
    """Give the operation of a route that goes on to an HTTP backend, without its operationId and tags."""
    found: Json = {
        "summary": f"Passed on as it is ({route.origin.api})",
        "description": "An HTTP backend answers this; what it takes and gives is not known here.",
    }
    given: list[Json] = [
        {"name": slot.name, "in": "path", "required": True, "schema": {"type": "string"}} for slot in path.slots
    ]
    if given:
        found["parameters"] = given
    if method not in _BODYLESS:
        found["requestBody"] = {"content": {"*/*": {}}}
    found["responses"] = {"default": {"description": "The backend's answer.", "content": {"*/*": {}}}}
    return found
