"""One HTTP mapping of one RPC, wherever it was written."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["METHODS", "HttpRule"]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""The methods that an API with a gRPC backend answers."""


@dataclass(frozen=True, slots=True)
class HttpRule:
    """A ``google.api.HttpRule`` without its additional bindings (each of those is a rule of its own).

    Attributes:
        method: upper case, or the kind of a ``custom`` rule as written (``*`` is any of `METHODS`).
        template: the path template's text.
        body: ``*``, a top-level field's name, or empty for no body.
        response_body: a top-level field's name of the output message, or empty for the whole message.
    """

    method: str
    template: str
    body: str = ""
    response_body: str = ""
