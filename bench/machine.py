"""What the figures were measured on, and with."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from bench.peers.peer import MissingError
from bench.places import GATEWAY_CORES, OTHER_CORES, ROOT
from bench.world import PEERS

PACKAGES = ("Twisted", "grpcio", "protobuf", "orjson", "httptools", "uvloop", "fastapi", "uvicorn")


def machine() -> dict[str, Any]:
    """Describe the machine and its load now."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": model[1].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "gateway_cores": sorted(GATEWAY_CORES),
        "other_cores": sorted(OTHER_CORES),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "when": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
    }


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Give the versions of peers and of what they are made of."""
    found = {"Python": platform.python_version()}
    for name in names:
        try:
            found[PEERS[name].title] = PEERS[name].version()
        except (MissingError, OSError, subprocess.CalledProcessError):
            continue
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if shutil.which("go"):
        found["Go"] = _said(["go", "version"]).split()[2].removeprefix("go")
    found["commit"] = _said(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return found


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "? ? ?"
