"""A document as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import yaml

if TYPE_CHECKING:
    from twistedgw.openapi.scalars import Json

__all__ = ["to_json", "to_yaml"]

_NUMBER_LIKE = re.compile(r"[-+.]?[0-9][0-9A-Fa-fxoOeE_.:+-]*")
"""What a reader of one version of YAML or another may take for a number or a time."""


def to_json(document: Json) -> str:
    """Give it as JSON, indented, in its own order, with a line end."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode("utf-8")


def to_yaml(document: Json) -> str:
    """Give it as YAML in block style, in its own order; YAML 1.1 and 1.2 read the same."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else '"' if _NUMBER_LIKE.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
