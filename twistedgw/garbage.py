"""How often Python looks for cyclic garbage."""

from __future__ import annotations

import gc

__all__ = ["tune_garbage_collection"]

_THRESHOLDS = (20_000, 20, 50)


def tune_garbage_collection() -> None:
    """Collect less often, and leave out all that exists now: modules, which live as long as the process.

    With Python's own thresholds a busy gateway spends a twentieth of its time on that. To be called once
    everything is imported and before a configuration is loaded, since generations of that do become garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
