"""Whatever a file holds, reading it ends with a configuration or with `ConfigError`."""

from __future__ import annotations

import os

import pytest
from config_case import WHOLE, Folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twistedgw.config.ini import parse
from twistedgw.config.options import KINDS
from twistedgw.errors import ConfigError

MODEST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
NAMES = st.sampled_from(["s", "b", "h", "p", "s/a", "s/test", "x", "a b", "", "..", "s/", "/"])
HEADERS = st.builds("[{}:{}]".format, st.sampled_from(list(KINDS)), NAMES) | st.sampled_from(
    ["[gateway]", "[admin]", "[]", "[x", "  [service:s]", "[DEFAULT]"]
)
OPTIONS = st.sampled_from([*sorted({option.name for kind in KINDS.values() for option in kind.every}), "zz", "", "A B"])
SPELLED = (
    "b h p s test grpc https http://h/ a:1 [::1]:1 yes 15s 4MiB * a.B/* a.B/C /v1/{x=a/*}:v GET body gw.ini . .. / "
    "/dev/null ${E} ${ ${X:-1} auto a*[ ~ ,"
)
WORDS = st.sampled_from(SPELLED.split())
VALUES = st.lists(WORDS | st.text(CHARACTERS, max_size=6), max_size=3).map(" ".join) | st.text(CHARACTERS, max_size=20)
LINES = st.one_of(
    HEADERS,
    st.builds("{} = {}".format, OPTIONS, VALUES),
    st.builds("  {}".format, VALUES),
    st.sampled_from(["", "; x", "junk", "= 1", "\x00", "\t", "\ufeff", "x" * 9000]),
)
UNTYPED = st.text(st.characters(codec="utf-8"), max_size=200)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def read(folder: Folder, data: bytes, **environ: str) -> None:
    try:
        folder.load(data, **environ)
    except ConfigError as error:
        told = error
    else:
        return
    assert told.problems
    assert all(line.isprintable() for line in str(told).split("\n"))
    assert all(problem.message for problem in told.problems)


@MODEST
@given(data=st.binary(max_size=200) | UNTYPED.map(str.encode))
def test_any_bytes(folder, data):
    read(folder, data)


@MODEST
@given(lines=st.lists(LINES, max_size=15), environ=st.text(max_size=10))
def test_any_lines(folder, lines, environ):
    read(folder, (WHOLE + "\n".join(lines)).encode("utf-8", "replace"), E=environ)


@MODEST
@given(
    kind=st.sampled_from(sorted(KINDS.values(), key=lambda kind: kind.name)),
    values=st.dictionaries(st.integers(0, 20), VALUES, max_size=8),
    environ=st.text(max_size=10),
)
def test_any_values_of_known_options(folder, kind, values, environ):
    name = ":" + "/".join(["s", "zz"][: len(kind.form)]) if kind.form else ""
    options = [f"{option.name} = {values[i]}" for i, option in enumerate(kind.every) if i in values]
    read(folder, (WHOLE + "\n".join([f"[{kind.name}{name}]", *options])).encode("utf-8", "replace"), E=environ)


@MODEST
@given(lines=st.lists(LINES | st.text(CHARACTERS), max_size=15), end=st.sampled_from(["\n", "\r\n"]))
def test_every_section_and_option_is_where_its_line_says(lines, end):
    text = end.join(lines)
    for section in parse(text)[0]:
        assert f"[{section.name}]" == "[" + lines[section.line - 1].strip()[1:].partition("]")[0].strip() + "]"
        for name, entry in section.entries.items():
            assert lines[entry.line - 1].strip().lower().startswith(name)


def test_nothing_is_left_open(folder):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        read(folder, b"[gateway]\ninclude = *.ini\n\xff")
        read(folder, WHOLE.encode())
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before
