"""Where things are, and which cores they run on."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PROTO = HERE / "bench.proto"
BUILT = HERE / "built"
RESULTS = HERE / "results"
DATA = BUILT / "data"

CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORES = {CORES[0]}
"""Where the gateway runs, and nothing else of ours."""
OTHER_CORES = set(CORES[1:]) or GATEWAY_CORES
"""Where the backend, the load generator and this program run."""
