"""``python -m bench``: twistedgw beside Envoy, grpc-gateway and a gateway written by hand. See bench/README.md."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import build, machine, measure, plan, results
from bench.generator import LoadError
from bench.measure import say
from bench.places import RESULTS
from bench.processes import StartError
from bench.workloads import all_workloads
from bench.world import PEERS


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part) for part in text.split(",")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures twistedgw beside its peers, in one run on one machine: CPU per request, rates,"
        " latencies, memory.",
        epilog="Without any option: everything but --soak, about an hour. Results go to bench/results."
        " Ends with 1 where a gateway answers something wrong or does not last, whatever the figures are.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="four gateways, 32 connections, short rounds: under three minutes")
    add("--only", type=_names, metavar="A,B", help=f"these gateways: {', '.join(PEERS)}")
    add("--workload", type=_names, metavar="A,B", help=f"these workloads: {', '.join(all_workloads())}")
    add("--rounds", type=int, metavar="N", help="how often each gateway is started in turn (default 3)")
    add("--duration", type=float, metavar="S", help="seconds of one measurement (default 2; quick 0.5)")
    add("--connections", type=_numbers, metavar="1,32", help="numbers of connections (default 1,32,256; quick 32)")
    add("--scaling", action="store_true", help="only the curves: routes, plugins, idle connections")
    add("--soak", action="store_true", help="only the memory over 500 reloads and 1,000,000 requests")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="where the results go (default bench/results)")
    add("--publish", action="store_true", help="also write docs/benchmarks.md and docs/bench.png; alone: only that")
    return parser


def _plan(options: argparse.Namespace, parser: argparse.ArgumentParser) -> plan.Plan:
    known = {"--only": (options.only, PEERS), "--workload": (options.workload, all_workloads())}
    for option, (names, among) in known.items():
        wrong = [name for name in names or () if name not in among]
        if wrong:
            parser.error(f"{option}: there is no {wrong[0]!r}; there are {', '.join(among)}")
    peers = options.only or tuple(name for name, peer in PEERS.items() if peer.quick or not options.quick)
    workloads = options.workload or tuple(all_workloads())
    found = (plan.quick if options.quick else plan.whole)(peers, workloads)
    chosen = {name: getattr(options, name) for name in ("rounds", "duration", "connections")}
    return replace(found, **{name: value for name, value in chosen.items() if value is not None})


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if sys.argv[1:] == ["--publish"]:
        return results.publish(options.out)
    chosen = _plan(options, parser)
    parts = [name for name in ("scaling", "soak") if getattr(options, name)]
    if not parts:
        chosen_part = options.quick or options.only or options.workload or options.connections
        parts = ["run"] if chosen_part else ["run", "scaling"]
    try:
        build.basics()
    except build.BuildError as error:
        say(f"The backend and the load generator are written in Go: {error}")
        return 2
    about: dict[str, Any] = {"machine": machine.machine(), "versions": machine.versions(chosen.peers)}
    try:
        _measure(parts, chosen, options.out, about)
    except (StartError, LoadError, ConnectionError) as error:
        say(str(error))
        return 2
    results.write_pages(options.out)
    print(results.conclusion(options.out))
    published = results.publish(options.out) if options.publish else 0
    return 1 if results.wrong(options.out) else published


def _measure(parts: list[str], chosen: plan.Plan, out: Path, about: dict[str, Any]) -> None:
    if "run" in parts:
        found = measure.run(chosen, all_workloads())
        results.update(out, about, vars(found))
    if "scaling" in parts:
        from bench import scaling

        results.update(out, about, {"scaling": scaling.run()})
    if "soak" in parts:
        from bench import soak

        results.update(out, about, {"soak": soak.run()})


if __name__ == "__main__":
    sys.exit(main())
