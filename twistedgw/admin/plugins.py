"""Plugins, as the API shows and changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twistedgw.admin.bindable import bindable_apis
from twistedgw.admin.bindings import bind, binding_message, unbind
from twistedgw.admin.changing import check_etag
from twistedgw.admin.deletion import delete_plugin
from twistedgw.admin.examples import add_examples
from twistedgw.admin.names import chosen_name, parts
from twistedgw.admin.paging import matching, page
from twistedgw.admin.plugin_messages import plugin_message, plugin_of, plugin_types, version_message
from twistedgw.admin.plugin_writing import Writing, create_plugin, restored_source, update_plugin
from twistedgw.admin.refusal import missing
from twistedgw.admin.schema_tree import SchemaTree
from twistedgw.admin.uploads import uploaded_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import MethodDescriptor

    from twistedgw.admin.changing import Draft
    from twistedgw.admin.core import Asked, Core
    from twistedgw.admin.view import View
    from twistedgw.schema.schema import Schema

__all__ = ["Plugins"]

_FULL = 2


class Plugins:
    """The methods of the service, by their names in the .proto."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # -- reading

    async def ListPluginTypes(self, _request: Any, _asked: Asked) -> Any:
        """List the types."""
        return plugin_types(self._core.types)

    async def ListPlugins(self, request: Any, _asked: Asked) -> Any:
        """List plugins."""

        def make(view: View) -> Any:
            names = sorted(view.config.plugins)
            found = matching(names, request.filter, lambda name: _searched(view, name))
            chosen, token = page(found, request, lambda name: name)
            messages = [plugin_message(view, name, full=request.view == _FULL) for name in chosen]
            return view.types.ListPluginsResponse(plugins=messages, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    async def GetPlugin(self, request: Any, _asked: Asked) -> Any:
        """Give a plugin."""
        (name,) = parts(request.name, "plugins/*")
        full = request.view == _FULL
        return await self._core.read(lambda view: plugin_message(view, name, full=full, uses=True))

    async def GetPluginSchema(self, request: Any, _asked: Asked) -> Any:
        """Give what a plugin describes."""
        (name,) = parts(request.name, "plugins/*")

        def make(view: View) -> Any:
            schema = _schema(view, name)
            return SchemaTree(name, schema, view.types).whole(include_imports=request.include_imports)

        return await self._core.read(make)

    async def ListMethods(self, request: Any, _asked: Asked) -> Any:
        """List methods."""
        (name,) = parts(request.parent, "plugins/*", "parent")

        def make(view: View) -> Any:
            schema = _schema(view, name)
            methods = [method for service in schema.services.values() for method in service.methods]
            methods.sort(key=lambda each: each.full_name)
            found = matching(methods, request.filter, lambda each: _searched_method(schema, each))
            chosen, token = page(found, request, lambda each: each.full_name)
            tree = SchemaTree(name, schema, view.types)
            messages = [tree.method(each) for each in chosen]
            if request.view == _FULL:
                for message, each in zip(messages, chosen, strict=True):
                    add_examples(message, each)
            return view.types.ListMethodsResponse(methods=messages, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    async def GetMethod(self, request: Any, _asked: Asked) -> Any:
        """Give a method with examples."""
        name, method_name = parts(request.name, "plugins/*/methods/*")

        def make(view: View) -> Any:
            schema = _schema(view, name)
            service, _, last = method_name.rpartition(".")
            method = schema.method(service, last)
            if method is None:
                raise missing(request.name)
            message = SchemaTree(name, schema, view.types).method(method)
            add_examples(message, method)
            return message

        return await self._core.read(make)

    async def ListPluginVersions(self, request: Any, _asked: Asked) -> Any:
        """List versions, newest first."""
        (name,) = parts(request.parent, "plugins/*", "parent")

        def make(view: View) -> Any:
            plugin_of(view, name)
            numbers = sorted(view.store.versions("plugin", name), reverse=True)
            chosen, token = page(numbers, request)
            messages = [version_message(view, name, number, content=False) for number in chosen]
            return view.types.ListPluginVersionsResponse(
                versions=messages, next_page_token=token, total_size=len(numbers)
            )

        return await self._core.read(make)

    async def GetPluginVersion(self, request: Any, _asked: Asked) -> Any:
        """Give a version with its files."""
        name, number = _version(request.name)
        return await self._core.read(lambda view: version_message(view, name, number, content=True))

    async def ListBindableApis(self, request: Any, _asked: Asked) -> Any:
        """List the APIs that a plugin can be bound to."""
        (name,) = parts(request.parent, "plugins/*", "parent")

        def make(view: View) -> Any:
            rows = bindable_apis(view, plugin_of(view, name), request.service, request.environment)
            found = matching(rows, request.filter, _searched_row)
            chosen, token = page(found, request)
            return view.types.ListBindableApisResponse(apis=chosen, next_page_token=token, total_size=len(found))

        return await self._core.read(make)

    # -- changing

    async def CreatePlugin(self, request: Any, asked: Asked) -> Any:
        """Create a plugin."""
        name = chosen_name(request.plugin_id, request.plugin.name, "plugins", "plugin_id")
        return await self._write(
            asked, request, name, lambda draft, writing: create_plugin(draft, writing, request.plugin)
        )

    async def UpdatePlugin(self, request: Any, asked: Asked) -> Any:
        """Change a plugin."""
        (name,) = parts(request.plugin.name, "plugins/*", "plugin.name")
        return await self._write(
            asked,
            request,
            name,
            lambda draft, writing: update_plugin(draft, writing, request.plugin, request.update_mask),
            force=request.force,
            comment=request.comment,
        )

    async def ImportPlugin(self, request: Any, asked: Asked) -> Any:
        """Create a plugin from an upload."""
        name = chosen_name(request.plugin_id, "", "plugins", "plugin_id")
        plugin = self._core.types.Plugin(type="backend-grpc", options=request.options)

        def plan(draft: Draft, writing: Writing) -> None:
            source = uploaded_source(request.content, request.path or f"{name}.proto", request.import_root)
            create_plugin(draft, writing, plugin, source)

        return await self._write(asked, request, name, plan)

    async def ImportPluginVersion(self, request: Any, asked: Asked) -> Any:
        """Replace a plugin's description by an upload."""
        (name,) = parts(request.name, "plugins/*")
        plugin = self._core.types.Plugin(name=request.name, etag=request.etag)

        def plan(draft: Draft, writing: Writing) -> None:
            source = uploaded_source(request.content, request.path or f"{name}.proto", request.import_root)
            update_plugin(draft, writing, plugin, None, source)

        return await self._write(asked, request, name, plan, force=request.force, comment=request.comment)

    async def RestorePluginVersion(self, request: Any, asked: Asked) -> Any:
        """Make an earlier version the current one."""
        name, number = _version(request.name)
        plugin = self._core.types.Plugin(name=f"plugins/{name}", etag=request.etag)

        def plan(draft: Draft, writing: Writing) -> None:
            writing.restored_from = number
            update_plugin(draft, writing, plugin, None, restored_source(draft, name, number))

        return await self._write(asked, request, name, plan, force=request.force, comment=request.comment)

    async def _write(
        self,
        asked: Asked,
        request: Any,
        name: str,
        plan: Callable[[Draft, Writing], None],
        *,
        force: bool = False,
        comment: str = "",
    ) -> Any:
        writing = Writing(
            name, self._core.gateway.assembly.cache, force=force or request.validate_only, comment=comment
        )

        def answer(view: View) -> Any:
            message = plugin_message(view, name, full=True, uses=True)
            if writing.report is not None:
                message.report.CopyFrom(writing.report)
            return message

        return await self._core.change(asked, request, f"plugins/{name}", lambda draft: plan(draft, writing), answer)

    async def DeletePlugin(self, request: Any, asked: Asked) -> Any:
        """Delete a plugin."""
        (name,) = parts(request.name, "plugins/*")

        def plan(draft: Draft) -> None:
            check_etag(plugin_message(draft.view, name), request.etag)
            delete_plugin(draft, name, force=request.force)

        return await self._core.change(asked, request, request.name, plan, None)

    async def BindPlugin(self, request: Any, asked: Asked) -> Any:
        """Bind a plugin to APIs."""
        return await self._bind(asked, request, bind, self._core.types.BindPluginResponse)

    async def UnbindPlugin(self, request: Any, asked: Asked) -> Any:
        """Unbind a plugin from APIs."""
        return await self._bind(asked, request, unbind, self._core.types.UnbindPluginResponse)

    async def _bind(
        self, asked: Asked, request: Any, plan: Callable[[Draft, str, Any], list[str]], response: Callable[..., Any]
    ) -> Any:
        (name,) = parts(request.name, "plugins/*")
        changed: list[str] = []

        def answer(view: View) -> Any:
            bindings = [binding_message(view, each) for each in changed if each in view.config.bindings]
            return response(bindings=bindings, plugin=plugin_message(view, name, uses=True))

        def run(draft: Draft) -> None:
            plugin_of(draft.view, name)
            changed[:] = plan(draft, name, request)

        return await self._core.change(asked, request, request.name, run, answer)


def _schema(view: View, name: str) -> Schema:
    plugin_of(view, name)
    schema = view.snapshot.schemas.get(name)
    if schema is None:
        raise missing(f"plugins/{name}/schema")
    return schema


def _version(name: str) -> tuple[str, int]:
    plugin, number = parts(name, "plugins/*/versions/*")
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise missing(name)
    return plugin, int(number)


def _searched(view: View, name: str) -> str:
    schema = view.snapshot.schemas.get(name)
    services = list(schema.services) if schema is not None else []
    return " ".join([name, view.config.plugins[name].type, *services])


def _searched_method(schema: Schema, method: MethodDescriptor) -> str:
    rules = [f"{rule.method} {rule.template}" for rule in schema.rules(method)]
    return " ".join([method.full_name, method.input_type.full_name, method.output_type.full_name, *rules])


def _searched_row(row: Any) -> str:
    return (
        f"{row.service} {row.environment} {row.api} {row.method} {row.path} {row.rpc} {row.backend} {row.other_plugin}"
    )
