"""From requests to a plugin's section and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twistedgw.admin.changing import Kind, check_etag, take
from twistedgw.admin.compatibility import broken_apis, compare
from twistedgw.admin.plugin_messages import options_of, plugin_message, plugin_of
from twistedgw.admin.refusal import RefusalError, invalid, missing
from twistedgw.admin.sources import SOURCE_OPTIONS, GivenSource, given_source, put_source
from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.scalars import split
from twistedgw.errors import ConfigError
from twistedgw.schema.descriptor_set import MAX_SET_SIZE, DescriptorSetSource
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.source import Origin
from twistedgw.status import Code

if TYPE_CHECKING:
    from twistedgw.admin.changing import Draft
    from twistedgw.admin.view import View
    from twistedgw.schema.cache import SchemaCache
    from twistedgw.schema.schema import Schema

__all__ = ["Writing", "create_plugin", "restored_source", "update_plugin"]

KIND = Kind("plugin", {"type": "type", "options": "", "source": ""})
_LONGEST_COMMENT = 500


@dataclass(slots=True)
class Writing:
    """One change of a plugin.

    Attributes:
        name: of the plugin.
        cache: what the gateway compiles with, so that everything is compiled once.
        force: whether a description may break clients.
        comment: for people.
        restored_from: the version whose files these are; 0 for none.
        report: what the change means, once that is known.
    """

    name: str
    cache: SchemaCache
    force: bool
    comment: str = ""
    restored_from: int = 0
    report: Any = None


def create_plugin(draft: Draft, writing: Writing, wanted: Any, source: GivenSource | None = None) -> None:
    """Plan a new plugin.

    Args:
        source: what stands in for that of the message.
    """
    name = writing.name
    section = draft.create(KIND, name, f"plugins/{name}", name in draft.view.config.plugins)
    draft.name_field(section, "", "plugin")
    if wanted.type not in PLUGIN_TYPES:
        raise invalid("plugin.type", f"{wanted.type[:100]!r} is not one of {', '.join(PLUGIN_TYPES)}")
    take(draft, section, "type", "plugin.type", wanted.type)
    _put_options(draft, section, wanted, [""])
    if source is None and (wanted.HasField("source") or _has_source(wanted.type)):
        source = _given(wanted)
    if source is not None:
        _put_description(draft, section, writing, source)
    _expect(draft, name, wanted)


def update_plugin(draft: Draft, writing: Writing, wanted: Any, mask: Any, source: GivenSource | None = None) -> None:
    """Plan a change of a plugin.

    Args:
        mask: which fields are changed; None for the source alone.
        source: what stands in for that of the message.
    """
    name, view = writing.name, draft.view
    plugin = plugin_of(view, name)
    check_etag(plugin_message(view, name), wanted.etag)
    section = draft.update(KIND, name, plugin.place)
    draft.name_field(section, "", "plugin")
    fields = {"source": [""]} if mask is None else _masked(mask, wanted)
    if "type" in fields and wanted.type not in ("", plugin.type):
        raise invalid("plugin.type", "cannot be changed: delete the plugin, and create another")
    if "options" in fields:
        _put_options(draft, section, wanted, fields["options"])
        if "" in fields["options"]:
            _expect(draft, name, wanted)
    if "source" in fields:
        _put_description(draft, section, writing, source or _given(wanted))


def restored_source(draft: Draft, name: str, number: int) -> GivenSource:
    """Give the source of an earlier version."""
    store = draft.view.store
    plugin_of(draft.view, name)
    if number not in store.versions("plugin", name):
        raise missing(f"plugins/{name}/versions/{number}")
    folder = store.folder_of("plugin", name, number)
    roots = store.about(folder).get("roots")
    files = store.files(folder, MAX_SET_SIZE)
    return GivenSource(
        files, dict.fromkeys(files, "name"), tuple(map(str, roots)) if isinstance(roots, list) else ("",)
    )


def _masked(mask: Any, wanted: Any) -> dict[str, list[str]]:
    """Give the fields that an update changes; for each, the parts of it (empty for all of it)."""
    found: dict[str, list[str]] = {}
    paths = list(mask.paths) or [field.name for field, _ in wanted.ListFields()]
    for path in paths:
        top, _, rest = path.partition(".")
        if path == "*":
            found.update({name: [""] for name in KIND.options})
        elif top in KIND.options:
            found.setdefault(top, []).append(rest if top == "options" else "")
        elif top not in wanted.DESCRIPTOR.fields_by_name:
            raise invalid("update_mask", f"{path[:200]!r} is no field of Plugin")
    return found


def _has_source(plugin_type: str) -> bool:
    return any(option.name in SOURCE_OPTIONS for option in PLUGIN_TYPES[plugin_type].options)


def _given(wanted: Any) -> GivenSource:
    return given_source(wanted.source, "plugin.source")


def _put_options(draft: Draft, section: str, wanted: Any, keys: list[str]) -> None:
    """Set the options of the message: those that are named, or all, an empty name."""
    plugin_type = draft.sections[section].options["type"]
    known = {option.name for option in PLUGIN_TYPES[plugin_type].options if option.name not in SOURCE_OPTIONS}
    given = dict(wanted.options)
    names = [*options_of(draft.sections[section].options), *given] if "" in keys else keys
    for name in dict.fromkeys(names):
        field = f"plugin.options.{name}"
        if name not in known:
            raise invalid(field, f"is no option of type {plugin_type}: {', '.join(sorted(known))}")
        draft.name_field(section, name, field)
        text = given.get(name)
        if text is None:
            draft.put(section, name, None)
        else:
            items = text.split("\n")
            take(draft, section, name, field, text if len(items) == 1 else items)


def _expect(draft: Draft, name: str, wanted: Any) -> None:
    """Options are kept as they are written, so that nothing can be read back but that, or be refused."""
    given = {key: text for key, text in wanted.options.items() if text}

    def compare(view: View) -> None:
        have = dict(plugin_message(view, name).options)
        for key, text in given.items():
            if have.get(key) != text:
                raise invalid(f"plugin.options.{key}", f"would be read as {have.get(key, '')!r}: write it so")

    draft.expect_that(compare)


def _put_description(draft: Draft, section: str, writing: Writing, source: GivenSource) -> None:
    comment = writing.comment
    if len(comment) > _LONGEST_COMMENT or not comment.isprintable():
        raise invalid("comment", f"is one line of {_LONGEST_COMMENT} characters at most")
    old = draft.view.snapshot.schemas.get(writing.name)
    about: dict[str, Any] = {"comment": comment, "restored_from": writing.restored_from}
    put_source(draft, section, writing.name, source, about)
    if source.kind == "reflection":
        draft.expect_that(lambda view: _judge(draft, writing, old, view.snapshot.schemas[writing.name]))
        return
    new = _compiled(draft, section, writing.cache)
    draft.describe_files({"services": list(new.services)})
    _judge(draft, writing, old, new)


def _compiled(draft: Draft, section: str, cache: SchemaCache) -> Schema:
    options = draft.sections[section].options
    folder, origin = draft.view.store.folder, Origin(base=Path.cwd())
    try:
        if "descriptor_set" in options:
            return DescriptorSetSource(folder / options["descriptor_set"], cache=cache, origin=origin).load()
        proto, import_path = ([folder / path for path in split(options[name])] for name in ("proto", "import_path"))
        return ProtoSource(proto, import_path, cache=cache, origin=origin).load()
    except ConfigError as error:
        raise draft.description_refused(section, error) from None


def _judge(draft: Draft, writing: Writing, old: Schema | None, new: Schema) -> None:
    """Find out what a new description means; refuse what breaks clients, unless that is wanted."""
    if old is None:
        return
    view, types = draft.view, draft.view.types
    changes = compare(old, new)
    broken = broken_apis(view, writing.name, new)
    report = writing.report = types.CompatibilityReport(
        breaking=any(each.breaking for each in changes),
        changes=[each.message(types) for each in changes],
        broken_apis=[
            types.BrokenApi(service=use.service, environment=use.environment, api=use.api, message=why)
            for use, why in broken
        ],
    )
    draft.details = [report]
    bound = view.by_plugin.get(writing.name, [])
    if report.breaking and bound and not writing.force:
        first = next(each for each in changes if each.breaking)
        count = sum(each.breaking for each in changes)
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise RefusalError(
            Code.FAILED_PRECONDITION,
            f"the new description breaks clients of the APIs that the plugin is bound to: {first.text}{more};"
            " ask with force to take it all the same",
            reason="INCOMPATIBLE",
            users=[
                (f"services/{use.service}/apis/{use.api}", f"{why} (environment {use.environment})")
                for use, why in broken
            ],
            details=[report],
        )
