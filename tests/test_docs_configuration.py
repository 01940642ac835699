"""The page docs/configuration.md against the table of options and against what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from config_case import Folder

from twistedgw.config.ini import MAX_GAP, MAX_LINE
from twistedgw.config.options import KINDS
from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.tree import MAX_FILE

if TYPE_CHECKING:
    from twistedgw.config.option import Kind, Option

PAGE = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text("utf-8")
COLUMNS = "| option | type and unit | default | reload | meaning |"


def sections() -> dict[str, str]:
    """Give the text under each heading that names a section."""
    parts = re.split(r"^### `\[(.+)\]`$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def variants(text: str) -> dict[str, str]:
    """Give the text under each heading that names a type, and what comes before them under an empty name."""
    first, *parts = re.split(r"^#### `type = (.+)`$", text, flags=re.MULTILINE)
    return {"": first, **dict(zip(parts[::2], parts[1::2], strict=True))}


def rows(text: str) -> list[str]:
    """Give the rows of the table of options in a text."""
    table = text.partition(COLUMNS)[2].lstrip("\n").partition("\n\n")[0]
    return table.splitlines()[1:]


def default(option: Option) -> str:
    if option.required:
        return "**required**"
    if option.default is None:
        return option.absent or "none"
    return f"`{option.default}`" if option.default else "empty"


def row(option: Option) -> str:
    reload = "applies it" if option.live else "**restart**"
    return f"| `{option.name}` | {option.type.name} | {default(option)} | {reload} | {option.about} |"


def test_the_page_has_the_sections_that_exist_and_no_others():
    assert list(sections()) == [kind.header for kind in KINDS.values()]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_section_has_the_options_that_exist_and_no_others(kind: Kind):
    text = sections()[kind.header]
    assert text.strip().startswith(kind.about)
    assert rows(variants(text)[""]) == [row(option) for option in kind.options]


def test_each_type_of_plugin_has_its_options_and_no_others():
    found = variants(sections()[KINDS["plugin"].header])
    del found[""]
    assert list(found) == list(PLUGIN_TYPES)
    for name, plugin_type in PLUGIN_TYPES.items():
        assert found[name].strip().startswith(plugin_type.about)
        assert rows(found[name]) == [row(option) for option in plugin_type.options]


def test_no_table_of_options_stands_elsewhere():
    assert PAGE.count(COLUMNS) == len(KINDS) + len(PLUGIN_TYPES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def test_the_example_is_a_right_configuration(folder):
    (example,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    for name in (
        "tls/server.pem",
        "tls/server.key",
        "tls/internal-ca.pem",
        "protos/bookstore.proto",
        "protos/types.proto",
    ):
        assert name in example
        folder.write(name)
    config = folder.load(example)
    assert config.backends["bookstore"].targets == ("bookstore.internal:443",)
    assert config.services["bookstore"].environments["test"].backend == "bookstore-staging"
    assert [path.name for path in config.plugins["bookstore-proto"].proto] == ["bookstore.proto", "types.proto"]


def test_the_report_is_what_the_gateway_says(folder):
    folder.write(
        "conf.d/tls.ini",
        "[listener:https]\nendpoint = tcp:8443\nprotocol = https\ncertificate = server.pem\nprivate_key = ../key.pem\n",
    )
    folder.write("key.pem")
    main = (
        "[gateway]\ninclude = conf.d/*.ini\nrequest_timout = 1s\n[service:shop]\n"
        "[backend:shop]\nprotocol = grpc\ntarget = localhost:1\n[api:shop/all]\nbackend = shpo\nrpc = shop.v1.Shop/*\n"
    )
    (report,) = re.findall(r"```console\n\$ grpcgw check -c gateway.ini\n(.*?)```", PAGE, re.DOTALL)
    assert [line.replace("gw.ini", "gateway.ini") for line in folder.problems(main)] == report.splitlines()


def test_the_limits_are_those_of_the_code():
    assert f"{MAX_FILE >> 20} MiB at most" in PAGE
    assert f"lines of {MAX_LINE:,} characters at most" in PAGE
    assert f"{MAX_GAP} blanks in a row at most" in PAGE


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("idle_timeout = 1.5s", 1.5),
        ("idle_timeout = 500ms", 0.5),
        ("idle_timeout = 1h", 3600.0),
        ("idle_timeout: 2m", 120.0),
        ("IDLE_TIMEOUT = 8760h", 31_536_000.0),
    ],
)
def test_durations_as_the_page_has_them(folder, line, what):
    assert folder.load(f"[gateway]\n{line}\n[listener:x]\nendpoint = tcp:0\n").gateway.idle_timeout == what
