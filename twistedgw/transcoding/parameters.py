"""Names that clients write for fields, and the fields that they mean.

One grammar for query parameters and form fields: json_name or proto name at each level, levels joined by dots, an
extension as ``[package.extension]``, an entry of a map as ``map[key]`` with the key being all between the first ``[``
and the last ``]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.descriptors import has_own_form, is_map
from twistedgw.transcoding.target import Target, canonical, value_field
from twistedgw.transcoding.text import text_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from twistedgw.transcoding.codec import Codec

__all__ = ["MAX_DEPTH", "Origin", "Parameters", "UnknownName", "fields_by_any_name"]

MAX_DEPTH = 100
"""How many fields deep a name may go, as JSON may nest."""

_KEPT_NAMES = 1000
_KEPT_LENGTH = 200
_SHOWN_LENGTH = 100

_PART = r"(?:\[[^\[\]]+\]|[^.\[\]]+)"
_PATH = re.compile(rf"{_PART}(?:\.{_PART})*")
_PARTS = re.compile(_PART)
_MAP_BRACKET = re.compile(r"(?<=[^.])\[")


class UnknownName(InvalidArgument):
    """A name that is no parameter: refused, or passed over where unknown names are ignored."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A part of the request, for errors.

    Attributes:
        source: what to call it, as in `InvalidArgument`.
        reason: the reason of its errors.
    """

    source: str
    reason: str

    def error(self, name: str, description: str) -> InvalidArgument:
        """Make the error about the parameter `name`."""
        return InvalidArgument(shown(name), description, source=self.source, reason=self.reason)

    def unknown(self, name: str, description: str) -> UnknownName:
        """Make the error about a `name` that is none."""
        return UnknownName(shown(name), description, source=self.source, reason=self.reason)


def shown(name: str) -> str:
    """Cut a name that is too long to be told back."""
    return name if len(name) <= _SHOWN_LENGTH else name[:_SHOWN_LENGTH] + "..."


def fields_by_any_name(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Give a message's fields by json_name and by proto name; json_name wins where they clash, as in ProtoJSON."""
    names = {field.name: field for field in descriptor.fields}
    names.update((field.json_name, field) for field in descriptor.fields)
    return names


class Parameters:
    """The fields of one message type, by the names that clients may write.

    What a name means is worked out once and kept, for a bounded number of names. Safe from any thread.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        codec: Codec,
        origin: Origin,
        *,
        covered: Mapping[str, str] | None = None,
        ignore_unknown: bool = False,
    ) -> None:
        """Take the types.

        Args:
            descriptor: the message type.
            codec: of the values.
            origin: for errors.
            covered: canonical names that are unknown, with all below them, and what sets them instead.
            ignore_unknown: whether unknown names are passed over.
        """
        self.origin = origin
        self._descriptor = descriptor
        self._codec = codec
        self._covered = covered or {}
        self._ignore_unknown = ignore_unknown
        self._targets: dict[str, Target] = {}
        self._maps: dict[str, Target] = {}
        self._tables: dict[str, dict[str, FieldDescriptor]] = {}

    def _find(self, name: str) -> tuple[Target, str | None]:
        """Give what `name` means: the field, and the key where it is a map's entry.

        Raises:
            UnknownName: there is no such field.
            InvalidArgument: it cannot be set from text.
        """
        bracket = _MAP_BRACKET.search(name)
        if bracket is None:
            return self._kept(name, name, entry=False), None
        if not name.endswith("]"):
            raise self.origin.unknown(name, "unknown name: no ']' at its end")
        start = bracket.start()
        return self._kept(name[:start], name, entry=True), name[start + 1 : -1]

    def put(self, message: Message, name: str, text: str, seen: set[str], *, plus: bool = False) -> str | None:
        """Set the field that `name` means.

        Args:
            message: where to set it.
            name: as the client wrote it, decoded.
            text: the value, decoded.
            seen: the canonical names that were given before; this one is added.
            plus: whether a space in `text` may be a ``+``.

        Returns:
            The field's canonical name; None where the name is unknown and passed over.

        Raises:
            InvalidArgument: anything that is wrong with the name or the text.
        """
        target, key = self._find_once(name, seen)
        if target is None:
            return None
        if plus and target.restores_plus and " " in text:
            text = text.replace(" ", "+")
        try:
            target.put(message, text, key)
        except InvalidArgument as error:
            raise self.origin.error(name, error.description) from None
        return target.path

    def put_bytes(self, message: Message, name: str, data: bytes, seen: set[str]) -> str | None:
        """Set the field of type bytes that `name` means; otherwise as `put`."""
        target, _ = self._find_once(name, seen)
        if target is None:
            return None
        try:
            target.put_bytes(message, data)
        except InvalidArgument as error:
            raise self.origin.error(name, error.description) from None
        return target.path

    def _find_once(self, name: str, seen: set[str]) -> tuple[Target | None, str | None]:
        key = None
        target = self._targets.get(name)
        if target is None:
            try:
                target, key = self._find(name)
            except UnknownName:
                if self._ignore_unknown:
                    return None, None
                raise
        if target.single:
            if target.path in seen:
                raise self.origin.error(name, "given more than once")
            seen.add(target.path)
        return target, key

    def _kept(self, wanted: str, name: str, *, entry: bool) -> Target:
        # Apart from each other: `labels[` is a name that nothing has, also after `labels[k]` was found.
        targets = self._maps if entry else self._targets
        target = targets.get(wanted)
        if target is None:
            fields = self._resolve(wanted, name)
            self._check_leaf(fields[-1], name, entry=entry)
            target = Target(fields, self._codec)
            if len(targets) >= _KEPT_NAMES:
                targets.clear()
            if len(wanted) <= _KEPT_LENGTH:
                targets[wanted] = target
        return target

    def _resolve(self, path: str, name: str) -> list[FieldDescriptor]:
        fields: list[FieldDescriptor] = []
        descriptor = self._descriptor
        so_far = ""
        for part in self._split(path, name):
            if fields:
                descriptor = self._below(fields[-1], name)
            field = self._field(descriptor, part)
            if field is None:
                raise self.origin.unknown(name, "unknown name")
            so_far = f"{so_far}.{canonical(field)}" if fields else canonical(field)
            if so_far in self._covered:
                raise self.origin.unknown(name, f"unknown name here: {self._covered[so_far]} sets this field")
            fields.append(field)
        return fields

    def _split(self, path: str, name: str) -> list[str]:
        if "[" in path or "]" in path:
            if not _PATH.fullmatch(path):
                raise self.origin.unknown(name, "unknown name")
            parts = _PARTS.findall(path)
        else:
            parts = path.split(".", MAX_DEPTH)
        if len(parts) > MAX_DEPTH:
            raise self.origin.error(name, f"goes more than {MAX_DEPTH} fields deep")
        return parts

    def _field(self, descriptor: Descriptor, part: str) -> FieldDescriptor | None:
        if part.startswith("["):
            return _extension(descriptor, part[1:-1])
        table = self._tables.get(descriptor.full_name)
        if table is None:
            table = self._tables[descriptor.full_name] = fields_by_any_name(descriptor)
        return table.get(part)

    def _below(self, field: FieldDescriptor, name: str) -> Descriptor:
        if field.is_repeated:
            kind = "a map, whose entries are named in brackets" if is_map(field) else "a list"
            raise self.origin.error(name, f"{field.name!r} is {kind}")
        descriptor = field.message_type
        if descriptor is None:
            raise self.origin.error(name, f"{field.name!r} is not a message")
        if has_own_form(descriptor):
            raise self.origin.error(name, f"{field.name!r} is given as one value ({descriptor.full_name})")
        return descriptor

    def _check_leaf(self, field: FieldDescriptor, name: str, *, entry: bool) -> None:
        if entry and not is_map(field):
            raise self.origin.error(name, f"{field.name!r} is not a map")
        if not entry and is_map(field):
            raise self.origin.error(name, f"a map's entries are named in brackets: {field.name}[key]")
        value = value_field(field)
        if text_form(value) is None:
            kind = "a map of messages" if entry else "a list of messages" if field.is_repeated else "a message"
            raise self.origin.error(name, f"{kind} cannot be given as text")


def _extension(descriptor: Descriptor, full_name: str) -> FieldDescriptor | None:
    try:
        field: FieldDescriptor = descriptor.file.pool.FindExtensionByName(full_name)
    except (KeyError, ValueError):
        return None
    return field if field.containing_type == descriptor else None
