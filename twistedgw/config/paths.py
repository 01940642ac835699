"""Converters for files and folders, which are written relative to the file that names them, into absolute paths."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twistedgw.config.option import Context, RefusedError, Type
from twistedgw.config.scalars import listing

__all__ = ["EXISTING_FILE", "EXISTING_FILES", "EXISTING_FOLDERS", "PATH", "PATTERNS", "shown_path"]


def shown_path(path: Path) -> str:
    """Give a file's path as a person would write it: relative to the working folder where it is below that."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)


def _path(text: str, context: Context) -> Path:
    return context.folder / text


def _file(text: str, context: Context) -> Path:
    path = context.folder / text
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        raise RefusedError("is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise RefusedError("is not a regular file")
    if not os.access(path, os.R_OK):
        raise RefusedError("cannot be read: permission denied")
    return path


def _folder(text: str, context: Context) -> Path:
    path = context.folder / text
    if not stat.S_ISDIR(_mode(path)):
        raise RefusedError("is not a folder")
    return path


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise RefusedError("does not exist", "a path is relative to the file that names it") from None
    except OSError as error:
        raise RefusedError(f"cannot be read: {(error.strerror or 'unknown error').lower()}") from None


def _pattern(text: str, _: Context) -> str:
    return text


PATH = Type("path", _path)
EXISTING_FILE = Type("file", _file)
EXISTING_FILES = listing(EXISTING_FILE, "list of files")
EXISTING_FOLDERS = listing(Type("folder", _folder), "list of folders")
PATTERNS = listing(Type("path or pattern", _pattern), "list of paths or patterns")
