"""What one generation is made of, as values that another process can build the very same from.

Workers do not read the configuration: they get what the parent has read. So no file that changes meanwhile can give two
of them two meanings of one generation.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twistedgw.config.model import Config
    from twistedgw.schema.schema import Parts

__all__ = ["Contents", "Material"]


class Contents:
    """Reads files, each one once, and remembers what was in them. One thread."""

    def __init__(self) -> None:
        self.found: dict[Path, bytes] = {}

    def __call__(self, path: Path) -> bytes:
        """Give the content of a file.

        Raises:
            OSError: it cannot be read.
        """
        content = self.found.get(path)
        if content is None:
            content = self.found[path] = path.read_bytes()
        return content


@dataclass(frozen=True, slots=True)
class Material:
    """What one generation is made of.

    Attributes:
        generation: its number.
        digest: that of the parent's snapshot, which the one that is built from this must have too.
        config: what was read.
        schemas: by plugin, the digest of its schema.
        parts: schemas by their digests.
        files: the contents of certificates and keys.
    """

    generation: int
    digest: str
    config: Config
    schemas: Mapping[str, str]
    parts: Mapping[str, Parts]
    files: Mapping[Path, bytes]

    def pack(self) -> bytes:
        """Serialize it, private keys included: for a pipe to a child and nothing else."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpack(cls, data: bytes) -> Material:
        """Read what the parent has packed."""
        material: Material = pickle.loads(data)  # noqa: S301 - written by our own parent
        return material

    def content(self, path: Path) -> bytes:
        """Give the content of a file as the parent has read it.

        Raises:
            FileNotFoundError: the parent did not, or could not.
        """
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(f"{path} is not part of this generation") from None
