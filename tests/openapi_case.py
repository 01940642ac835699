"""Documents of small configurations, validated."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from openapi_types import KITCHEN
from small_snapshots import ECHO, build

from twistedgw.openapi.document import document

KITCHEN_INI = ECHO.replace("echo.v1.Echo", "kitchen.v1.Kitchen")
HEAD = """
syntax = "proto3";
package echo.v1;
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
"""


def written(
    folder: Path,
    ini: str = ECHO,
    text: str | None = None,
    service: str = "s",
    environment: str = "release",
    **options: Any,
) -> Any:
    """Give the document of an INI text and the text of ``echo.proto``; it is valid."""
    snapshot = build(folder, ini) if text is None else build(folder, ini, text)
    found = document(snapshot, service, environment, **options)
    validate(found)
    return found


def kitchen(folder: Path, options: str = "", *, every_path: bool = False) -> Any:
    """Give the document of the kitchen, with options of its plugin; the same one to all who ask."""
    key = (options, every_path)
    if key not in _kitchens:
        ini = KITCHEN_INI.replace("[plugin:p]\n", f"[plugin:p]\n{options}")
        _kitchens[key] = written(folder, ini, KITCHEN, every_path=every_path)
    return copy.deepcopy(_kitchens[key])


_kitchens: dict[tuple[str, bool], Any] = {}


def echo_methods(methods: str, messages: str) -> str:
    """Give a `.proto` of `echo.v1.Echo`."""
    return f"{HEAD}service Echo {{ {methods} }}\n{messages}\n"


def rpc(name: str, rule: str, given: str = "M", taken: str = "M") -> str:
    return f"rpc {name}({given}) returns ({taken}) {{ option (google.api.http) = {{ {rule} }}; }}\n"


def one(folder: Path, rule: str, messages: str, given: str = "M", taken: str = "M", options: str = "") -> Any:
    """Give the document of one RPC with one rule."""
    ini = ECHO.replace("[plugin:p]\n", f"[plugin:p]\n{options}")
    return written(folder, ini, echo_methods(rpc("Do", rule, given, taken), messages))


def only(found: Any) -> Any:
    """Give the one operation of a document."""
    (path,) = found["paths"].values()
    (operation,) = path.values()
    return operation


def names(operation: Any, where: str = "query") -> list[str]:
    return [each["name"] for each in operation.get("parameters", []) if each["in"] == where]


def body(operation: Any, media_type: str = "application/json") -> Any:
    return operation["requestBody"]["content"][media_type]["schema"]


def answer(operation: Any, media_type: str = "application/json") -> Any:
    return operation["responses"]["200"]["content"][media_type]["schema"]


def parameter(operation: Any, name: str) -> Any:
    return next(each for each in operation["parameters"] if each["name"] == name)
