"""Builds what the benchmark is made of, into ``bench/built``: ``python -m bench.build``.

The Go programs are built by `go build` (quick where nothing has changed); the generated code of grpc-gateway and of the
FastAPI peer comes from `bench.proto`. Every peer that cannot be built is left out, with a reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import messages
from bench.places import BUILT, HERE, PROTO

if TYPE_CHECKING:
    from pathlib import Path

BIN = BUILT / "bin"
PYTHON = BUILT / "python"
GRPC_GATEWAY = HERE / "peers" / "grpc_gateway"
PLUGINS = {
    "google.golang.org/protobuf/cmd/protoc-gen-go": "go",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc": "go-grpc",
    "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway": "grpc-gateway",
}


class BuildError(Exception):
    """Something that is needed is missing; the text says what."""


def has_go() -> bool:
    return shutil.which("go") is not None


def binary(name: str) -> Path:
    """Build one of our Go programs: `backend`, `load` or `grpc_gateway`. Without Go, what was built earlier is used.

    Raises:
        BuildError: there is no Go, or it fails.
    """
    folder = GRPC_GATEWAY if name == "grpc_gateway" else HERE / name
    out = BIN / name
    if not has_go():
        if out.exists():
            return out
        raise BuildError("there is no `go` on the PATH (https://go.dev/dl/)")
    _run(["go", "build", "-trimpath", "-o", str(out), "."], folder)
    return out


def _run(command: list[str], folder: Path) -> None:
    environ = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"`{' '.join(command[:3])} …` failed in {folder}:\n{done.stdout}{done.stderr}")


def _outdated(target: Path) -> bool:
    return not target.exists() or target.stat().st_mtime < PROTO.stat().st_mtime


def grpc_gateway() -> Path:
    """Build grpc-gateway: first its plugins for protoc, then its code, then the program.

    Raises:
        BuildError: see `binary`.
    """
    generated = GRPC_GATEWAY / "benchpb"
    if has_go() and _outdated(generated / "bench.pb.gw.go"):
        generated.mkdir(exist_ok=True)
        BIN.mkdir(parents=True, exist_ok=True)
        _run(["go", "build", "-o", str(BIN), *PLUGINS], GRPC_GATEWAY)
        arguments = [f"-I{folder}" for folder in messages.INCLUDES]
        for name in PLUGINS.values():
            arguments += [f"--plugin={BIN / f'protoc-gen-{name}'}", f"--{name}_out={generated}"]
            arguments.append(f"--{name}_opt=paths=source_relative")
        _run([sys.executable, "-m", "grpc_tools.protoc", *arguments, PROTO.name], HERE)
    return binary("grpc_gateway")


def python_code() -> Path:
    """Generate what a Python team would check in: `bench_pb2` and `bench_pb2_grpc`."""
    if _outdated(PYTHON / "bench_pb2_grpc.py"):
        PYTHON.mkdir(parents=True, exist_ok=True)
        includes = [f"-I{folder}" for folder in messages.INCLUDES]
        outs = [f"--python_out={PYTHON}", f"--grpc_python_out={PYTHON}"]
        _run([sys.executable, "-m", "grpc_tools.protoc", *includes, *outs, PROTO.name], HERE)
    return PYTHON


def basics() -> None:
    """Build what every run needs: the backend and its data, the load generator.

    Raises:
        BuildError: see `binary`.
    """
    messages.compile_descriptors()
    messages.write_data()
    binary("backend")
    binary("load")


def main() -> int:
    status = 0
    for name, build in {"backend, load": basics, "grpc-gateway": grpc_gateway, "FastAPI's code": python_code}.items():
        try:
            build()
        except BuildError as error:
            print(f"{name}: {error}")
            status = 1
        else:
            print(f"{name}: built")
    return status


if __name__ == "__main__":
    sys.exit(main())
