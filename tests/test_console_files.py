"""The console's files: whole, of this gateway alone, and without a way to read text as HTML."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twistedgw.admin.endpoint import CONSOLE
from twistedgw.admin.static import StaticFiles

FILES = sorted(path for path in CONSOLE.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
IMPORT = re.compile(r"(?:\bfrom |\bimport\(|^import )\"([^\"]+)\"", re.MULTILINE)
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc"
    r"|\beval\(|new Function|setAttribute\(\"(?:on|style)|javascript:"
)
ELSEWHERE = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)


def name(path: Path) -> str:
    return path.relative_to(CONSOLE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_file_is_served(path):
    found = StaticFiles({"/": CONSOLE}).find(f"/{name(path)}")
    assert found is not None
    assert found.body == path.read_bytes()


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_read_no_text_as_html_and_import_what_is_there(path):
    text = path.read_text()
    assert FORBIDDEN.search(text) is None
    for target in IMPORT.findall(text):
        assert (path.parent / target).is_file(), target


def test_nothing_is_loaded_from_elsewhere():
    markup = [path for path in FILES if path.suffix in (".html", ".css")]
    assert [name(path) for path in markup if ELSEWHERE.search(path.read_text())] == []
    page = (CONSOLE / "index.html").read_text()
    assert re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]* src=)", page) is None
    for target in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert (CONSOLE / target).is_file(), target


def test_pages_of_the_routes_exist():
    loads = re.findall(r'import\("\./(pages/[^"]+)"\)', (CONSOLE / "js" / "main.js").read_text())
    assert sorted(loads) == sorted(f"pages/{path.name}" for path in (CONSOLE / "js" / "pages").glob("*.js"))
