"""The type ``backend-grpc``: what the messages of a gRPC backend are, and how they are read and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from twistedgw.config.model import Plugin
from twistedgw.config.option import Option
from twistedgw.config.paths import EXISTING_FILE, EXISTING_FILES, EXISTING_FOLDERS
from twistedgw.config.plugins.plugin_type import PluginType
from twistedgw.config.references import reference
from twistedgw.config.scalars import BOOLEAN, choice

if TYPE_CHECKING:
    from pathlib import Path

    from twistedgw.config.section import Section

__all__ = ["BackendGrpcPlugin", "BackendGrpcType"]

_REJECT = choice("reject", "ignore")
_ONE_OF_THREE = "one of three is needed"
_DESCRIPTORS = ("proto", "descriptor_set", "reflection")


@dataclass(frozen=True, slots=True)
class BackendGrpcPlugin(Plugin):
    """A ``[plugin:NAME]`` section of type ``backend-grpc``.

    Exactly one of `proto`, `descriptor_set` and `reflection` is set.
    """

    proto: tuple[Path, ...]
    descriptor_set: Path | None
    reflection: str | None
    import_path: tuple[Path, ...]
    always_print_fields: bool
    preserve_proto_field_names: bool
    enums_as_numbers: bool
    case_insensitive_enums: bool
    ignore_unknown_fields: bool
    ignore_unknown_query: bool
    error_format: str
    stream_envelope: str


class BackendGrpcType(PluginType):
    """See the module."""

    name = "backend-grpc"
    about = "Says what the messages of a gRPC backend are. An API with such a backend needs one."
    grpc_only = True
    options: ClassVar = (
        Option("proto", EXISTING_FILES, "The `.proto` files, each 1,048,576 bytes at most.", absent=_ONE_OF_THREE),
        Option(
            "descriptor_set",
            EXISTING_FILE,
            "A compiled `FileDescriptorSet`, its imports included.",
            absent=_ONE_OF_THREE,
        ),
        Option(
            "reflection",
            reference("backend"),
            "The gRPC backend that is asked for its descriptors.",
            absent=_ONE_OF_THREE,
        ),
        Option(
            "import_path",
            EXISTING_FOLDERS,
            "Where the imports of `proto` are looked for; `google/*` is always there.",
            absent="the folders of the `proto` files",
        ),
        Option("always_print_fields", BOOLEAN, "Print fields that are at their default value.", default="no"),
        Option("preserve_proto_field_names", BOOLEAN, "Print fields by their names in the `.proto`.", default="no"),
        Option("enums_as_numbers", BOOLEAN, "Print enums as numbers.", default="no"),
        Option("case_insensitive_enums", BOOLEAN, "Take enum names in any case.", default="no"),
        Option("unknown_fields", _REJECT, "What is done with unknown fields in JSON bodies.", default="reject"),
        Option("unknown_query", _REJECT, "What is done with unknown query parameters.", default="reject"),
        Option(
            "error_format",
            choice("status", "google"),
            "The body of an error: `google.rpc.Status`, or AIP-193's `error` object around it.",
            default="status",
        ),
        Option(
            "stream_envelope",
            choice("none", "result"),
            "What is around each message of a stream: nothing, or grpc-gateway's `result` and `error` objects.",
            default="none",
        ),
    )

    def check(self, section: Section) -> None:
        """Report what must hold between options."""
        sources = [option for option in _DESCRIPTORS if option in section.written]
        if not sources:
            section.problem("", "needs one of proto, descriptor_set and reflection")
        for extra in sources[1:]:
            section.problem(
                extra, f"cannot stand beside {sources[0]}", "write one of proto, descriptor_set and reflection"
            )
        if sources and "proto" not in sources and "import_path" in section.written:
            section.problem("import_path", "goes with proto only")

    def build(self, section: Section) -> BackendGrpcPlugin:
        """Make the plugin of a section in which nothing is wrong."""
        values: dict[str, Any] = dict(section.values)
        values["proto"] = values["proto"] or ()
        values["import_path"] = values["import_path"] or _folders(values["proto"])
        for option in ("unknown_fields", "unknown_query"):
            values[f"ignore_{option}"] = values.pop(option) == "ignore"
        return BackendGrpcPlugin(name=section.name, place=section.place, **values)


def _folders(files: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(file.parent for file in files))
