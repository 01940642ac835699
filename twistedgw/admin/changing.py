"""A change of the store on its way: which sections it makes, and how what is wrong with it is told."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twistedgw.admin.refusal import RefusalError, conflict, invalid
from twistedgw.config.paths import shown_path
from twistedgw.registry.store_text import Stored, UnwritableError, check_item, joined
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from twistedgw.admin.view import View
    from twistedgw.config.model import Place
    from twistedgw.errors import ConfigError, Problem
    from twistedgw.registry.store import Store

__all__ = [
    "Draft",
    "Kind",
    "changed_fields",
    "check_etag",
    "duration_text",
    "given_fields",
    "plain_path",
    "read_only",
    "take",
    "version_folder",
    "version_number",
]

_MAX_FILE = 64 << 20
_CHECKED = "twistedgw-check-"
_FILE_OPTIONS = ("proto", "descriptor_set", "ca", "certificate", "private_key")
_VERSIONED = re.compile(rf"(?:(?:plugins|backends)/[^/]+|.*?/{_CHECKED}[^/]+)/([0-9]{{6,}})(?=/files/)")
"""The folder of a version, in the text of an option."""
_STORED = re.compile(rf"^(?:.*?/)?(?:plugins/[^/]+|{_CHECKED}[^/]+)/[0-9]{{6,}}/files/")
_UNORDERED = frozenset({"protocols"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Attributes:
        name: of its sections, before the colon.
        options: the fields that a client may set, and the options that they become.
    """

    name: str
    options: Mapping[str, str]

    def section(self, name: str) -> str:
        """Give the section of an object, without brackets."""
        return f"{self.name}:{name}"


class Draft:
    """The store as it would be, while a change is planned. One thread at a time.

    Attributes:
        view: what is served now.
        sections: those of the store, by name, as they would be.
        only_check: whether nothing is to be kept.
        after: what would be served; there is one once the draft was checked.
        details: messages that go with a refusal.
    """

    def __init__(self, view: View, *, only_check: bool, actor: str = "") -> None:
        self.view = view
        self.sections: dict[str, Stored] = dict(view.stored)
        self.only_check = only_check
        self.after: View | None = None
        self._actor = actor
        self._now = time.time()
        self._fields: dict[str, dict[str, str]] = {}
        self._bases: list[tuple[str, Mapping[str, str]]] = []
        self._added: list[tuple[str, str, int]] = []
        self._written: list[Path] = []
        self._temporary: list[str] = []
        self._expectations: list[Callable[[View], None]] = []
        self.details: list[Any] = []

    # -- sections

    @property
    def changed(self) -> bool:
        """Whether there is anything to be written."""
        return self.sections != dict(self.view.stored)

    def create(self, kind: Kind, name: str, resource: str, exists: bool) -> str:
        """Begin a new section; give its name.

        Raises:
            RefusalError: there is such an object.
        """
        section = kind.section(name)
        if exists or section in self.sections:
            raise RefusalError(
                Code.ALREADY_EXISTS,
                f"{resource} exists already",
                reason="ALREADY_EXISTS",
                metadata={"resource": resource},
            )
        self.sections[section] = Stored(section, {}, 1, self._now, self._now)
        return section

    def update(self, kind: Kind, name: str, place: Place) -> str:
        """Make sure that an object can be changed; give its section's name.

        Raises:
            RefusalError: it is one of the operator's files.
        """
        section = kind.section(name)
        if self.view.section(place) is None:
            raise read_only(section, place)
        return section

    def option(self, section: str, name: str) -> str | None:
        """Give the text of an option, as it would be."""
        return self.sections[section].options.get(name)

    def put(self, section: str, name: str, text: str | None) -> None:
        """Set an option, or remove it where there is no text."""
        before = self.sections[section]
        options = {key: value for key, value in before.options.items() if key != name or text is not None}
        if text is not None:
            options[name] = text
        self._settle(replace(before, options=options))

    def _settle(self, section: Stored) -> None:
        """Take a section as it would be; what is not as it was has a new revision, once."""
        before = self.view.stored.get(section.name)
        if before is not None and before.options == section.options:
            self.sections[section.name] = before
        else:
            revision = before.revision + 1 if before is not None else 1
            self.sections[section.name] = replace(section, revision=revision, changed=self._now)

    def remove(self, section: str) -> None:
        """Remove a section."""
        self.sections.pop(section, None)

    # -- files

    def files_of(self, kind: str, name: str) -> dict[str, bytes]:
        """Give the files of the version that a section names now; nothing where it has none."""
        folder, _ = version_folder(self.view.store, self.sections.get(f"{kind}:{name}"))
        return {} if folder is None else self.view.store.files(folder, _MAX_FILE)

    def add_files(
        self,
        kind: str,
        name: str,
        files: Mapping[str, bytes],
        about: Mapping[str, Any] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> str:
        """Write files that an option is going to name; give the path of their folder as an option has it.

        Args:
            about: what is kept with the version.
            fields: by path, the field of the request that a file is from.
        """
        known = {"time": self._now, "actor": self._actor, **(about or {})}
        store = self.view.store
        if self.only_check:
            folder = tempfile.mkdtemp(prefix=_CHECKED)
            self._temporary.append(folder)
            number = max(store.versions(kind, name), default=0) + 1
            version = store.write_version(Path(folder) / f"{number:06d}", files, known)
        else:
            version = store.add_version(kind, name, files, known)
            self._added.append((kind, name, int(version.name)))
        self._written.append(version)
        absolute = str(version / "files")
        base = absolute if self.only_check else os.path.relpath(absolute, store.folder)
        self._bases.append((os.path.abspath(absolute), fields or {}))
        return base

    def describe_files(self, about: Mapping[str, Any]) -> None:
        """Add to what is kept with the files that were written last."""
        self.view.store.describe(self._written[-1], about)

    def discard(self) -> None:
        """Remove the files that were written for it: it will not be kept."""
        for kind, name, number in self._added:
            self.view.store.drop_version(kind, name, number)
        self.clean()

    def clean(self) -> None:
        """Remove temporary files."""
        for folder in self._temporary:
            shutil.rmtree(folder, ignore_errors=True)

    # -- what the configuration says to it

    def name_field(self, section: str, option: str, field: str) -> None:
        """Remember which field of the request an option is from; the whole object's for an empty option."""
        self._fields.setdefault(section, {})[option] = field

    def expect(self, make: Callable[[View], Any], wanted: Any, fields: Iterable[str], prefix: str) -> None:
        """Make sure, once it is known, that what would be served has these fields as the request has them."""
        names = list(fields)

        def compare(view: View) -> None:
            got = make(view)
            for name in names:
                _compare(got, wanted, name, f"{prefix}.{name}")

        self._expectations.append(compare)

    def expect_that(self, check: Callable[[View], None]) -> None:
        """Make sure of something once it is known what would be served: `check` raises `RefusalError`."""
        self._expectations.append(check)

    def meet(self, after: View) -> None:
        """Take what would be served, and see whether it is what was wanted.

        Raises:
            RefusalError: it is not.
        """
        for expectation in self._expectations:
            expectation(after)
        self.after = after

    def refused(self, error: ConfigError) -> RefusalError:
        """Turn a refusal of the configuration into the API's own, each problem with its field."""
        problems = [self._located(problem) for problem in error.problems]
        ours = any(field or problem.file == "" for problem, field in problems)
        first = problems[0][0]
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        return RefusalError(
            Code.INVALID_ARGUMENT if ours else Code.FAILED_PRECONDITION,
            f"the configuration would be refused: {first}{more}",
            reason="CONFIGURATION_REFUSED",
            problems=problems,
            details=self.details,
        )

    def description_refused(self, section: str, error: ConfigError) -> RefusalError:
        """Turn what a compiler says into the API's own, each problem with its field."""
        fields = self._fields.get(section, {})
        whole = fields.get("proto") or fields.get("descriptor_set") or fields.get("", "")
        located = [self._located(problem) for problem in error.problems]
        problems = [(problem, field or whole) for problem, field in located]
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        return RefusalError(
            Code.INVALID_ARGUMENT, f"{problems[0][0]}{more}", reason="DESCRIPTION_INVALID", problems=problems
        )

    def _located(self, problem: Problem) -> tuple[Problem, str]:
        problem = replace(problem, message=self._unplaced(problem.message))
        if problem.file == self.view.file:
            own = self._fields.get(problem.section, {})
            return replace(problem, file="", line=0), own.get(problem.option) or own.get("", "")
        absolute = os.path.abspath(problem.file) if problem.file else ""
        for base, fields in self._bases:
            if absolute.startswith(base + os.sep):
                path = os.path.relpath(absolute, base)
                return replace(problem, file=path), fields.get(path, "")
        return problem, ""

    def _unplaced(self, message: str) -> str:
        """Leave out where files were put: the client knows them by their paths in the upload."""
        for base, _ in self._bases:
            for shown in (shown_path(Path(base)), base):
                message = message.replace(f"'{shown}'", "the upload").replace(f"{shown}/", "")
        return message


def version_folder(store: Store, section: Stored | None) -> tuple[Path | None, int]:
    """Give the folder and the number of the version whose files a section names; None and 0 where it names none."""
    options = {} if section is None else section.options
    for option in _FILE_OPTIONS:
        found = _VERSIONED.match(options.get(option, ""))
        if found:
            return store.folder / found[0], int(found[1])
    return None, 0


def plain_path(file: str) -> str:
    """Give the path of a file as the client has named it, whichever version it is of."""
    return _STORED.sub("", file)


def version_number(store: Store, section: Stored | None) -> int:
    """Give the number of the version whose files a section names; 0 for none."""
    return version_folder(store, section)[1]


def read_only(section: str, place: Place) -> RefusalError:
    """Refuse to change an object of the operator's own files."""
    return RefusalError(
        Code.FAILED_PRECONDITION,
        f"[{section}] is declared in {place.file}:{place.line}, and can be changed there only",
        reason="READ_ONLY",
        metadata={"file": place.file, "line": str(place.line), "section": section},
    )


def check_etag(message: Any, etag: str) -> None:
    """Make sure that an object is what the client has seen, if it says what that is.

    Raises:
        RefusalError: it is not.
    """
    if etag and etag != message.etag:
        raise conflict(message.name)


def given_fields(message: Any, kind: Kind) -> list[str]:
    """Give the fields that a client may set, and has set."""
    return [field.name for field, _ in message.ListFields() if field.name in kind.options]


def changed_fields(mask: Any, message: Any, kind: Kind) -> list[str]:
    """Give the fields that an update is to change; those that clients cannot set are passed over (AIP-203).

    Raises:
        RefusalError: the mask names a field that there is none of.
    """
    if not mask.paths:
        return given_fields(message, kind)
    found: dict[str, None] = {}
    for path in mask.paths:
        name = path.partition(".")[0]
        if path == "*":
            found.update(dict.fromkeys(kind.options))
        elif name in kind.options:
            found[name] = None
        elif name not in message.DESCRIPTOR.fields_by_name:
            raise invalid("update_mask", f"{path[:200]!r} is no field of {message.DESCRIPTOR.name}")
    return list(found)


def take(draft: Draft, section: str, option: str, field: str, value: Any) -> None:
    """Put the value of a field into an option.

    Args:
        value: a text, a number, a truth value, or an iterable of texts; None to leave the option out.

    Raises:
        RefusalError: an INI file cannot hold it.
    """
    draft.name_field(section, option, field)
    if isinstance(value, bool):
        text: str | None = "yes" if value else "no"
    elif isinstance(value, int):
        text = str(value)
    elif value is None:
        text = None
    elif isinstance(value, str):
        text = checked(field, value)
    else:
        text = _list(field, list(value))
    draft.put(section, option, text)


def checked(field: str, text: str) -> str:
    """Give a text that an INI file can hold.

    Raises:
        RefusalError: it cannot.
    """
    try:
        return check_item(text)
    except UnwritableError as error:
        raise invalid(field, str(error), reason="UNWRITABLE_VALUE") from None


def _list(field: str, items: list[str]) -> str:
    for index, item in enumerate(items):
        try:
            joined([item])
        except UnwritableError as error:
            raise invalid(f"{field}[{index}]", str(error), reason="UNWRITABLE_VALUE") from None
    return joined(items)


def duration_text(duration: Any) -> str:
    """Give a Duration as an INI file has it."""
    nanos = duration.seconds * 1_000_000_000 + duration.nanos
    sign = "-" if nanos < 0 else ""
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    return f"{sign}{seconds}.{rest:09d}".rstrip("0").rstrip(".") + "s"


def _compare(got: Any, wanted: Any, name: str, field: str) -> None:
    """Refuse a value that would be read back as another one; a default may stand in for nothing."""
    descriptor = wanted.DESCRIPTOR.fields_by_name[name]
    want, have = getattr(wanted, name), getattr(got, name)
    if descriptor.is_repeated:
        want, have = list(want), list(have)
        if name in _UNORDERED:
            want, have = sorted(want), sorted(have)
        empty = not want
    else:
        empty = not wanted.HasField(name) if descriptor.has_presence else not want
    if empty or want == have:
        return
    shown = ", ".join(map(str, have)) if isinstance(have, list) else " ".join(str(have).split())
    raise invalid(field, f"would be read as {shown[:200]!r}: write it so", reason="UNWRITABLE_VALUE")
