"""Asks a gateway once for everything, before anything is measured: a wrong answer costs nothing to give quickly."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from typing import TYPE_CHECKING

from bench.workloads import WrongAnswerError, proof

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.peers.peer import Running
    from bench.workloads import Workload

NOT_IMPLEMENTED = 501
WRONG = "WRONG ANSWER"
FAILED = "FAILED"


class LeftOutError(Exception):
    """A gateway does not do this; the text says what it answers."""


def ask(running: Running, workload: Workload) -> tuple[int, bytes]:
    """Send one request; gives status and body."""
    _, port = running.serving(secure=workload.secure)
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=_trusting())
        if workload.secure
        else http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    )
    with contextlib.closing(connection):
        connection.request(workload.method, workload.target, workload.body, workload.fields())
        answer = connection.getresponse()
        return answer.status, answer.read()


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def check(running: Running, workload: Workload) -> int:
    """Compare an answer with the backend's; gives the size of its body.

    Raises:
        LeftOutError: it is a stream, and the gateway has none.
        WrongAnswerError: it differs.
    """
    status, body = ask(running, workload)
    if workload.streams and status == NOT_IMPLEMENTED:
        raise LeftOutError(f"HTTP {status}: {body[:200].decode('utf-8', 'replace')}")
    workload.verify(status, body)
    return len(body)


def check_all(running: Running, workloads: Iterable[Workload]) -> tuple[dict[str, int], dict[str, str]]:
    """Check every workload; gives the sizes of those that hold, and why the others do not."""
    sizes, problems = {}, {}
    for workload in workloads:
        try:
            if workload.name == "post-order":
                check(running, proof())
            sizes[workload.name] = check(running, workload)
        except LeftOutError as reason:
            problems[workload.name] = f"left out: {reason}"
        except (WrongAnswerError, OSError, http.client.HTTPException) as problem:
            problems[workload.name] = f"{WRONG}: {problem}"
    return sizes, problems
