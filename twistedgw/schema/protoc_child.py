"""The program that runs in the compiler's child process: limits itself, then becomes protoc.

It is started by its path, in an isolated interpreter without site-packages, so that it is up in about 15 ms and nothing
of the gateway's own process is in it. Arguments: the folder that holds ``grpc_tools``, the memory limit in bytes, the
CPU limit in seconds, the limit of a written file in bytes; then protoc's own.
"""

from __future__ import annotations

import os
import resource
import sys

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Set the limits and run protoc; give its exit code."""
    site, memory, cpu, written, *rest = arguments
    _limit(resource.RLIMIT_AS, int(memory))
    _limit(resource.RLIMIT_CPU, int(cpu))
    _limit(resource.RLIMIT_FSIZE, int(written))
    _limit(resource.RLIMIT_CORE, 0)
    sys.path.append(site)
    from grpc_tools import _protoc_compiler

    code: int = _protoc_compiler.run_main([b"protoc", *map(os.fsencode, rest)])
    return code


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
