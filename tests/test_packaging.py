"""The built wheel: what is in it, and that installing and uninstalling it leaves Twisted whole."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=240, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of the checkout, so that building leaves nothing in it."""
    copy = tmp_path_factory.mktemp("source") / "twistedgw"
    copy.mkdir()
    for name in ("twistedgw", "twisted", "etc"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def environment(tmp_path: Path):
    """A virtual environment with this one's packages, but without twistedgw."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    target = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    twisted = importlib.metadata.distribution("Twisted")
    here = Path(str(twisted.locate_file("")))
    own = re.compile(r"(__editable__\W*)?twistedgw|etc$|bench$|tests$", re.IGNORECASE)
    for entry in here.iterdir():
        if own.match(entry.name):
            continue
        if entry.name == "twisted":
            # Copied: what is installed and removed below goes into this very folder.
            shutil.copytree(entry, target / entry.name, ignore=shutil.ignore_patterns("grpcgw_plugin*", "dropin.cache"))
        elif not (target / entry.name).exists():
            os.symlink(entry, target / entry.name)
    return python


def test_contents(wheel: Path) -> None:
    """All packages, the demo, the plugin and the licence; and under twisted/ nothing but the plugin."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.startswith("twisted/")} == {"twisted/plugins/grpcgw_plugin.py"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "twistedgw").rglob("*.py")}
    assert modules <= names
    files = [path.relative_to(ROOT) for path in (ROOT / "etc").rglob("*") if path.is_file()]
    assert {f"twistedgw/{path}" for path in files if path.parts[1] != "var"} <= names
    assert not any(name.startswith("twistedgw/etc/var") for name in names)
    console = [path.relative_to(ROOT) for path in (ROOT / "twistedgw/admin/console").rglob("*") if path.is_file()]
    assert {str(path) for path in console} <= names
    assert "twistedgw/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"twisted", "twistedgw", wheel_info(wheel)}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def wheel_info(wheel: Path) -> str:
    return "-".join(wheel.name.split("-")[:2]) + ".dist-info"


def test_no_package_files_under_twisted() -> None:
    """An `__init__.py` there would shadow Twisted, or replace its own."""
    assert [path.name for path in (ROOT / "twisted").rglob("*.py")] == ["grpcgw_plugin.py"]


def pip(python: Path, *arguments: str | Path) -> None:
    run(sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", *arguments)


def test_install_and_uninstall(wheel: Path, environment: Path, tmp_path: Path) -> None:
    """Installed, both commands work from any folder; uninstalled, Twisted is as it was."""
    pip(environment, "install", "--no-deps", wheel)
    twistd = ("-c", "from twisted.scripts.twistd import run; run()")
    assert "grpcgw" in run(environment, *twistd, "--help", cwd=tmp_path)
    assert "--config" in run(environment, *twistd, "grpcgw", "--help", cwd=tmp_path)
    assert "no problems" in run(environment.parent / "grpcgw", "check", cwd=tmp_path)
    pip(environment, "uninstall", "--yes", "twistedgw")
    left = run(environment, *twistd, "--help", cwd=tmp_path)
    assert "grpcgw" not in left
    assert "web" in left
    assert not (environment.parent / "grpcgw").exists()


def test_editable_install(source: Path, environment: Path, tmp_path: Path) -> None:
    """`pip install -e` makes both commands known from any folder."""
    pip(environment, "install", "--no-deps", "--no-build-isolation", "-e", source)
    assert "grpcgw" in run(environment, "-c", "from twisted.scripts.twistd import run; run()", "--help", cwd=tmp_path)
    assert "no problems" in run(environment.parent / "grpcgw", "check", cwd=tmp_path)
