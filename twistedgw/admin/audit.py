"""The audit trail: who changed what, and when. JSON lines in ``state_dir``, of bounded size."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from twistedgw.status import code_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from twistedgw.admin.changing import Draft
    from twistedgw.admin.core import Asked
    from twistedgw.admin.refusal import RefusalError
    from twistedgw.registry.store_text import Stored

__all__ = ["AuditLog", "differences"]

FILE = "audit.log"
_LARGEST = 1 << 20
"""Bytes; then a new file is begun."""
_KEPT = 4
"""Files, the newest included."""
_MOST_CHANGES = 100
_LONGEST = 500
"""Characters of one change."""


class AuditLog:
    """Writes and reads the trail. Any thread; blocks."""

    _log = Logger(namespace="twistedgw.admin")

    def __init__(self, folder: Path) -> None:
        """Name the folder; touches nothing. Where there is no folder, nothing is written."""
        self._folder = folder
        self._writing = threading.Lock()

    def add(
        self, asked: Asked, resource: str, draft: Draft | None, refusal: RefusalError | None, generation: int
    ) -> None:
        """Write what was done, or was refused. A trail that cannot be written stops nothing."""
        changes = differences(draft.view.stored, draft.sections) if draft is not None else []
        entry = {
            "time": time.time(),
            "actor": asked.actor,
            "method": asked.method,
            "resource": resource,
            "result": "ok" if refusal is None else code_name(refusal.code),
            "changes": changes,
            "generation": generation,
            "request_id": asked.request_id,
            "message": "" if refusal is None else refusal.message[:_LONGEST],
        }
        self._log.info(
            "{actor} {method} {resource}: {result}",
            **{key: entry[key] for key in ("actor", "method", "resource", "result")},
        )
        try:
            with self._writing:
                self._append(json.dumps(entry, ensure_ascii=True, separators=(",", ":")) + "\n")
        except OSError as error:
            self._log.error("the audit trail cannot be written: {reason}", reason=error.strerror)

    def _append(self, line: str) -> None:
        if not self._folder.is_dir():
            return
        path = self._folder / FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            data = line.encode("ascii")
            size = os.fstat(descriptor).st_size
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        if size + len(data) > _LARGEST:
            self._rotate(path)

    def _rotate(self, path: Path) -> None:
        for number in range(_KEPT - 1, 0, -1):
            older = path.with_name(f"{FILE}.{number}")
            newer = path if number == 1 else path.with_name(f"{FILE}.{number - 1}")
            if newer.exists():
                os.replace(newer, older)

    def entries(self) -> list[dict[str, Any]]:
        """Give what is kept, newest first; lines that are no entries are passed over."""
        found: list[dict[str, Any]] = []
        for name in (FILE, *(f"{FILE}.{number}" for number in range(1, _KEPT))):
            found.extend(reversed(list(_read(self._folder / name))))
        return found


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text("ascii", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the last line of a crash
        if isinstance(entry, dict) and isinstance(entry.get("time"), int | float):
            yield entry


def differences(before: Mapping[str, Stored], after: Mapping[str, Stored]) -> list[str]:
    """Tell what is different between two states of the store, a line each."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        old = before[name].options if name in before else {}
        new = after[name].options if name in after else {}
        if name not in before or name not in after:
            found.append(f"[{name}] {'added' if name in after else 'removed'}")
        options = [*new, *(key for key in old if key not in new)]
        found.extend(
            f"[{name}] {option}: {_shown(old.get(option))} -> {_shown(new.get(option))}"[:_LONGEST]
            for option in options
            if old.get(option) != new.get(option)
        )
    more = len(found) - _MOST_CHANGES
    return found if more <= 0 else [*found[:_MOST_CHANGES], f"and {more} more"]


def _shown(text: str | None) -> str:
    return "-" if text is None else ", ".join(text.split("\n"))
