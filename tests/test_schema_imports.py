"""Import statements are found where protoc finds them, and nowhere else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedgw.schema.imports import Cursor, Import, imports


def names(text: bytes) -> list[str]:
    return [found.name for found in imports(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'import "a.proto";', ["a.proto"]),
        (b"import 'a.proto';", ["a.proto"]),
        (b'syntax = "proto3";\nimport public "a.proto"; import weak "b.proto";', ["a.proto", "b.proto"]),
        (b'edition = "2024"; import option "a.proto";', ["a.proto"]),
        (b'import/* why */"a"".proto" // and so on\n;', ["a.proto"]),
        (b'import "a\\x2eproto"; import "\\141.proto"; import "q\\".proto";', ["a.proto", "a.proto", 'q".proto']),
        (b'\xef\xbb\xbfimport "a.proto";', ["a.proto"]),
        (b'message M {} import "a.proto";', ["a.proto"]),
        (b'} import "a.proto";', ["a.proto"]),
        (b'option (o) = { a: { b: 1 } }; import "a.proto";', ["a.proto"]),
        (b'// import "a.proto";\n', []),
        (b'/* import "a.proto"; */', []),
        (b'/* \n import "a.proto";', []),
        (b'option o = "; import \\"a.proto\\";";', []),
        (b"option o = '; import \"a.proto\";';", []),
        (b'message M { int32 import = 1; import "a.proto"; }', []),
        (b'option import = "a.proto";', []),
        (b'import = "a.proto";', []),
        (b"import a.proto;", []),
        (b'import "a.proto"', []),
        (b"import ;import public;", []),
        (b'option (o) = { import: "a.proto"; };', []),
        (b"", []),
    ],
)
def test_only_import_statements_are_found(text: bytes, expected: list[str]) -> None:
    assert names(text) == expected


def test_each_has_the_place_of_its_first_word_with_tabs_counted_as_protoc_does() -> None:
    text = 'syntax = "proto3";\n\timport "a";  import "b";\n/* é */ import\n"c";'.encode()
    assert list(imports(text)) == [Import("a", 2, 9), Import("b", 2, 22), Import("c", 3, 10)]


def test_a_cursor_counts_on_from_where_it_was() -> None:
    cursor = Cursor(b"ab\n\tc\td\n\ne")
    assert [cursor.at(offset) for offset in (0, 2, 3, 4, 5, 6, 7, 8, 9, 10)] == [
        (1, 1), (1, 3), (2, 1), (2, 9), (2, 10), (2, 17), (2, 18), (3, 1), (4, 1), (4, 2),
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([b"import", b'"', b"'", b"\\", b"{", b"}", b";", b"/*", b"*/", b"//", b"\n", b"x", b"\0"]))
)
def test_nothing_makes_it_raise(parts: list[bytes]) -> None:
    for found in imports(b"".join(parts) + b"import"):
        assert found.line >= 1
        assert found.column >= 1


@pytest.mark.parametrize(
    "part", [b'\\"', b'"', b"'\\", b"/*", b"/", b"{", b'import"a";', b"import ", b"\t", b'import "a"\n']
)
def test_a_mebibyte_of_anything_is_read_in_linear_time(part: bytes) -> None:
    # Quadratic reading of a mebibyte takes hours: the test ends or it does not.
    text = b'import "first";"' + part * (1_048_576 // len(part))
    assert names(text)[0] == "first"
