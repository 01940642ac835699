"""Coroutines of ``grpc.aio`` without tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["drive"]


def drive(coroutine: Coroutine[Any, Any, Any], then: Callable[[Any, BaseException | None], None]) -> None:
    """Run a coroutine, taking its steps by hand, each when the future that the last one gave is done.

    Args:
        coroutine: waits for nothing but futures of asyncio.
        then: gets its result, or None and what it has raised.
    """

    def step(_: Any = None) -> None:
        value: Any = None
        problem: BaseException | None = None
        try:
            future = coroutine.send(None)
        except StopIteration as end:
            value = end.value
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001  # whatever it is, it is told
            problem = raised
        else:
            future.add_done_callback(step)
            return
        # Not in the except clauses: what runs from here would keep their exceptions.
        then(value, problem)

    step()
