"""What a `.proto` says of each of its things in comments, from the compiler's source info."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twistedgw.schema.places import names_in

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

__all__ = ["comments"]

_INTERNAL = re.compile(r" ?\(--.*?--\)", re.DOTALL)
_DIRECTIVE = re.compile(r"^\s*(?:buf:lint:|protolint:|api-linter:|@exclude\b).*$", re.MULTILINE)
_REFERENCE = re.compile(r"\[([^\][]+)\]\[[\w.]*\]")
_GAP = re.compile(r"\n{3,}")


def comments(file: FileDescriptorProto) -> dict[str, str]:
    """Give the comment of everything in the file that has a full name and a comment.

    It is the comment before a thing, otherwise the one behind it. What AIP-192 keeps inside (``(-- … --)``) and the
    directives of linters are left out; of a reference to another element, the text stays.
    """
    found: dict[tuple[int, ...], str] = {}
    for location in file.source_code_info.location:
        text = _clean(location.leading_comments) or _clean(location.trailing_comments)
        if text:
            found.setdefault(tuple(location.path), text)
    return {name: found[path] for path, name in names_in(file) if path in found}


def _clean(text: str) -> str:
    if not text:
        return ""
    text = _REFERENCE.sub(r"\1", _DIRECTIVE.sub("", _INTERNAL.sub("", text)))
    lines = [line.rstrip() for line in text.splitlines()]
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line), default=0)
    return _GAP.sub("\n\n", "\n".join(line[margin:] for line in lines)).strip("\n")
