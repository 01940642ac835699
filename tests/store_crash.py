"""A process that changes a store through the admin API's own code, and dies at the n-th step of writing.

Run by `test_store_crash.py` in a process of its own, in which nothing else has threads: for each change, and for each
step of it, a child is forked that makes the change and exits in the middle of it. What is on disk then is read as a
restart would read it. Prints a JSON report.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from admin_direct import Direct

from twistedgw.config.load import load

INI = """
[gateway]
state_dir = var
[admin]
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:shop]
[backend:shop]
protocol = grpc
target = 127.0.0.1:9
[api:shop/all]
rpc = shop.Shop/*
backend = shop
"""
PROTO = 'syntax = "proto3"; package shop; message M {{ string {field} = 1; }} service Shop {{ rpc Do(M) returns (M); }}'


def plugin(field: str) -> dict[str, Any]:
    files = [
        {"path": "shop.proto", "content": PROTO.format(field=field)},
        {"path": "deep/er/b.proto", "content": 'syntax = "proto3";'},
    ]
    return {"name": "plugins/shop", "type": "backend-grpc", "source": {"files": files}}


BIND = {"name": "plugins/shop", "service": "shop", "environment": "release", "apis": ["*"]}
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("Plugins", "CreatePlugin", {"plugin": plugin("a")}),
    ("Services", "CreateService", {"service": {"name": "services/two", "description": "Two"}}),
    ("Plugins", "BindPlugin", BIND),
    ("Plugins", "UpdatePlugin", {"plugin": plugin("b"), "force": True, "update_mask": {"paths": ["source"]}}),
    ("Plugins", "RestorePluginVersion", {"name": "plugins/shop/versions/1", "force": True}),
    ("Plugins", "DeletePlugin", {"name": "plugins/shop", "force": True}),
]


class Bench(Direct):
    """The same folder for every run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "g.ini").write_text(INI)
        super().__init__(folder / "g.ini")

    def change(self, number: int) -> None:
        service, name, fields = CHANGES[number]
        self.open()
        try:
            self.call(service, name, **fields)
        finally:
            self.close()

    def dump(self) -> dict[str, Any]:
        """Give what a restart would serve, or fail as it would."""
        config = load(self.ini, {})
        shop = config.plugins.get("shop")
        files = {path.name: path.read_text() for path in shop.proto} if shop else {}
        return {
            "services": {name: each.description for name, each in config.services.items()},
            "bindings": sorted(map(repr, config.bindings.values())),
            "files": files,
        }

    def debris(self) -> list[str]:
        """Give what a crash has left behind, after the sweep of a restart."""
        self.open()
        self.close()
        return [str(path) for path in self.folder.rglob(".new-*")]


class Killer:
    """Counts the steps that change something below a folder, and ends the process before one of them."""

    NAMES = ("open", "write", "fsync", "rename", "replace", "mkdir", "rmdir", "unlink", "ftruncate", "pwrite", "link")

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.ours: set[int] = set()
        self.steps = 0
        self.last = -1
        self.torn = False

    def install(self, last: int, *, torn: bool) -> None:
        self.last, self.torn = last, torn
        for name in self.NAMES:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        close = os.close
        os.close = lambda descriptor: (self.ours.discard(descriptor), close(descriptor))[1]  # type: ignore[assignment]

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(first: Any, *rest: Any, **named: Any) -> Any:
            if not self._counts(name, first, rest):
                return real(first, *rest, **named)
            if self.torn and name != "write":
                descriptor = real(first, *rest, **named)
                self.ours.add(descriptor)
                return descriptor
            if self.steps == self.last:
                if self.torn:
                    real(first, bytes(rest[0])[: len(rest[0]) // 2])
                os._exit(77)
            self.steps += 1
            result = real(first, *rest, **named)
            if name == "open":
                self.ours.add(result)
            return result

        return call

    def _counts(self, name: str, first: Any, rest: Any) -> bool:
        if isinstance(first, int):
            if self.torn and name != "write":
                return False
            return first in self.ours
        below = str(first).startswith(self.folder)
        if self.torn and name != "open":
            return False
        if name == "open" and below and not rest[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_DIRECTORY):
            return False
        return below


def crash(bench: Bench, number: int, step: int, *, torn: bool) -> bool:
    """Make a change in a child that dies at a step; give whether it did."""
    child = os.fork()
    if child == 0:
        try:
            Killer(bench.state).install(step, torn=torn)
            bench.change(number)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 77), f"change {number} failed at step {step} with {status}"
    return status == 77


def copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)


def main(folder: Path) -> None:
    bench = Bench(folder)
    saved = folder / "saved"
    report: list[dict[str, Any]] = []
    for number, (_, name, _) in enumerate(CHANGES):
        copy(bench.state, saved)
        before = bench.dump()
        bench.change(number)
        after = bench.dump()
        copy(saved, bench.state)
        outcomes: dict[str, int] = {"before": 0, "after": 0, "other": 0}
        debris = 0
        for torn in (False, True):
            step = 0
            copy(saved, bench.state)
            while crash(bench, number, step, torn=torn):
                found = bench.dump()
                outcomes["before" if found == before else "after" if found == after else "other"] += 1
                debris += len(bench.debris())
                assert bench.dump() == found, "the sweep has changed something"
                copy(saved, bench.state)
                step += 1
        assert bench.dump() == after
        report.append(
            {"change": name, "steps": sum(outcomes.values()), "debris": debris, "differs": before != after, **outcomes}
        )
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
