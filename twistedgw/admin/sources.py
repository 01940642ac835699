"""Where the messages of a plugin come from: files of a request, checked, and written for the configuration to name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import take
from twistedgw.admin.refusal import RefusalError, invalid
from twistedgw.errors import Problem
from twistedgw.registry.store_text import UnwritableError, joined
from twistedgw.schema import bundle
from twistedgw.schema.descriptor_set import MAX_SET_SIZE
from twistedgw.schema.files import MAX_FILE_SIZE, MAX_FILES, MAX_TOTAL_SIZE
from twistedgw.schema.imports import imports
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from twistedgw.admin.changing import Draft

__all__ = ["DESCRIPTORS", "SOURCE_OPTIONS", "GivenSource", "checked_path", "given_source", "put_source"]

SOURCE_OPTIONS = ("proto", "descriptor_set", "reflection", "import_path")
DESCRIPTORS = "descriptors.binpb"
"""The name of the one file of a source that is a descriptor set."""

_LONGEST_PART = 200
_LONGEST_PATH = 1000
_MOST_TRIES = 2_000_000
"""Imports times folders; where there are more, a client has to say where imports start."""


@dataclass(frozen=True, slots=True)
class GivenSource:
    """A source as a client gives it, checked as far as that goes without a compiler.

    Attributes:
        files: by path.
        fields: by path, the field of the request that it is from.
        roots: the folders that imports start from, empty for the top.
        reflection: a backend's name; empty where there are files.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ("",)
    reflection: str = ""

    @property
    def kind(self) -> str:
        """``files``, ``descriptor_set`` or ``reflection``."""
        if self.reflection:
            return "reflection"
        return "descriptor_set" if set(self.files) == {DESCRIPTORS} else "files"


def given_source(message: Any, prefix: str) -> GivenSource:
    """Take the source of a request.

    Args:
        message: a ``Source``.
        prefix: its field, such as ``plugin.source``.

    Raises:
        RefusalError: it is none, more than one, or has files that cannot be.
    """
    given = [name for name in ("files", "descriptor_set", "reflection") if getattr(message, name)]
    if len(given) != 1:
        raise invalid(prefix, "needs one of files, descriptor_set and reflection")
    if message.reflection:
        return GivenSource(reflection=message.reflection, fields={"": f"{prefix}.reflection"})
    if message.descriptor_set:
        if len(message.descriptor_set) > MAX_SET_SIZE:
            raise invalid(f"{prefix}.descriptor_set", f"has more than {MAX_SET_SIZE:,} bytes")
        return GivenSource({DESCRIPTORS: message.descriptor_set}, {DESCRIPTORS: f"{prefix}.descriptor_set"})
    files: dict[str, bytes] = {}
    fields: dict[str, str] = {}
    for index, file in enumerate(message.files):
        place = f"{prefix}.files[{index}]"
        path = checked_path(file.path, f"{place}.path")
        if path in files:
            raise invalid(f"{place}.path", f"{path!r} is there twice")
        files[path] = file.content.encode("utf-8")
        fields[path] = place
    check_files(files, fields)
    return GivenSource(files, fields, chosen_roots(files, message.import_root, f"{prefix}.import_root"))


def checked_path(path: str, field_name: str) -> str:
    """Make sure that a path is one of a `.proto` file in a folder of its own.

    Raises:
        RefusalError: it leads elsewhere, or cannot be written into an INI file.
    """
    reason = _path_fault(path)
    if reason:
        raise invalid(field_name, f"{path[:200]!r} {reason}", reason="INVALID_PATH")
    return path


def _path_fault(path: str) -> str:
    if not path.endswith(".proto"):
        return "is not the path of a .proto file"
    if not path.isprintable() or "\\" in path:
        return "has characters that a path cannot have"
    words = path.split("/")
    if path.startswith("/") or any(word in ("", ".", "..") for word in words):
        return "is not a relative path without empty, '.' and '..' parts"
    if len(path) > _LONGEST_PATH or any(len(word.encode("utf-8")) > _LONGEST_PART for word in words):
        return "is too long"
    try:
        joined([path])
    except UnwritableError as error:
        return str(error)
    return ""


def check_files(files: Mapping[str, bytes], fields: Mapping[str, str]) -> None:
    """Make sure that files are neither too many nor too large, and that none is where a folder must be.

    Raises:
        RefusalError: they are, or one is.
    """
    if len(files) > MAX_FILES:
        raise too_much(f"more than {MAX_FILES:,} files")
    if sum(map(len, files.values())) > MAX_TOTAL_SIZE:
        raise too_much(f"more than {MAX_TOTAL_SIZE:,} bytes of .proto files")
    problems = [
        (
            Problem(
                path, 0, message=f"the file has {len(data):,} bytes, more than the {MAX_FILE_SIZE:,} that are allowed"
            ),
            fields.get(path, ""),
        )
        for path, data in files.items()
        if len(data) > MAX_FILE_SIZE
    ]
    if problems:
        raise RefusalError(Code.INVALID_ARGUMENT, str(problems[0][0]), reason="FILE_TOO_LARGE", problems=problems)
    for path in files:
        words = path.split("/")
        above = ["/".join(words[:count]) for count in range(1, len(words))]
        clash = next((each for each in above if each in files), None)
        if clash is not None:
            raise invalid(fields.get(path, "files"), f"{clash!r} is a file and a folder", reason="INVALID_PATH")


def too_much(what: str) -> RefusalError:
    """Refuse an upload that is too large."""
    return RefusalError(Code.INVALID_ARGUMENT, f"the upload has {what}", reason="UPLOAD_TOO_LARGE")


# -- where imports start


def chosen_roots(files: Mapping[str, bytes], given: str, field_name: str) -> tuple[str, ...]:
    """Give the folders that imports start from.

    Args:
        given: what the client says, several divided by commas; empty to find out.

    Raises:
        RefusalError: there is no such folder.
    """
    folders = _folders(files)
    if given.strip():
        roots = tuple(dict.fromkeys(each.strip().strip("/").removeprefix("./") for each in given.split(",")))
        for root in roots:
            if root not in ("", ".") and root not in folders:
                raise invalid(field_name, f"there is no folder {root[:200]!r} in the upload")
        return tuple("" if root == "." else root for root in roots)
    return _found_roots(files, folders)


def _found_roots(files: Mapping[str, bytes], folders: Collection[str]) -> tuple[str, ...]:
    """Give the fewest folders from which the imports work; the top where it makes no difference."""
    wanted = {each.name for data in files.values() for each in imports(data)} - set(bundle.names())
    roots: list[str] = []
    while wanted and len(wanted) * len(folders) <= _MOST_TRIES:
        best = min(folders, key=lambda root: (-len(_reached(files, root, wanted)), root.count("/") + bool(root), root))
        reached = _reached(files, best, wanted)
        if not reached:
            break
        roots.append(best)
        wanted -= reached
    return tuple(roots) or ("",)


def _reached(files: Mapping[str, bytes], root: str, wanted: Iterable[str]) -> set[str]:
    prefix = f"{root}/" if root else ""
    return {name for name in wanted if prefix + name in files}


def _folders(files: Mapping[str, bytes]) -> list[str]:
    found = {""}
    for path in files:
        words = path.split("/")
        found.update("/".join(words[:count]) for count in range(1, len(words)))
    return sorted(found)


def _listed(source: GivenSource) -> list[str]:
    """Give the files that the plugin is made of: those that an import can reach; not copies of bundled ones."""
    found = []
    bundled = set(bundle.names())
    for path in source.files:
        names = [_below(path, root) for root in source.roots]
        known = [name for name in names if name is not None]
        if known and not any(name in bundled for name in known):
            found.append(path)
    return found or list(source.files)


def _below(path: str, root: str) -> str | None:
    if not root:
        return path
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else None


# -- into options


def put_source(draft: Draft, section: str, name: str, source: GivenSource, about: Mapping[str, Any]) -> None:
    """Write the files of a source, and let the options of a plugin's section name them."""
    for option in SOURCE_OPTIONS:
        draft.put(section, option, None)
    draft.name_field(section, "", "plugin")
    if source.kind == "reflection":
        take(draft, section, "reflection", source.fields[""], source.reflection)
        return
    known = {"kind": source.kind, "roots": list(source.roots), **about}
    base = draft.add_files("plugin", name, source.files, known, source.fields)
    first = next(iter(source.fields.values()), "plugin.source")
    if source.kind == "descriptor_set":
        take(draft, section, "descriptor_set", first, f"{base}/{DESCRIPTORS}")
        return
    place = first.rpartition("[")[0] or first
    take(draft, section, "proto", place, [f"{base}/{path}" for path in _listed(source)])
    folders = [f"{base}/{root}" if root else base for root in source.roots]
    take(draft, section, "import_path", place, folders)
