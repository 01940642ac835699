"""Files read without surprises: bounded, regular, and with a sentence for whatever goes wrong."""

from __future__ import annotations

import os
import stat

__all__ = ["TooLargeError", "UnreadableError", "read"]


class UnreadableError(Exception):
    """A file that cannot be read; the text says why, without its path."""


class TooLargeError(UnreadableError):
    """A file over its limit.

    Attributes:
        size: in bytes; at least so many.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"has {size:,} bytes, more than the {limit:,} that are allowed")
        self.size = size


def read(path: str, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes; never waits for a FIFO or a device.

    Raises:
        UnreadableError: it is missing, no regular file, too large, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("a folder, not a file" if stat.S_ISDIR(status.st_mode) else "not a regular file")
            if status.st_size > limit:
                raise TooLargeError(status.st_size, limit)
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise UnreadableError("no such file") from None
    except IsADirectoryError:
        raise UnreadableError("a folder, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
        raise UnreadableError(reason[:1].lower() + reason[1:]) from None
    if len(data) > limit:
        raise TooLargeError(len(data), limit)
    return data
