"""Server reflection in a process of its own.

A configuration is read before twistd forks, and gRPC must not have been at work by then. Asking in a child process
keeps that promise, and gives a hostile answer nothing to hurt.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

from twistedgw.backends.channel import open_channel
from twistedgw.schema.reflection import Reflected, ReflectionError, reflect

if TYPE_CHECKING:
    from twistedgw.config.model import Backend

__all__ = ["reflect_in_child"]

_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from twistedgw.reflecting import main; main()"

_GRACE = 5.0
"""Seconds that the child may take beyond its time limit, for its own start."""


def reflect_in_child(backend: Backend, timeout_seconds: float) -> Reflected:
    """Ask a backend to describe itself. Blocks: runs in a worker.

    Raises:
        ReflectionError: no answer, or one that is of no use.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-I", "-c", _CHILD, *sys.path],
            input=pickle.dumps((backend, timeout_seconds)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_seconds + _GRACE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReflectionError(f"no answer within {timeout_seconds:g} s") from None
    if done.returncode != 0:
        raise ReflectionError("the process that asked it died")
    answer: Reflected | str = pickle.loads(done.stdout)  # noqa: S301 - written by our own module
    if isinstance(answer, str):
        raise ReflectionError(answer)
    return answer


def main() -> None:
    """Answer the parent on standard output."""
    backend, timeout_seconds = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent
    answer: Reflected | str
    try:
        answer = reflect(lambda: open_channel(backend), timeout_seconds)
    except ReflectionError as error:
        answer = str(error)
    sys.stdout.buffer.write(pickle.dumps(answer))
