"""Comments of a `.proto`, as people are shown them."""

from __future__ import annotations

import pytest
from grpc_backend import compile_proto

TEXT = """
syntax = "proto3";
package a.b;

// Detached.

// A service.
service S {
  // A method.
  rpc Do(M) returns (M);
  rpc No(M) returns (M);
}

/* A message,
 * in a block.
 *
 *   Indented.
 */
message M {
  // Before.
  string before = 1; // Not this one.
  string behind = 2; // Behind.
  // See [the message][a.b.M] and [O][].
  string link = 3;
  // Told. (-- Kept
  // inside. --) Told again.
  string inside = 4;
  // buf:lint:ignore FIELD_LOWER_SNAKE_CASE
  string lint = 5;
  // A oneof.
  oneof o { string p = 6; }
  // An enum.
  enum E {
    // A value.
    V = 0;
  }
}
// Outside.
enum O {
  W = 0; /* Value. */
}
"""

COMMENTS = {
    "a.b.S": "A service.",
    "a.b.S.Do": "A method.",
    "a.b.S.No": "",
    "a.b.M": "A message,\nin a block.\n\n  Indented.",
    "a.b.M.before": "Before.",
    "a.b.M.behind": "Behind.",
    "a.b.M.link": "See the message and O.",
    "a.b.M.inside": "Told. Told again.",
    "a.b.M.lint": "",
    "a.b.M.o": "A oneof.",
    "a.b.M.E": "An enum.",
    "a.b.M.V": "A value.",
    "a.b.O": "Outside.",
    "a.b.W": "Value.",
    "a.b.X": "",
    "google.protobuf.Any": "",
}


@pytest.fixture(name="schema", scope="module")
def _schema(tmp_path_factory: pytest.TempPathFactory) -> object:
    return compile_proto(TEXT, tmp_path_factory.mktemp("comments"), "comments.proto")


@pytest.mark.parametrize(("name", "text"), COMMENTS.items())
def test_comment(schema: object, name: str, text: str) -> None:
    assert schema.comment(name) == text  # type: ignore[attr-defined]
