"""The binder: path variables, query parameters and body put into one request message.

The order is body, path, query: a path variable always wins over the body, and the query cannot name a field of either.
Everything about a rule is worked out once; a request looks up and sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.body import Body, BodyReader
from twistedgw.transcoding.check import check_rule, variable_fields
from twistedgw.transcoding.descriptors import may_lack_required
from twistedgw.transcoding.fieldmask import mask_field
from twistedgw.transcoding.parameters import Origin
from twistedgw.transcoding.query import NO_SYSTEM_PARAMETERS, Query, SystemParameters
from twistedgw.transcoding.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

    from twistedgw.transcoding.codec import Codec
    from twistedgw.transcoding.rule import HttpRule
    from twistedgw.transcoding.template import Template

__all__ = ["BindOptions", "Binder", "Body", "Bound", "SystemParameters", "check_rule"]

_PATH = Origin("path variable", "INVALID_PATH")
_SHOWN_MISSING = 20


@dataclass(frozen=True, slots=True)
class BindOptions:
    """How requests are bound.

    Attributes:
        ignore_unknown_query: whether unknown names in a query are passed over instead of refused.
    """

    ignore_unknown_query: bool = False


class Bound(NamedTuple):
    """A request, bound.

    Attributes:
        message: of the RPC's input type; nothing that it requires is missing.
        system: what the system parameters ask for.
    """

    message: Message
    system: SystemParameters


class _Variable(NamedTuple):
    name: str
    put: Callable[[Message, str], None]
    clear: Callable[[Message], None] | None


class Binder:
    """Binds the requests of one rule. Immutable to its users, and safe from any thread."""

    def __init__(
        self,
        rule: HttpRule,
        template: Template,
        method: MethodDescriptor,
        codec: Codec,
        options: BindOptions = BindOptions(),
    ) -> None:
        """Plan the binding.

        Args:
            rule: the rule.
            template: its template, parsed (with or without an environment's prefix).
            method: the RPC it maps.
            codec: of the plugin's types.
            options: the plugin's.

        Raises:
            ValueError: the rule does not fit the types; `check_rule` tells beforehand.
        """
        problems = check_rule(rule, template, method)
        if problems:
            raise ValueError("; ".join(problems))
        strict = codec.with_options(replace(codec.options, ignore_unknown_fields=False))
        descriptor = method.input_type
        self._checked = may_lack_required(descriptor)
        self._body = BodyReader(rule.body, descriptor, codec, strict)
        self._variables = tuple(
            _variable(variable.field_path, method, strict, under_body=rule.body in ("*", variable.field_path[0]))
            for variable in template.variables
        )
        self._query = Query(
            descriptor,
            strict,
            covered=_covered(rule, template),
            closed=rule.body == "*",
            ignore_unknown=options.ignore_unknown_query,
        )
        self._mask = mask_field(descriptor) if rule.method == "PATCH" and rule.body not in ("", "*") else None
        self._missing_reason = "INVALID_BODY" if rule.body else "INVALID_QUERY"

    def bind(self, values: Sequence[str], query: bytes, body: Body) -> Bound:
        """Make the request message.

        Args:
            values: the path variables' decoded texts, in the order of the template's variables.
            query: the query string as it came, without its question mark.
            body: the body.

        Raises:
            InvalidArgument: anything that is wrong with the request.
        """
        message, paths = self._body.read(body)
        for variable, text in zip(self._variables, values, strict=True):
            self._put_variable(message, variable, text)
        system = self._query.bind(message, query) if query else NO_SYSTEM_PARAMETERS
        if paths is not None and self._mask is not None:
            mask = getattr(message, self._mask.name)
            if not mask.paths:
                mask.paths.extend(paths())
        if self._checked and not message.IsInitialized():
            raise self._missing(message)
        return Bound(message, system)

    def _put_variable(self, message: Message, variable: _Variable, text: str) -> None:
        try:
            if variable.clear is not None:
                variable.clear(message)
            variable.put(message, text)
        except InvalidArgument as error:
            raise _PATH.error(variable.name, error.description) from None

    def _missing(self, message: Any) -> InvalidArgument:
        missing = message.FindInitializationErrors()
        names = ", ".join(missing[:_SHOWN_MISSING])
        more = f" and {len(missing) - _SHOWN_MISSING} more" if len(missing) > _SHOWN_MISSING else ""
        return InvalidArgument(
            "", f"required fields are missing: {names}{more}", source="request", reason=self._missing_reason
        )


def _variable(path: tuple[str, ...], method: MethodDescriptor, codec: Codec, *, under_body: bool) -> _Variable:
    fields = variable_fields(method.input_type, path)
    assert not isinstance(fields, str)
    target = Target(fields, codec)
    # The codec merges into a message that is there already, as JSON objects do; a path variable replaces it.
    replaces = under_body and target.field.type == FieldDescriptor.TYPE_MESSAGE
    return _Variable(target.path, target.put, target.clear if replaces else None)


def _covered(rule: HttpRule, template: Template) -> dict[str, str]:
    covered = {".".join(variable.field_path): "the path" for variable in template.variables}
    if rule.body:
        covered[rule.body] = "the body"
    return covered
