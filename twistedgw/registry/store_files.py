"""Files written so that a crash at any moment leaves the old or the new, never a part.

Everything goes through functions of `os`, each named when it is called, and nothing is buffered: what a crash can
interrupt is what stands here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["NEW", "make_folder", "read_file", "remove_file", "remove_tree", "replace_file", "write_tree"]

NEW = ".new-"
"""What the names of files and folders begin with that are not whole yet."""

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if missing, and make sure that they stay.

    Made by root they belong to whom the folder above belongs to: a gateway may be about to give up its privileges.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, _FOLDER_MODE)
        if os.geteuid() == 0:
            above = os.stat(folder.parent)
            os.chown(folder, above.st_uid, above.st_gid)
    _sync_folder(folder.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place of another of that name, in one step that is on disk when this returns.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    fresh = path.with_name(NEW + path.name)
    try:
        _write(fresh, data)
        os.rename(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
    _sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there, in one step that is on disk when this returns.

    Raises:
        OSError: it cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        _sync_folder(path.parent)


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with files in it, in one step that is on disk when this returns.

    Args:
        folder: does not exist yet; the one above it does.
        files: by path relative to it, folders divided by ``/``. They have been checked: no ``..``, not absolute.

    Raises:
        OSError: it cannot be written; nothing of that name is there.
    """
    fresh = folder.with_name(NEW + folder.name)
    remove_tree(fresh)
    try:
        os.mkdir(fresh, _FOLDER_MODE)
        folders = {fresh}
        for name, data in files.items():
            path = fresh / name
            missing = [above for above in path.parents if above not in folders and fresh in above.parents]
            for above in reversed(missing):
                os.mkdir(above, _FOLDER_MODE)
                folders.add(above)
            _write(path, data)
        for each in sorted(folders, reverse=True):
            _sync_folder(each)
        os.rename(fresh, folder)
    except OSError:
        with contextlib.suppress(OSError):
            remove_tree(fresh)
        raise
    _sync_folder(folder.parent)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it, following no links. It vanishes first, then its contents.

    Raises:
        OSError: it cannot be removed.
    """
    if not os.path.lexists(folder):
        return
    if not folder.name.startswith(NEW):
        gone = folder.with_name(f"{NEW}gone-{folder.name}")
        remove_tree(gone)
        os.rename(folder, gone)
        folder = gone
    _remove(folder)


def read_file(path: Path, limit: int) -> bytes | None:
    """Read a regular file of at most `limit` bytes; None where there is none.

    Raises:
        OSError: it cannot be read, or has more.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"more than {limit} bytes")
    return data


def _remove(path: Path) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    for name in os.listdir(path):
        _remove(path / name)
    os.rmdir(path)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
