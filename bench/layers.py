"""From stacks to layers: where a request's time goes. Pure.

A sample belongs to the layer of its innermost frame that the table knows. So the time that `re` or libc takes belongs
to whoever called it, and what is printed adds up to the whole.
"""

from __future__ import annotations

import collections
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NATIVE_THREAD = "native thread"
LAYERS = (
    ("gRPC's own threads", NATIVE_THREAD),
    ("access log", r"twistedgw/web/access_log\.py|twisted/logger/|twistedgw/log"),
    ("HTTP channel: llhttp", r"^llhttp\.c|^api\.c|httptools/|^parser\.c"),
    ("HTTP channel", r"twistedgw/web/(?!resource|proxy|relay)|twisted/web/"),
    ("resource and relay", r"twistedgw/web/"),
    ("frontend", r"twistedgw/frontends/"),
    ("snapshot and lease", r"twistedgw/registry/"),
    ("routing", r"twistedgw/transcoding/(router|target|template)\.py"),
    ("printing (protobuf to JSON)", r"twistedgw/transcoding/(encode|printer|httpbody)\.py|^<encode"),
    ("binding (JSON, path, query to protobuf)", r"twistedgw/transcoding/|^<"),
    ("bridge", r"twistedgw/backends/"),
    ("metrics and plugins", r"twistedgw/(metrics|plugins)"),
    ("twistedgw, other", r"twistedgw/"),
    ("grpc.aio: Python", r"(^|/)grpc/(?!_cython)"),
    ("gRPC core and Cython", r"grpc/_cython/|cygrpc"),
    ("protobuf", r"google/(protobuf|_upb)/|_message\.abi3"),
    ("orjson", r"orjson"),
    ("TLS", r"OpenSSL/|cryptography/|twisted/protocols/tls|libssl|libcrypto|_rust"),
    ("Twisted: Deferred", r"twisted/internet/defer\.py"),
    ("Twisted: sockets and reactor", r"twisted/"),
    ("asyncio: tasks", r"_asynciomodule\.c|(^|/)asyncio/"),
    (
        "event loop",
        r"^(loop|core|linux|loop-watcher|poll|stream|unix)\.c|^queue\.h|uvloop/|selectors\.py",
    ),
)
_COMPILED = [(name, re.compile(pattern)) for name, pattern in LAYERS]
COLLECTOR = "garbage collection"
SYSTEM_CALLS = {
    *("send", "sendmsg", "sendto", "recv", "recvmsg", "recvfrom", "read", "write", "writev", "readv", "syscall"),
    *("epoll_wait", "epoll_pwait", "epoll_ctl", "getrandom", "poll", "futex", "accept4", "close", "select"),
}
OTHER = "other"


_THREAD = "native thread"
_THREAD = re.compile(r"thread \((\d+)\)[^;]*;")


@dataclass(frozen=True)
class Row:
    """A line of a table: its name, its microseconds, its share of all, and the microseconds spent in system calls."""

    name: str
    time: float
    share: float
    system: float


def _frames(stack: str) -> list[tuple[str, str]]:
    """Take a stack apart, outermost first: name and file of each."""
    found = []
    for frame in stack.split(";"):
        name, _, place = frame.rpartition(" (")
        file = place.rstrip(")").rpartition(":")
        found.append((name, file[0] if file[2].isdigit() else place.rstrip(")")))
    return found


def layer(stack: str) -> str:
    """Give the layer of a collapsed stack, frames by ``;``, each ``name (file:line)``."""
    for name, file in reversed(_frames(stack)):
        if name in ("gc_collect_main", "gc_collect_generations", "gc_collect_with_callback"):
            return COLLECTOR
        for title, pattern in _COMPILED:
            if pattern.search(file):
                return title
    return OTHER


def in_system_call(stack: str) -> bool:
    """Tell whether the innermost frame is libc's entry to the kernel."""
    name, file = _frames(stack)[-1]
    return name in SYSTEM_CALLS and ("libc" in file or file.endswith(".c"))


def function(stack: str) -> str:
    """Give the innermost Python function, and its file."""
    for name, file in reversed(_frames(stack)):
        if file.endswith(".py") or file.startswith("<"):
            return f"{name} ({file})"
    return stack.rpartition(";")[2]


def read(text: str) -> list[tuple[str, int]]:
    """Read what ``py-spy record --format raw`` writes: a stack and its number of samples on each line."""
    found = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if count.isdigit():
            found.append((stack, int(count)))
    return found


def weigh(stacks: Iterable[tuple[str, int]], threads: Mapping[int, tuple[str, float]]) -> list[tuple[str, float]]:
    """Turn samples into microseconds of processor time.

    A thread that waits is sampled as often as one that works, so each thread's samples share what it really used; a
    thread without samples (it runs no Python) becomes a stack of its own.

    Args:
        stacks: with ``thread (ID): name`` as outermost frame.
        threads: by number, the name and the microseconds of each.
    """
    by_thread: dict[int, list[tuple[str, int]]] = {}
    for stack, count in stacks:
        found = _THREAD.match(stack)
        if found:
            by_thread.setdefault(int(found[1]), []).append((stack[found.end() :], count))
    weighed = []
    for thread, (name, time) in threads.items():
        own = by_thread.get(thread, [(f"{name} ({NATIVE_THREAD})", 1)])
        total = sum(count for _, count in own)
        weighed += [(stack, count / total * time) for stack, count in own]
    return weighed


def table(stacks: Iterable[tuple[str, float]], by: str = "layer") -> list[Row]:
    """Add microseconds up, by ``layer`` or by ``function``, the greatest first."""
    key = layer if by == "layer" else function
    times: dict[str, float] = collections.defaultdict(float)
    system: dict[str, float] = collections.defaultdict(float)
    for stack, time in stacks:
        name = key(stack)
        times[name] += time
        if in_system_call(stack):
            system[name] += time
    total = sum(times.values()) or 1
    return [Row(name, time, time / total, system[name]) for name, time in _greatest_first(times)]


def _greatest_first(times: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(times.items(), key=lambda item: -item[1])
