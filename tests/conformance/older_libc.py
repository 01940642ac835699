"""A copy of the runner that starts where the C library is older than the one it was built with.

The runner asks for glibc 2.38 and GCC 13's libstdc++ because of five symbols that are easily given: four spellings of
strtol, and a function that has nothing to do. They go into a library of their own, and the two version requirements
are marked as weak, which tells the loader to go on without.
"""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SHIM = """
#include <cstdlib>
#include <iostream>
static std::ios_base::Init init;
extern "C" {
long __isoc23_strtol(const char *s, char **e, int b) { return strtol(s, e, b); }
long long __isoc23_strtoll(const char *s, char **e, int b) { return strtoll(s, e, b); }
unsigned long __isoc23_strtoul(const char *s, char **e, int b) { return strtoul(s, e, b); }
unsigned long long __isoc23_strtoull(const char *s, char **e, int b) { return strtoull(s, e, b); }
void _ZSt21ios_base_library_initv() {}
}
"""
_WEAK = 2
_VERNEED = 0x6FFFFFFE


def adapted(runner: Path, folder: Path) -> tuple[Path, dict[str, str]]:
    """Give a runner that starts here, and the environment it needs. A C++ compiler must be there."""
    source = folder / "shim.cc"
    source.write_text(_SHIM)
    shim = folder / "shim.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-w", "-o", str(shim), str(source)], check=True)
    data = bytearray(runner.read_bytes())
    _weaken(data, (b"GLIBC_2.38", b"GLIBCXX_3.4.32"))
    copy = folder / "conformance_test_runner"
    copy.write_bytes(data)
    copy.chmod(0o755)
    return copy, {"LD_PRELOAD": str(shim)}


def _weaken(elf: bytearray, versions: tuple[bytes, ...]) -> None:
    """Mark version requirements of a 64-bit little-endian ELF file as weak."""
    start, size, count = struct.unpack_from("<Q", elf, 40)[0], *struct.unpack_from("<HH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQII", elf, start + size * index) for index in range(count)]
    for _, kind, _, _, offset, _, link, entries in sections:
        if kind != _VERNEED:
            continue
        names = sections[link][4]
        for _ in range(entries):
            _, count, _, aux, following = struct.unpack_from("<HHIII", elf, offset)
            place = offset + aux
            for _ in range(count):
                _, flags, _, name, step = struct.unpack_from("<IHHII", elf, place)
                if elf[names + name : elf.index(0, names + name)] in versions:
                    struct.pack_into("<H", elf, place + 4, flags | _WEAK)
                place += step
            offset += following
