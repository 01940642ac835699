"""``grpcgw``: looks at a configuration without serving it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twistedgw import __version__
from twistedgw.errors import ConfigError
from twistedgw.reactors import install_reactor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twistedgw.assembly import Assembled
    from twistedgw.config.plugins.stage import Stage
    from twistedgw.registry.route import Route

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        the exit status: 0, or 1 for a configuration that is wrong (2 for a wrong command line). `explain` gives 1 for a
        request that would be refused too, and `check --strict` for warnings.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        print(error.report(), file=sys.stderr)
        return 1
    except BrokenPipeError:  # `grpcgw routes | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grpcgw", description="Looks at a configuration without serving it.")
    parser.add_argument("--version", action="version", version=f"twistedgw {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    found: dict[str, argparse.ArgumentParser] = {}
    for name, run, text in (
        ("check", _check, "tell every problem of a configuration; exit 0 or 1"),
        ("routes", _routes, "list what would be served: method, URL, RPC, rule"),
        ("explain", _explain, "tell what a request would become, without sending it; exit 1 if it would be refused"),
        ("openapi", _openapi, "print the OpenAPI 3.1 document of what a service serves in an environment"),
    ):
        command = found[name] = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "-c", "--config", type=Path, metavar="FILE", help="the INI file; default: the embedded demo"
        )
        command.set_defaults(run=run)
    found["check"].add_argument("--strict", action="store_true", help="exit 1 if there are warnings")
    _add_request(found["explain"])
    _add_document(found["openapi"])
    return parser


def _add_request(command: argparse.ArgumentParser) -> None:
    command.add_argument("method", metavar="METHOD", help="such as GET")
    command.add_argument("url", metavar="URL", help="http://HOST/PATH?QUERY, https://..., or /PATH?QUERY alone")
    command.add_argument(
        "-d",
        "--data",
        action="append",
        default=[],
        type=_data,
        metavar="BODY",
        help="the body; @FILE reads it from a file, @- from standard input; several are joined by &",
    )
    command.add_argument(
        "-H", "--header", action="append", default=[], type=_header, metavar="'NAME: VALUE'", help="a header field"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(fail=command.error)


def _add_document(command: argparse.ArgumentParser) -> None:
    command.add_argument("--service", metavar="S", help="default: the one there is")
    command.add_argument("--environment", metavar="E", default="release", help="default: release")
    command.add_argument("--format", choices=("json", "yaml"), default="json", help="default: json")
    command.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="URL",
        help="what comes before the environment's prefix, such as https://api.example.com; may be repeated;"
        " default: by the service's hosts and protocols",
    )
    command.add_argument(
        "--every-path",
        action="store_true",
        help="show POST /package.Service/Method also for RPCs that have another path",
    )
    command.set_defaults(fail=command.error)


def _data(text: str) -> bytes:
    if not text.startswith("@"):
        return os.fsencode(text)
    try:
        return sys.stdin.buffer.read() if text == "@-" else Path(text[1:]).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error.strerror}") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"expected 'NAME: VALUE', got {text!r}")
    return name, value


def _load(options: argparse.Namespace) -> Assembled:
    install_reactor()
    from twistedgw.start import assembly  # imports the reactor

    return assembly(options.config.absolute() if options.config else None, os.environ).load()


def _check(options: argparse.Namespace) -> int:
    snapshot = _load(options).snapshot
    from twistedgw.registry.lint import lint

    config, warnings = snapshot.config, lint(snapshot)
    for warning in warnings:
        print(f"warning: {warning}")
    also = f", {_count(len(warnings), 'warning')}" if warnings else ""
    print(
        f"{options.config or 'the embedded demo'}: no problems{also};"
        f" {_count(len(snapshot.routes), 'route')}, {_count(len(config.services), 'service')},"
        f" {_count(len(config.plugins), 'plugin')}, {_count(len(config.backends), 'backend')}"
    )
    return 1 if warnings and options.strict else 0


def _explain(options: argparse.Namespace) -> int:
    snapshot = _load(options).snapshot
    from twistedgw.explain_text import explain_text
    from twistedgw.frontends.explain import explain

    try:
        found = explain(snapshot, options.method, options.url, options.header, b"&".join(options.data))
    except ValueError as error:
        options.fail(str(error))
    print(json.dumps(found.to_json(), indent=2) if options.json else explain_text(found))
    return 0 if found.sent else 1


def _openapi(options: argparse.Namespace) -> int:
    snapshot = _load(options).snapshot
    from twistedgw.openapi.document import document
    from twistedgw.openapi.text import to_json, to_yaml

    services = snapshot.config.services
    name = options.service or (next(iter(services)) if len(services) == 1 else "")
    if name not in services:
        known = f"there are {', '.join(sorted(services))}" if services else "there are none"
        options.fail(f"there is no service {name!r}; {known}" if name else f"--service is needed: {known}")
    if options.environment not in services[name].environments:
        known = ", ".join(sorted(services[name].environments))
        options.fail(f"service {name} has no environment {options.environment!r}; it has {known}")
    found = document(snapshot, name, options.environment, servers=options.server, every_path=options.every_path)
    print((to_yaml if options.format == "yaml" else to_json)(found), end="")
    return 0


def _routes(options: argparse.Namespace) -> int:
    snapshot = _load(options).snapshot
    rows = {
        row
        for route in snapshot.routes
        for row in _rows(route, snapshot.config.services[route.origin.service].hosts, snapshot.stages)
    }
    widths = [max((len(row[column]) for row in rows), default=0) for column in (1, 2)]
    for _, served, rpc, rule in sorted(rows):
        print(f"{served:{widths[0]}}  {rpc:{widths[1]}}  {rule}")
    return 0


def _rows(route: Route, hosts: Sequence[str], stages: Mapping[str, Stage]) -> list[tuple[str, str, str, str]]:
    """Give the lines of a route, one for each host: what they are sorted by, and their three columns."""
    origin = route.origin
    plugins = "".join(f" +{name}" for name, stage in stages.items() if stage in route.stages)
    rule = f"{route.kind} {route.written} [{origin.service}/{origin.api} {origin.environment}]{plugins}"
    urls = [f"{host}{route.template.text}" for host in hosts or ("",)]
    return [(url, f"{route.rule.method} {url}", route.rpc, rule) for url in urls]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


if __name__ == "__main__":
    sys.exit(main())
