"""Lines, sections and options of one INI text."""

from __future__ import annotations

import pytest

from twistedgw.config.ini import MAX_GAP, MAX_LINE, MAX_MALFORMED, Entry, NotIniError, RawSection, parse


def sections(text: str) -> list[RawSection]:
    found, errors = parse(text)
    assert errors == []
    return found


def errors(text: str) -> list[tuple[int, str, str, str]]:
    return [(error.line, error.section, error.option, error.message) for error in parse(text)[1]]


def values(text: str) -> dict[str, str]:
    (section,) = sections(text)
    return {name: entry.text for name, entry in section.entries.items()}


def test_sections_and_options_know_their_lines():
    assert sections("; top\n[a]\n\nx = 1\ny: 2\n[b:C/d]\n") == [
        RawSection("a", 2, {"x": Entry("1", 4), "y": Entry("2", 5)}),
        RawSection("b:C/d", 6),
    ]


def test_option_names_are_lowered_and_section_names_are_not():
    (section,) = sections("[Name]\nThreads = A\n")
    assert (section.name, section.entries) == ("Name", {"threads": Entry("A", 2)})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("x = conf.d/*.ini   ; comment", "conf.d/*.ini"),
        ("x = a # comment", "a"),
        ("x = a;b#c", "a;b#c"),
        ("x =    ; comment", ""),
        ("x =", ""),
        ("x = 100%  $x %(y)s", "100%  $x %(y)s"),
        ("x = a = b : c", "a = b : c"),
        ("x = tcp:80:interface=::1", "tcp:80:interface=::1"),
    ],
)
def test_a_value_ends_at_a_comment_that_follows_whitespace(line, value):
    assert values(f"[s]\n{line}\n") == {"x": value}


def test_indented_lines_continue_a_value_and_comments_among_them_do_not_count():
    assert values("[s]\nx =\n  a\n  ; b\n  # c\n\n  d ; e\ny = 1\n") == {"x": "\na\n\nd", "y": "1"}


def test_an_indented_header_begins_a_section_where_nothing_is_continued():
    assert [section.name for section in sections("  [a]\n  x = 1\n  [b]\n")] == ["a", "b"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_line_counts_as_one_line(end):
    (section,) = sections(f"[s]{end}x = 1{end}y = 2")
    assert {name: entry.line for name, entry in section.entries.items()} == {"x": 2, "y": 3}


def test_sections_of_one_name_stay_apart():
    assert [(section.name, section.line, list(section.entries)) for section in sections("[a]\nx=1\n[a]\nx=2\n")] == [
        ("a", 1, ["x"]),
        ("a", 3, ["x"]),
    ]


def test_every_wrong_line_is_told():
    text = "x = 1\n[s]\na = 1\nA = 2\njunk\n= 3\n[t\nb = 1\n[]\nnope\n[DEFAULT]\nc = 1\n"
    assert errors(text) == [
        (1, "", "x", "stands before the first section"),
        (4, "s", "a", "is written twice: first on line 3"),
        (5, "s", "", "the line is not OPTION = VALUE"),
        (6, "s", "", "the line is not OPTION = VALUE"),
        (7, "", "", "'[t' is not a section header"),
        (9, "", "", "'[]' is not a section header"),
        (10, "", "", "the line is not OPTION = VALUE"),
    ]
    assert [(section.name, section.line) for section in parse(text)[0]] == [("s", 2), ("DEFAULT", 11)]


def test_the_first_of_two_values_is_kept():
    found, _ = parse("[s]\nx = 1\nx = 2\n")
    assert found[0].entries == {"x": Entry("1", 2)}


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x0c", "\x85", "\u2028", "\x7f"])
def test_control_characters_are_told_with_their_line(character):
    found, wrong = parse(f"[s]\nx = a{character}b\ny = 1\n")
    assert [(error.line, error.message) for error in wrong] == [
        (2, f"the line holds the control character U+{ord(character):04X}")
    ]
    assert found[0].entries == {"x": Entry("a\ufffdb", 2), "y": Entry("1", 3)}


def test_a_line_may_be_so_long_and_no_longer():
    longest = "x = " + "a" * (MAX_LINE - 5)
    assert len(values(f"[s]\n{longest}\n")["x"]) == MAX_LINE - 5
    assert errors(f"[s]\n{longest}a\ny = 1\n") == [(2, "", "", "the line is longer than 8192 characters")]


def test_a_line_may_have_so_many_blanks_and_no_more():
    assert values("[s]\nx = a" + " " * MAX_GAP + "b\n") == {"x": "a" + " " * MAX_GAP + "b"}
    wrong = errors("[s]\nx = a" + " " * (MAX_GAP + 1) + "b\n")
    assert wrong == [(2, "", "", "the line has more than 256 blanks in a row")]


@pytest.mark.parametrize("line", ["prose", "= 1", ": 1"])
def test_a_text_of_prose_is_given_up(line):
    found, wrong = parse("[s]\n" + f"{line}\n" * MAX_MALFORMED)
    assert (len(found), len(wrong)) == (1, MAX_MALFORMED)
    with pytest.raises(NotIniError):
        parse("[s]\n" + f"{line}\n" * (MAX_MALFORMED + 1))


def test_an_empty_text_has_no_sections():
    assert parse("") == ([], [])
    assert parse("; nothing\n\n") == ([], [])
