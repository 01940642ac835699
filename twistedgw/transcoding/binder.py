"""The binder: path variables, query parameters and body put into one request message.

The order is body, path, query: a path variable always wins over the body, and the query cannot name a field of either.
Everything about a rule is worked out once; a request looks up and sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.body import Body, BodyReader
from twistedgw.transcoding.check import check_rule, variable_fields
from twistedgw.transcoding.descriptors import may_lack_required
from twistedgw.transcoding.fieldmask import mask_field
from twistedgw.transcoding.parameters import Origin
from twistedgw.transcoding.query import NO_SYSTEM_PARAMETERS, Query, SystemParameters
from twistedgw.transcoding.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor, MethodDescriptor
    from google.protobuf.message import Message

    from twistedgw.transcoding.codec import Codec
    from twistedgw.transcoding.rule import HttpRule
    from twistedgw.transcoding.template import Template

__all__ = ["NO_SYSTEM_PARAMETERS", "BindOptions", "Binder", "Body", "Bound", "SystemParameters", "check_rule"]

_PATH = Origin("path variable", "INVALID_PATH")
_SHOWN_MISSING = 20
_NO_BODY = Body(None, b"")


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


class Binder:
    """Binds the requests of one rule. Immutable to its users, and safe from any thread.

    The types are looked into at the first request, since a gateway may have thousands of rules.
    """

    def __init__(
        self,
        rule: HttpRule,
        template: Template,
        method: MethodDescriptor,
        codec: Codec,
        options: BindOptions = BindOptions(),
    ) -> None:
        """Take the rule and its types.

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
        self._make_plan = partial(_Plan, rule, template, method, codec, options)
        self._plan: _Plan | None = None

    def bind(self, values: Sequence[str], query: bytes, body: Body) -> Bound:
        """Make the request message.

        Args:
            values: the path variables' decoded texts, in the order of the template's variables.
            query: the query string as it came, without its question mark.
            body: the body.

        Raises:
            InvalidArgument: anything that is wrong with the request.
        """
        plan = self._plan
        if plan is None:
            plan = self._plan = self._make_plan()
        return plan.bind(values, query, body)

    def bind_url(self, values: Sequence[str], query: bytes) -> SystemParameters:
        """Find out whether `bind` will take path and query, whatever the body; give what these ask for.

        Raises:
            InvalidArgument: anything that is wrong with path or query; that required fields are missing, is not.
        """
        return self._planned().bind_url(values, query)

    @property
    def body(self) -> BodyReader:
        """What reads the bodies."""
        return self._planned().body

    def _planned(self) -> _Plan:
        plan = self._plan
        if plan is None:
            plan = self._plan = self._make_plan()
        return plan


class _Plan:
    """All that can be known about a rule before a request."""

    def __init__(
        self, rule: HttpRule, template: Template, method: MethodDescriptor, codec: Codec, options: BindOptions
    ) -> None:
        strict = codec.with_options(replace(codec.options, ignore_unknown_fields=False))
        descriptor = method.input_type
        self.body = BodyReader(rule.body, descriptor, codec, strict)
        self._variables = [_target(descriptor, variable.field_path, strict) for variable in template.variables]
        self._query = Query(
            descriptor,
            strict,
            covered=_covered(rule, template),
            closed=rule.body == "*",
            ignore_unknown=options.ignore_unknown_query,
        )
        self._mask = mask_field(descriptor) if rule.method == "PATCH" and rule.body not in ("", "*") else None
        self._checked = may_lack_required(descriptor)
        self._missing_reason = "INVALID_BODY" if rule.body else "INVALID_QUERY"

    def bind(self, values: Sequence[str], query: bytes, body: Body) -> Bound:
        message, paths = self.body.read(body)
        for target, text in zip(self._variables, values, strict=True):
            _put(target, message, text)
        system = self._query.bind(message, query) if query else NO_SYSTEM_PARAMETERS
        if paths is not None and self._mask is not None:
            mask = getattr(message, self._mask.name)
            if not mask.paths:
                mask.paths.extend(paths())
        if self._checked and not message.IsInitialized():
            raise self._missing(message)
        return Bound(message, system)

    def bind_url(self, values: Sequence[str], query: bytes) -> SystemParameters:
        message, _ = self.body.read(_NO_BODY)
        for target, text in zip(self._variables, values, strict=True):
            _put(target, message, text)
        return self._query.bind(message, query) if query else NO_SYSTEM_PARAMETERS

    def _missing(self, message: Any) -> InvalidArgument:
        missing = message.FindInitializationErrors()
        names = ", ".join(missing[:_SHOWN_MISSING])
        more = f" and {len(missing) - _SHOWN_MISSING} more" if len(missing) > _SHOWN_MISSING else ""
        return InvalidArgument(
            "", f"required fields are missing: {names}{more}", source="request", reason=self._missing_reason
        )


def _target(descriptor: Descriptor, path: tuple[str, ...], codec: Codec) -> Target:
    fields = variable_fields(descriptor, path)
    assert not isinstance(fields, str)
    return Target(fields, codec)


def _put(target: Target, message: Message, text: str) -> None:
    try:
        target.put(message, text)
    except InvalidArgument as error:
        raise _PATH.error(target.path, error.description) from None


def _covered(rule: HttpRule, template: Template) -> dict[str, str]:
    covered = {".".join(variable.field_path): "the path" for variable in template.variables}
    if rule.body:
        covered[rule.body] = "the body"
    return covered
