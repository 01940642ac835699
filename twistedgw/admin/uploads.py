"""Uploads: a form with files, a zip of a folder, one `.proto`, or a descriptor set; all of them bounded."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from twistedgw.admin.refusal import invalid
from twistedgw.admin.sources import DESCRIPTORS, GivenSource, check_files, checked_path, chosen_roots, too_much
from twistedgw.schema.descriptor_set import MAX_SET_SIZE
from twistedgw.schema.files import MAX_FILE_SIZE, MAX_FILES, MAX_TOTAL_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["uploaded_source"]

_FORM = "multipart/form-data"
_ZIPS = ("application/zip", "application/x-zip-compressed", "application/x-zip")
_SETS = ("application/octet-stream", "application/protobuf", "application/x-protobuf")
_TEXTS = ("text/plain", "text/x-protobuf", "application/x-proto", "")
_SET_ENDINGS = (".binpb", ".pb", ".desc", ".protoset", ".bin")
_MAX_ENTRIES = 10_000
_MAX_PART_HEADER = 4096


def uploaded_source(content: Any, path: str, import_root: str) -> GivenSource:
    """Take the source out of an upload.

    Args:
        content: a ``google.api.HttpBody``.
        path: of a file that comes by itself.
        import_root: as for `sources.chosen_roots`.

    Raises:
        RefusalError: it is nothing of that kind, too large, or has files that cannot be.
    """
    name, parameters = parse_options_header(content.content_type or "")
    if not content.data:
        raise invalid("content", "the upload is empty")
    if name == _FORM:
        found = dict(_form_files(content.data, parameters.get("boundary", "")))
        return _of_files(found, import_root)
    if name in _ZIPS:
        return _of_files(_unzipped(content.data), import_root)
    if name in _SETS:
        return _of_set(content.data)
    if name in _TEXTS:
        return _of_files({checked_path(path, "path"): content.data}, import_root)
    raise invalid(
        "Content-Type",
        f"{content.content_type[:100]!r} is not taken here: multipart/form-data, application/zip, text/plain for one"
        " .proto, or application/octet-stream for a descriptor set",
    )


def _of_files(files: dict[str, bytes], import_root: str) -> GivenSource:
    if len(files) == 1:
        ((name, data),) = files.items()
        if name.lower().endswith(".zip"):
            return _of_files(_unzipped(data), import_root)
        if name.lower().endswith(_SET_ENDINGS):
            return _of_set(data)
    if not files:
        raise invalid("content", "there is no .proto file in the upload")
    fields = dict.fromkeys(files, "content")
    for path in files:
        checked_path(path, "content")
    check_files(files, fields)
    return GivenSource(files, fields, chosen_roots(files, import_root, "import_root"))


def _of_set(data: bytes) -> GivenSource:
    if len(data) > MAX_SET_SIZE:
        raise too_much(f"more than {MAX_SET_SIZE:,} bytes")
    return GivenSource({DESCRIPTORS: data}, {DESCRIPTORS: "content"})


# -- forms


def _form_files(data: bytes, boundary: str) -> Iterator[tuple[str, bytes]]:
    """Give the files of a form by name; parts that are no files are passed over."""
    seen: set[str] = set()
    try:
        parser = PushMultipartParser(boundary, max_header_size=_MAX_PART_HEADER, max_segment_count=MAX_FILES + 10)
        for name, part in _parts(parser, data):
            path = name.replace("\\", "/").lstrip("/")
            if path in seen:
                raise invalid("content", f"{path[:200]!r} is there twice")
            seen.add(path)
            yield path, part
        parser.close()
    except ParserLimitReached:
        raise too_much(f"more than {MAX_FILES:,} files") from None
    except (MultipartError, ValueError):
        raise invalid("content", "is a malformed multipart form") from None


def _parts(parser: PushMultipartParser, data: bytes) -> Iterator[tuple[str, bytes]]:
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    for event in parser.parse(data):
        if isinstance(event, MultipartSegment):
            segment, chunks = event, []
        elif event is not None:
            chunks.append(bytes(event))
        elif segment is not None and segment.filename:
            yield segment.filename, b"".join(chunks)


# -- zips


def _unzipped(data: bytes) -> dict[str, bytes]:
    """Give the `.proto` files of a zip. Nothing is written: what is too large, or leads elsewhere, is refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_all(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, ValueError, OSError):
        raise invalid("content", "is a damaged zip, or one of a kind that is not read here") from None


def _read_all(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise too_much(f"more than {_MAX_ENTRIES:,} entries")
    found: dict[str, bytes] = {}
    left = MAX_TOTAL_SIZE
    for entry in entries:
        if entry.is_dir() or not entry.filename.endswith(".proto") or _is_rubbish(entry.filename):
            continue
        path = checked_path(entry.filename, "content")
        if path in found:
            raise invalid("content", f"{path[:200]!r} is there twice")
        mode = entry.external_attr >> 16
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise invalid("content", f"{path[:200]!r} is a link or a device, not a file")
        if entry.flag_bits & 1:
            raise invalid("content", f"{path[:200]!r} is encrypted")
        found[path] = _read_one(archive, entry, min(left, MAX_FILE_SIZE + 1))
        left -= len(found[path])
        if left <= 0:
            raise too_much(f"more than {MAX_TOTAL_SIZE:,} bytes of .proto files")
        if len(found) > MAX_FILES:
            raise too_much(f"more than {MAX_FILES:,} files")
    return found


def _read_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """Read at most so many bytes, whatever the zip says about its size."""
    with archive.open(entry) as stream:
        return stream.read(limit)


def _is_rubbish(path: str) -> bool:
    """Whether this is what macOS puts beside files."""
    return path.startswith("__MACOSX/") or path.rpartition("/")[2].startswith("._")
