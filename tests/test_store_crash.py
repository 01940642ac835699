"""A crash at any moment leaves the last acknowledged state, or the one that was on its way: never anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_crash_at_every_step(tmp_path: Path) -> None:
    """Each change is killed before each step of its writing, and in the middle of each write."""
    script = Path(__file__).with_name("store_crash.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=240, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert [each["change"] for each in report] == [
        "CreatePlugin",
        "CreateService",
        "BindPlugin",
        "UpdatePlugin",
        "RestorePluginVersion",
        "DeletePlugin",
    ]
    for each in report:
        assert each["other"] == 0, each
        assert each["debris"] == 0, each
        assert each["differs"], each
        assert each["before"] > 5, each
        assert each["after"] > 0, each
    assert sum(each["steps"] for each in report) > 100
