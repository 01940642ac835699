"""The ``google.api.http`` annotation of a method, as `HttpRule`s."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from twistedgw.schema.standard import standard_files
from twistedgw.transcoding.rule import HttpRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

__all__ = ["RuleReader"]

_EXTENSION = "google.api.http"
_OPTIONS = "google.protobuf.MethodOptions"
_RULE = "google.api.HttpRule"
_VERBS = ("get", "put", "post", "delete", "patch")


class RuleReader:
    """Reads annotations in one descriptor pool, where ``google.api.http`` means what that pool says it means."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._options: type[Message] | None = None
        try:
            extension = pool.FindExtensionByName(_EXTENSION)
            options = pool.FindMessageTypeByName(_OPTIONS)
        except KeyError:
            return  # nothing in this pool imports google/api/annotations.proto
        if _is_annotation(extension):
            self._extension: Any = extension
            self._options = message_factory.GetMessageClass(options)

    def read(self, method: MethodDescriptor) -> tuple[tuple[HttpRule, ...], tuple[str, ...]]:
        """Give the rules of a method, its own first; and what is wrong with the others, a sentence each."""
        if self._options is None:
            return (), ()
        serialized = method.GetOptions().SerializeToString()
        if not serialized:
            return (), ()
        try:
            options: Any = self._options.FromString(serialized)
            if not options.HasExtension(self._extension):
                return (), ()
            # What the bytes mean is for the real HttpRule to say, not for the one that a plugin may have brought along.
            rule = _rule_class().FromString(options.Extensions[self._extension].SerializeToString())
        except (DecodeError, UnicodeDecodeError):
            return (), (f"the google.api.http rule of {method.full_name} cannot be read",)
        rules: list[HttpRule] = []
        faults: list[str] = []
        for one, whose in _flattened(rule, method.full_name, faults):
            read = _convert(one)
            if isinstance(read, HttpRule):
                rules.append(read)
            else:
                faults.append(f"{whose} {read}")
        return tuple(rules), tuple(faults)


def _flattened(rule: Any, method: str, faults: list[str]) -> Iterator[tuple[Any, str]]:
    yield rule, f"the google.api.http rule of {method}"
    for number, additional in enumerate(rule.additional_bindings, 1):
        whose = f"additional binding {number} of the google.api.http rule of {method}"
        yield additional, whose
        if additional.additional_bindings:
            faults.append(f"{whose} has additional bindings of its own; only one level of them is allowed")


def _convert(rule: Any) -> HttpRule | str:
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        return "has no method and path (get, put, post, delete, patch or custom)"
    if pattern in _VERBS:
        method, template = pattern.upper(), getattr(rule, pattern)
    else:
        method, template = rule.custom.kind.upper(), rule.custom.path
    if not method:
        return "is a custom pattern without a kind"
    if not template:
        return f"has an empty path for {method}"
    return HttpRule(method, template, rule.body, rule.response_body)


def _is_annotation(extension: FieldDescriptor) -> bool:
    """Tell whether this is what everybody means by ``google.api.http``, since a plugin may define what it likes."""
    if extension.message_type is None or extension.containing_type is None or extension.is_repeated:
        return False
    return extension.message_type.full_name == _RULE and extension.containing_type.full_name == _OPTIONS


@functools.cache
def _rule_class() -> Any:
    pool = DescriptorPool()
    pool.Add(standard_files()["google/api/http.proto"])
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_RULE))
