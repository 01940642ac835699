"""The store's file: whatever is written is read back as it is, or is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedgw.config.load import load
from twistedgw.registry.store import Store, StoreError
from twistedgw.registry.store_text import Stored, UnwritableError, check_item, joined, parse_sections, render

NASTY = st.text(alphabet=st.sampled_from("ab ;#=:[]\n\r\t,${}\\\"'%\x00\x0b\x1c\x85\u2028\xa0é🙂"), max_size=12)
ANY = st.one_of(NASTY, st.text(max_size=30))


@given(ANY)
def test_an_item_is_read_back_or_refused(text: str) -> None:
    try:
        check_item(text)
    except UnwritableError:
        return
    section = Stored("service:x", {"description": text, "hosts": ""}, 3, 1.5, 2.25)
    found, errors = parse_sections(render([section, Stored("service:y", {})]))
    assert not errors
    assert found["service:x"] == section
    assert list(found) == ["service:x", "service:y"]


@given(st.lists(ANY, min_size=1, max_size=6))
def test_a_list_is_read_back_or_refused(items: list[str]) -> None:
    try:
        text = joined(items)
    except UnwritableError:
        return
    found, errors = parse_sections(render([Stored("service:x", {"hosts": text})]))
    assert not errors
    read = found["service:x"].options["hosts"]
    assert [each.strip() for part in read.split("\n") for each in part.split(",")] == items


@given(ANY)
def test_the_configuration_reads_the_same(text: str) -> None:
    """What `check_item` lets through means the same to the configuration, environment or not."""
    try:
        check_item(text)
    except UnwritableError:
        return
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder, "g.ini")
        main.write_text("[gateway]\nstate_dir = s\n[listener:a]\nendpoint = tcp:0\n")
        Path(folder, "s").mkdir()
        Path(folder, "s", "objects.ini").write_text(render([Stored("service:x", {"description": text})]))
        config = load(main, {"HOME": "/root"})
    assert config.services["x"].description == " ".join(text.split())
    assert list(config.services) == ["x"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a\nb", "a line break"),
        ("a\u2028b", "a line break"),
        ("a\0", "a control character"),
        ("${HOME}", "an environment variable"),
        (" a", "a blank"),
        ("a ;b", "a comment"),
        ("#a", "a comment"),
        ("x" * 8001, "more than 8,000"),
        ("a" + " " * 300 + "b", "too many blanks"),
    ],
)
def test_why_an_item_is_refused(text: str, why: str) -> None:
    with pytest.raises(UnwritableError, match=why):
        check_item(text)


@pytest.mark.parametrize("items", [["a", ""], ["a,b"]])
def test_why_a_list_is_refused(items: list[str]) -> None:
    with pytest.raises(UnwritableError):
        joined(items)


def test_times_are_kept_to_the_microsecond() -> None:
    section = Stored("service:x", {}, 7, 1795404894.276884, 1795404895.5)
    found, _ = parse_sections(render([section]))
    assert found["service:x"] == section


def test_a_file_written_by_hand_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.file.write_text("[service:x]\nhosts = a,\n  b\n\n[service:y]\n; a remark\ndescription = ${HOME}\n")
    sections = store.read()
    assert sections["service:x"] == Stored("service:x", {"hosts": "a,\nb"})
    assert sections["service:y"].options == {"description": "${HOME}"}
    assert store.text(sections.values()).count("[service") == 2
    store.file.write_text("[service:x]\nnonsense\n")
    with pytest.raises(StoreError, match="changed by hand") as caught:
        store.read()
    assert caught.value.problems[0].line == 2
    store.file.write_bytes(b"\xff")
    with pytest.raises(StoreError, match="UTF-8"):
        store.read()


def test_too_much(tmp_path: Path) -> None:
    sections = [Stored(f"service:x{number}", {"description": "y" * 7000}) for number in range(1300)]
    with pytest.raises(StoreError, match="8,388,608 bytes"):
        Store(tmp_path).text(sections)


def test_text_is_checked_by_reading_it_back(tmp_path: Path) -> None:
    """Even if somebody forgot to check a value, it cannot become another one."""
    for options in ({"a": "b ; c"}, {"a": "b\n;c"}, {"a": " b"}, {"A": "b"}, {"a\n[x:y]": "b"}):
        with pytest.raises(ValueError, match="would be read back"):
            Store(tmp_path).text([Stored("service:x", options)])
    text = Store(tmp_path).text([Stored("service:x", {"a": "b\n[service:evil]\nc = d"})])
    assert list(parse_sections(text)[0]) == ["service:x"]
