"""The examples of docs/admin-api.md: each is run, in the order of the page, and answers what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from admin_site import AdminCase
from twisted.internet.threads import deferToThread

PAGE = Path(__file__).parents[1] / "docs" / "admin-api.md"
BLOCK = re.compile(r"^```(sh(?: fails)?|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOOLS = [tool for tool in ("bash", "curl", "jq") if shutil.which(tool) is None]


class Example(NamedTuple):
    script: str
    fails: bool
    expected: Any


def examples() -> list[Example]:
    found: list[Example] = []
    for kind, text in BLOCK.findall(PAGE.read_text()):
        if kind != "json":
            found.append(Example(text, "fails" in kind, None))
        else:
            found[-1] = found[-1]._replace(expected=json.loads(text))
    return found


def includes(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and includes(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(includes, whole, part))
    return bool(whole == part)


def last_json(output: str) -> Any:
    """Give the last JSON value of an output, whose values follow each other."""
    decoder, position, value = json.JSONDecoder(), 0, None
    while position < len(output):
        if output[position].isspace():
            position += 1
        else:
            value, position = decoder.raw_decode(output, position)
    return value


class AdminApiTests(AdminCase):
    async def test_examples(self) -> None:
        if TOOLS:
            raise pytest.skip.Exception(f"needs {', '.join(TOOLS)}")
        environ = {
            **os.environ,
            "ADMIN": f"http://127.0.0.1:{self.site.port}",
            "GATEWAY": f"http://127.0.0.1:{self.site.gateway.port}",
            "BACKEND": self.backend.target,
        }
        found = examples()
        setup = found[0].script.rsplit("\n", 2)[0]
        assert len(found) > 10
        for number, example in enumerate(found):
            script = example.script if number == 0 else f"{setup}\n{example.script}"
            done = await deferToThread(
                subprocess.run,
                ["bash", "-e", "-o", "pipefail", "-c", script],
                cwd=self.folder,
                env=environ,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (done.returncode != 0) == example.fails, (example.script, done.stdout, done.stderr)
            if example.expected is not None:
                assert includes(last_json(done.stdout), example.expected), (example.script, done.stdout)


def test_every_reason_is_told() -> None:
    """Each reason that the admin rooms give is in the page's table."""
    folder = Path(__file__).parents[1] / "twistedgw" / "admin"
    reasons = {
        reason for path in folder.glob("*.py") for reason in re.findall(r'reason="([A-Z_]+)"', path.read_text())
    } - {"INTERNAL", "CANCELLED", "NO_LISTENER"}
    page = PAGE.read_text()
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()
    assert len(reasons) > 15
