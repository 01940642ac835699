"""The page docs/http-mapping.md: its tests exist, each of its rows has one, and its reasons are those of the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from twistedgw.frontends.negotiation import MAX_MEMBERS
from twistedgw.status import Code, http_status
from twistedgw.transcoding.fieldmask import MAX_PATHS
from twistedgw.transcoding.form import MAX_PARTS
from twistedgw.transcoding.query import MAX_PARAMETERS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "http-mapping.md").read_text("utf-8")
TEST = re.compile(r"`(tests/test_\w+\.py)::([\w:]+)`")
REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")

ROW_NAMES = """
message enum map repeated bool string bytes int32 uint32 int64 uint64 double float
Any Timestamp Duration Struct wrappers FieldMask ListValue Value NullValue Empty
"""


def tables() -> dict[str, list[list[str]]]:
    """Give the rows of the tables under each heading, as cells."""
    found: dict[str, list[list[str]]] = {}
    parts = re.split(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        lines = [line for line in text.splitlines() if line.startswith("|")]
        rules = {number for number, line in enumerate(lines) if set(line) <= set("|-")}
        heads = {number - 1 for number in rules}
        kept = [line for number, line in enumerate(lines) if number not in rules | heads]
        found[heading] = [[cell.strip() for cell in line.strip("|").split(" |")] for line in kept]
    return found


ROWS = [(heading, row) for heading, rows in tables().items() for row in rows]


@cache
def named_in(path: str) -> frozenset[str]:
    """Give the tests of a file, those that a class has from others of the file included."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    names = set(_functions(tree))
    for name in classes:
        names.update(f"{name}::{method}" for method in _methods(name, classes))
    return frozenset(names)


def _functions(node: ast.Module | ast.ClassDef) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [each.name for each in node.body if isinstance(each, kinds) and each.name.startswith("test_")]


def _methods(name: str, classes: dict[str, ast.ClassDef]) -> list[str]:
    bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name) and base.id in classes]
    return [*_functions(classes[name]), *(method for base in bases for method in _methods(base, classes))]


@cache
def reasons() -> frozenset[str]:
    """Give every reason that the code has: arguments, defaults and variables of that name, and of two classes."""
    found: set[str] = set()
    for path in (ROOT / "twistedgw").rglob("*.py"):
        if path.parent.name == "admin":  # docs/admin-api.md has those
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found.update(text for part in _parts(node) for text in _constants(part))
    return frozenset(found)


def _parts(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.keyword) and node.arg == "reason":
        return [node.value]
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "reason" for t in node.targets):
        return [node.value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Origin", "LocalStatus"):
        return node.args[1:2]
    if isinstance(node, ast.arguments):
        pairs = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        return [default for argument, default in pairs if argument.arg == "reason" and default is not None]
    return []


def _constants(part: ast.AST) -> list[str]:
    texts = [node.value for node in ast.walk(part) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if REASON.fullmatch(text)]


@pytest.mark.parametrize(("heading", "row"), ROWS, ids=[f"{heading}-{row[0][:40]}" for heading, row in ROWS])
def test_each_row_has_tests_that_exist(heading: str, row: list[str]) -> None:
    named = TEST.findall(row[-1])
    assert named, "a rule without a test"
    assert TEST.sub("", row[-1]).strip(", ") == ""
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in named_in(path), f"{path}::{name}"
        owner = name.rpartition("::")[0]
        assert not owner or owner.endswith("Tests"), f"{name} is not collected"


def test_the_tables_are_well_formed() -> None:
    widths = {heading: {len(row) for row in rows} for heading, rows in tables().items() if rows and heading != "JSON"}
    assert all(len(width) == 1 for width in widths.values()), widths
    assert {len(row) for row in tables()["JSON"]} == {5, 3}


def test_all_clauses_of_http_proto_are_there() -> None:
    assert [row[0].split(".")[0] for row in tables()["The clauses of http.proto"]] == [str(n) for n in range(1, 23)]


def test_all_rows_of_the_protojson_page_are_there() -> None:
    rows = [row[0].split(",")[0] for row in tables()["JSON"] if len(row) == 5]
    assert rows == ROW_NAMES.split()


def test_the_reasons_are_those_of_the_code() -> None:
    listed = [row[0].strip("`") for row in tables()["Reasons"]]
    assert listed == sorted(set(listed))
    assert set(listed) == reasons()


def test_every_reason_has_a_status() -> None:
    for row in tables()["Reasons"]:
        assert re.match(r"[45]\d\d\b", row[1]), row


def test_the_statuses_are_those_of_the_code() -> None:
    (row,) = (row for row in tables()["Status and errors"] if row[0] == "Status of the backend")
    told = re.findall(r"(\d+) ([A-Z_]+) (\d{3})", row[1])
    assert told == [(str(int(code)), code.name, str(http_status(code))) for code in Code if code]


def test_the_limits_are_those_of_the_code() -> None:
    limits = {row[0]: row[1] for row in tables()["Limits"]}
    assert limits["gzip members"].startswith(f"{MAX_MEMBERS:,};")
    assert limits["Parameters of a query or form"].startswith(f"{MAX_PARAMETERS:,};")
    assert limits["Parts of a multipart form"].startswith(f"{MAX_PARTS:,};")
    assert limits["Paths of a mask"].startswith(f"{MAX_PATHS:,};")


@pytest.mark.parametrize("target", re.findall(r"\]\(([\w.-]+\.md)\)", PAGE))
def test_the_pages_it_points_to_exist(target: str) -> None:
    assert (ROOT / "docs" / target).is_file()
