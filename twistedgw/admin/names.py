"""Resource names (AIP-122) and the names that objects have in INI files."""

from __future__ import annotations

import re

from twistedgw.admin.refusal import invalid

__all__ = ["chosen_name", "parts", "short"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def parts(name: str, form: str, field: str = "name") -> tuple[str, ...]:
    """Take a resource name apart.

    Args:
        name: such as ``services/shop/apis/all``.
        form: such as ``services/*/apis/*``.
        field: of the request, for the error.

    Returns:
        what stands for each ``*``.

    Raises:
        RefusalError: it has not that form.
    """
    words, pattern = name.split("/"), form.split("/")
    if len(words) == len(pattern) and all(want in ("*", word) for word, want in zip(words, pattern, strict=True)):
        return tuple(word for word, want in zip(words, pattern, strict=True) if want == "*")
    raise invalid(field, f"{name[:200]!r} is not a name of the form {form}")


def short(name: str) -> str:
    """Give the last part of a resource name."""
    return name.rpartition("/")[2]


def chosen_name(given: str, name: str, collection: str, id_field: str) -> str:
    """Give the short name that an object is to be created with.

    Args:
        given: ``…_id`` of the request; may be empty.
        name: ``name`` of the object in the request; may be empty.
        collection: such as ``plugins`` or ``services/shop/apis``.
        id_field: what `given` is called.

    Raises:
        RefusalError: neither says it, they say different things, or it cannot be a name.
    """
    chosen = given
    if name:
        prefix, _, last = name.rpartition("/")
        if prefix != collection:
            raise invalid("name", f"{name[:200]!r} is not a name of the form {collection}/*")
        if given and last != given:
            raise invalid(id_field, f"is {given[:200]!r}, but the name is {name[:200]!r}")
        chosen = last
    if not chosen:
        raise invalid(id_field, "is needed: the name that it shall have")
    if not _NAME.fullmatch(chosen) or chosen in (".", ".."):
        raise invalid(
            id_field, f"{chosen[:200]!r} cannot be a name: letters, digits, '_', '.' and '-', 128 characters at most"
        )
    return chosen
