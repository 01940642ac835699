"""Unary calls of ``grpc.aio``, made with as few of its layers as it lets one leave out.

Its multi-callables give each call a task, wrappers and copies of the metadata, which together cost about as much as
gRPC's core does. `direct` goes to the object below all that. This is private to grpcio, so it is used only where it has
the shape that is known here; otherwise `public` does the same by the public way.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    import grpc.aio


__all__ = ["Ended", "UnaryRpc", "direct", "public", "run"]

_Pairs = tuple[tuple[str, "str | bytes"], ...]
Ended = tuple[int, str, _Pairs, _Pairs]
"""How a call ended: its code (any number that the backend may send), message, initial and trailing metadata."""

UNKNOWN = -1
"""Stands for a code that `grpc.aio` does not know, and does not tell."""


class UnaryRpc(Protocol):
    """A call on its way."""

    steps: Generator[Any, None, bytes | None]
    """Gives a future for each thing that it waits for, and in the end the answer's bytes (None where there is none)."""

    def cancel(self) -> None:
        """Give it up."""
        ...

    def ended(self) -> Ended:
        """Tell how it ended. Only after `steps` has."""
        ...


def direct(channel: grpc.aio.Channel, path: str) -> Any:
    """Make what calls an RPC below `grpc.aio`'s own layers; None where this grpcio is not known to have it.

    It takes the request's bytes, the seconds until the deadline and the metadata, and gives a `UnaryRpc`.

    Args:
        path: ``/package.Service/Method``.
    """
    call = _core_call(channel)
    if call is None:
        return None
    name = path.encode("ascii")

    def stub(data: bytes, timeout: float | None, metadata: tuple[Any, ...]) -> _DirectRpc:
        return _DirectRpc(call(name, timeout), data, metadata)

    return stub


def _core_call(channel: Any) -> Callable[[bytes, float | None], Any] | None:
    core = getattr(channel, "_channel", None)
    for rest in ((None, None, 0), (None, None)):  # credentials, wait_for_ready, and from 1.76 on a registered handle
        try:
            trial = core.call(b"/", time.time() + 1, *rest)  # type: ignore[union-attr]
            trial.unary_unary, trial.status, trial.initial_metadata, trial.cancel  # noqa: B018
        except (AttributeError, TypeError):
            continue
        return _opener(core, rest)
    return None


def _opener(core: Any, rest: tuple[Any, ...]) -> Callable[[bytes, float | None], Any]:
    call, now = core.call, time.time
    return lambda name, timeout: call(name, None if timeout is None else now() + timeout, *rest)


class _DirectRpc:
    __slots__ = ("_call", "steps")

    def __init__(self, call: Any, data: bytes, metadata: tuple[Any, ...]) -> None:
        self._call = call
        self.steps = call.unary_unary(data, metadata)

    def cancel(self) -> None:
        self._call.cancel("Locally cancelled by application!")

    def ended(self) -> Ended:
        call = self._call
        status = run(call.status())
        return (
            status.code(),
            status.details() or "",
            run(call.initial_metadata()) or (),
            status.trailing_metadata() or (),
        )


def public(channel: grpc.aio.Channel, path: str) -> Any:
    """Make what calls an RPC by grpcio's public interface; otherwise as `direct`.

    Args:
        path: ``/package.Service/Method``.
    """
    made = channel.unary_unary(path)

    def stub(data: bytes, timeout: float | None, metadata: tuple[Any, ...]) -> _PublicRpc:
        return _PublicRpc(made(data, timeout=timeout, metadata=metadata))

    return stub


class _PublicRpc:
    """A call of ``grpc.aio`` has a task of its own, so none is made to await it: the steps are those of awaiting it."""

    __slots__ = ("_call", "steps")

    def __init__(self, call: Any) -> None:
        self._call = call
        self.steps = call.__await__()

    def cancel(self) -> None:
        self._call.cancel()

    def ended(self) -> Ended:
        call = self._call
        try:
            code = run(call.code()).value[0]
        except KeyError:  # which is how grpc.aio takes a status code that it does not know
            code = UNKNOWN
        initial, trailing = tuple(run(call.initial_metadata())), tuple(run(call.trailing_metadata()))
        return code, run(call.details()) or "", initial, trailing


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("grpc.aio waits where it has no reason to")
