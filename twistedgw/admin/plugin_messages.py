"""Plugins and their versions, as messages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import version_folder
from twistedgw.admin.refusal import missing
from twistedgw.admin.schema_tree import SchemaTree
from twistedgw.admin.sources import DESCRIPTORS, SOURCE_OPTIONS
from twistedgw.admin.written import written_options
from twistedgw.config.paths import shown_path
from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.plugins.backend_grpc import BackendGrpcPlugin
from twistedgw.config.scalars import BOOLEAN
from twistedgw.registry.store import FILES
from twistedgw.schema.descriptor_set import MAX_SET_SIZE
from twistedgw.schema.files import MAX_FILE_SIZE
from twistedgw.schema.reading import UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twistedgw.admin.view import View
    from twistedgw.admin.world import Types
    from twistedgw.config.model import Plugin
    from twistedgw.config.option import Option

__all__ = ["options_of", "plugin_message", "plugin_of", "plugin_types", "version_message"]

_TITLES = {"backend-grpc": "Backend gRPC", "cors": "CORS"}
_ONE_OF = "one of "
_LARGEST = max(MAX_FILE_SIZE, MAX_SET_SIZE)


def plugin_types(types: Types) -> Any:
    """Give the types that a plugin may have."""
    answer = types.ListPluginTypesResponse()
    for kind in PLUGIN_TYPES.values():
        options = [option for option in kind.options if option.name not in SOURCE_OPTIONS]
        answer.types.add(
            name=kind.name,
            title=_TITLES.get(kind.name, kind.name),
            description=kind.about,
            has_source=len(options) < len(kind.options),
            options=[_option(types, option) for option in options],
        )
    return answer


def _option(types: Types, option: Option) -> Any:
    name = option.type.name
    choices = ["yes", "no"] if option.type is BOOLEAN else []
    if name.startswith(_ONE_OF):
        choices = name.removeprefix(_ONE_OF).split(", ")
    return types.OptionInfo(
        name=option.name,
        type=name,
        choices=choices,
        description=option.about,
        default=option.absent if option.default is None else option.default,
        required=option.required,
    )


def plugin_of(view: View, name: str) -> Plugin:
    """Give a plugin.

    Raises:
        RefusalError: there is none.
    """
    plugin = view.config.plugins.get(name)
    if plugin is None:
        raise missing(f"plugins/{name}")
    return plugin


def options_of(written: Mapping[str, str]) -> dict[str, str]:
    """Give the options that the API shows as such."""
    return {name: text for name, text in written.items() if name != "type" and name not in SOURCE_OPTIONS}


def plugin_message(view: View, name: str, *, full: bool = False, uses: bool = False) -> Any:
    """Give a plugin as a message.

    Args:
        full: whether with the text of its files, its schema and its uses.
        uses: whether with its uses.

    Raises:
        RefusalError: there is none.
    """
    plugin = plugin_of(view, name)
    written = written_options(view, plugin.place)
    schema = view.snapshot.schemas.get(name)
    bound = view.by_plugin.get(name, [])
    section = view.section(plugin.place)
    message = view.types.Plugin(
        name=f"plugins/{name}",
        type=plugin.type,
        options=options_of(written),
        version=version_folder(view.store, section)[1],
        bound_api_count=len(bound),
    )
    if isinstance(plugin, BackendGrpcPlugin):
        _add_source(view, message.source, plugin, content=full)
    if schema is not None:
        message.services.extend(schema.services)
        message.method_count = sum(len(service.methods) for service in schema.services.values())
    if full or uses:
        for use in bound:
            read_only = view.section(view.config.bindings[use.binding].place) is None
            message.bound_apis.add(
                service=use.service,
                environment=use.environment,
                api=use.api,
                binding=f"bindings/{use.binding}",
                read_only=read_only,
            )
    if full and schema is not None:
        message.schema.CopyFrom(SchemaTree(name, schema, view.types).whole(include_imports=False))
    view.dress(
        message, plugin.place, plugin, schema.digest if schema is not None else "", sorted(message.options.items())
    )
    if section is None:
        _add_file_time(view, message, plugin)
    return message


def _add_source(view: View, message: Any, plugin: BackendGrpcPlugin, *, content: bool) -> None:
    folder, _ = version_folder(view.store, view.section(plugin.place))
    if plugin.reflection is not None:
        message.kind, message.reflection = "reflection", plugin.reflection
    elif folder is not None:
        _add_version_source(view, message, folder, content=content)
    elif plugin.descriptor_set is not None:
        message.kind = "descriptor_set"
        _add_file(message, shown_path(plugin.descriptor_set), plugin.descriptor_set, content=False)
        if content:
            message.descriptor_set = _read(plugin.descriptor_set)
    else:
        message.kind = "files"
        for path in plugin.proto:
            _add_file(message, shown_path(path), path, content=content)


def _add_version_source(view: View, message: Any, version: Path, *, content: bool) -> None:
    about = view.store.about(version)
    message.kind = "descriptor_set" if about.get("kind") == "descriptor_set" else "files"
    roots = about.get("roots")
    message.import_root = ", ".join(map(str, roots)) if isinstance(roots, list) else ""
    folder = version / FILES
    if message.kind == "descriptor_set":
        if content:
            message.descriptor_set = _read(folder / DESCRIPTORS)
        return
    for path in sorted(each for each in folder.rglob("*.proto") if each.is_file()):
        _add_file(message, path.relative_to(folder).as_posix(), path, content=content)


def _add_file(message: Any, shown: str, path: Path, *, content: bool) -> None:
    try:
        size = os.stat(path).st_size
    except OSError:
        size = 0
    file = message.files.add(path=shown, size_bytes=size)
    if content:
        file.content = _read(path).decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    try:
        return read(str(path), _LARGEST)
    except UnreadableError:
        return b""


def _add_file_time(view: View, message: Any, plugin: Plugin) -> None:
    """Say when an operator's plugin was changed: the youngest of its files, and of the one that declares it."""
    paths = [path for path in view.config.files if shown_path(path) == plugin.place.file]
    if isinstance(plugin, BackendGrpcPlugin):
        paths += [*plugin.proto, *([plugin.descriptor_set] if plugin.descriptor_set else [])]
    times = []
    for path in paths:
        try:
            times.append(os.stat(path).st_mtime_ns)
        except OSError:
            continue
    if times:
        message.update_time.FromMicroseconds(max(times) // 1000)


def version_message(view: View, name: str, number: int, *, content: bool) -> Any:
    """Give a version of a plugin.

    Args:
        content: whether with the text of its files.

    Raises:
        RefusalError: there is none.
    """
    plugin = plugin_of(view, name)
    if number not in view.store.versions("plugin", name):
        raise missing(f"plugins/{name}/versions/{number}")
    folder = view.store.folder_of("plugin", name, number)
    about = view.store.about(folder)
    message = view.types.PluginVersion(
        name=f"plugins/{name}/versions/{number}",
        number=number,
        actor=str(about.get("actor", "")),
        comment=str(about.get("comment", "")),
        current=number == version_folder(view.store, view.section(plugin.place))[1],
        services=[str(each) for each in about.get("services", ())],
    )
    restored = about.get("restored_from", 0)
    message.restored_from = restored if isinstance(restored, int) else 0
    made = about.get("time", 0)
    if isinstance(made, int | float) and made > 0:
        message.create_time.FromMicroseconds(round(made * 1_000_000))
    _add_version_source(view, message.source, folder, content=content)
    return message
