"""Attributes that are made when somebody asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["lazy"]

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - used like a built-in decorator
    """Calls a method once and keeps what it gave; `functools.cached_property` without the lock it had before 3.12.

    It gives way to a plain attribute of the same name, so that a base class may set one.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> T:
        value = owner.__dict__[self._name] = self._make(owner)
        return value
