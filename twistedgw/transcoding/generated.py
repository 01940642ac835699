"""Python functions written at run time, one for each message type, each made at its first call."""

from __future__ import annotations

import keyword
import re
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import Descriptor

__all__ = ["Functions", "attribute", "late"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII).fullmatch
_OTHER = re.compile(r"[^A-Za-z0-9_]")


class Functions:
    """The functions of one kind, living in one namespace so that they call one another by name.

    A name stands for a stub until the function behind it is first called. All of it may be used from any thread: what
    is made twice is the same twice, so the lock only saves work and keeps names distinct.

    Args:
        kind: the first part of each function's name.
        make: gives the function of a message type, which is to have the given name.
        names: what generated code may use.
    """

    def __init__(
        self, kind: str, make: Callable[[Descriptor, str], Callable[[Any], Any]], names: Mapping[str, object]
    ) -> None:
        self._kind = kind
        self._make = make
        self._lock = threading.RLock()
        self._symbols: dict[tuple[str, str], str] = {}
        self._taken = set(names)
        self._made: dict[str, Callable[[Any], Any]] = {}
        self._sources: dict[str, str] = {}
        self.namespace: dict[str, Any] = dict(names)

    def function(self, descriptor: Descriptor) -> Callable[[Any], Any]:
        """Give the function of a message type, made now if need be."""
        made = self._made.get(descriptor.full_name)
        if made is None:
            with self._lock:
                name = self.reference(descriptor)
                made = self._make(descriptor, name)
                self.namespace[name] = self._made[descriptor.full_name] = made
        return made

    def reference(self, descriptor: Descriptor) -> str:
        """Give the name by which generated code calls the function of a message type."""

        def stub(value: Any) -> Any:
            return self.function(descriptor)(value)

        return self.constant(self._kind, descriptor.full_name, stub)

    def constant(self, kind: str, full_name: str, value: object) -> str:
        """Put a value into the namespace unless it is there, and give its name."""
        with self._lock:
            key = (kind, full_name)
            name = self._symbols.get(key)
            if name is None:
                name = f"{kind}_{_OTHER.sub('_', full_name)}"
                while name in self._taken:
                    name += "_"
                self._taken.add(name)
                self._symbols[key] = name
                self.namespace[name] = value
            return name

    def define(self, name: str, source: str) -> Callable[[Any], Any]:
        """Run the text of a function, and keep the text to be looked at."""
        self._sources[name] = source
        # The text holds nothing of a .proto but checked identifiers and quoted strings.
        exec(compile(source, f"<{name}>", "exec"), self.namespace)  # noqa: S102
        made: Callable[[Any], Any] = self.namespace[name]
        return made

    def expression(self, argument: str, text: str) -> Callable[[Any], Any]:
        """Give the function of one argument that an expression makes."""
        made: Callable[[Any], Any] = eval(f"lambda {argument}: {text}", self.namespace)  # noqa: S307 - as in define
        return made

    def source(self, descriptor: Descriptor) -> str:
        """Give the text of a type's function; empty where it is not a generated one."""
        self.function(descriptor)
        return self._sources.get(self.reference(descriptor), "")


def late(make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Give a function that is made at its first call."""
    made: Callable[..., Any] | None = None

    def call(*arguments: Any) -> Any:
        nonlocal made
        if made is None:
            made = make()
        return made(*arguments)

    return call


def attribute(holder: str, name: str) -> str:
    """Write the access to a field, whose name may be a Python keyword."""
    if _IDENTIFIER(name) and not keyword.iskeyword(name):
        return f"{holder}.{name}"
    return f"getattr({holder}, {name!r})"
