"""From the path of an INI file to a `Config`, or to everything that is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from twistedgw.config.build import build
from twistedgw.config.declared import Declared
from twistedgw.config.links import check_duplicates, check_links, check_names
from twistedgw.config.option import Context
from twistedgw.config.paths import shown_path
from twistedgw.config.report import Report
from twistedgw.config.rules import RULES
from twistedgw.config.rules_api import check_api
from twistedgw.config.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twistedgw.config.model import Config

__all__ = ["load"]


def load(
    path: Path, environ: Mapping[str, str] = os.environ, texts: Mapping[Path, str] = MappingProxyType({})
) -> Config:
    """Read a configuration: the file, all that it includes, and what its state folder holds.

    Args:
        path: of the main file; a relative one starts from the working folder.
        environ: what ``${NAME}`` stands for.
        texts: what is read in place of files, by their absolute paths: to see what would be if they were written.

    Raises:
        ConfigError: with every problem of every file.
    """
    report = Report()
    main = _absolute(path)
    tree = Tree(main, environ, report, texts)
    declared = Declared(tree.sections)
    names = None if report.unread else declared.names()
    for section in tree.sections:
        if section is not tree.gateway:
            section.convert(Context(section.folder, names), environ)
    _check(tree, declared, report, shown_path(main))
    report.check()
    return build(tree.gateway, declared, tuple(tree.files))


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError:  # the working folder is gone
        return Path("/") / path


def _check(tree: Tree, declared: Declared, report: Report, main: str) -> None:
    protocols = declared.protocols()
    for section in tree.sections:
        rule = RULES.get(section.kind.name)
        if rule is not None:
            rule(section)
        elif section.kind.name == "api":
            check_api(section, protocols)
    check_duplicates(declared, main)
    check_links(declared)
    if not report.unread:
        check_names(declared)
        _check_listeners(declared, report, main)


def _check_listeners(declared: Declared, report: Report, main: str) -> None:
    if not declared.of("listener"):
        hint = "add a section such as [listener:http] with endpoint = tcp:8080"
        report.add(main, 0, "there is no [listener:NAME] section, so nothing would be served", hint=hint)
