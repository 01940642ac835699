"""What a match costs, with 10 to 10,000 templates: ``python -m bench.router``.

The templates are those of a plausible API: per resource ten of them, with resource names, ids, verbs and gRPC paths.
Each figure is processor time, the best of several rounds over paths spread evenly over all resources.
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import suppress
from itertools import product

from twistedgw.transcoding.router import MethodNotAllowed, NoRoute, Router, RouterBuilder
from twistedgw.transcoding.template import Template

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 15
MATCHES = 2_000
DEPTH = 13
BAR_US = 10.0
BAR_RATIO = 2.0

RULES = (
    ("GET", "/v1/{{name=projects/*/res{n}/*}}"),
    ("GET", "/v1/res{n}/{{id}}"),
    ("POST", "/acme.v1.Res{n}/Get"),
    ("POST", "/v1/res{n}"),
    ("POST", "/v1/{{name=projects/*/res{n}/*}}:cancel"),
    ("GET", "/v1/res{n}/{{id}}/parts/{{part}}"),
    ("DELETE", "/v1/res{n}/{{id}}"),
    ("GET", "/files/res{n}/{{path=**}}"),
    ("PATCH", "/v1/{{res.name=projects/*/res{n}/*}}"),
    ("GET", "/v1/{{parent=projects/*}}/res{n}"),
)

REQUESTS = {
    "literal": ("POST", "/acme.v1.Res{n}/Get"),
    "one variable": ("GET", "/v1/res{n}/1234567890"),
    "two variables": ("GET", "/v1/res{n}/1234567890/parts/7"),
    "multi-segment": ("GET", "/v1/projects/acme/res{n}/1234567890"),
    "with verb": ("POST", "/v1/projects/acme/res{n}/1234567890:cancel"),
    "colon, no verb": ("GET", "/v1/res{n}/urn:1234"),
    "rest": ("GET", "/files/res{n}/a/b/c/d/e.txt"),
    "escaped": ("GET", "/v1/res{n}/caf%C3%A9%2F1"),
    "404": ("GET", "/v1/res{n}/1/2/3"),
    "405": ("PUT", "/v1/res{n}/1234567890"),
}


def built(size: int) -> tuple[Router[int], float, float]:
    texts = [(method, text.format(n=n)) for n in range(size // len(RULES)) for method, text in RULES]
    start = time.perf_counter()
    parsed = [(method, Template.parse(text)) for method, text in texts]
    middle = time.perf_counter()
    builder: RouterBuilder[int] = RouterBuilder()
    for index, (method, template) in enumerate(parsed):
        assert builder.add(method, template, index) is None
    router = builder.build()
    return router, middle - start, time.perf_counter() - middle


def costs(routers: dict[int, Router[int]], method: str, path: str, matches: int = MATCHES) -> list[float]:
    """Give the microseconds a match for each router; rounds take turns, so that a busy machine slows all alike."""
    best = dict.fromkeys(routers, float("inf"))
    for _ in range(ROUNDS):
        for size, router in routers.items():
            resources = size // len(RULES)
            # Made anew each time: the path of a request has no cached hash.
            paths = [path.format(n=i * 7919 % resources).encode() for i in range(matches)]
            start = time.process_time()
            for raw in paths:
                with suppress(NoRoute, MethodNotAllowed):
                    router.match(method, raw)
            best[size] = min(best[size], time.process_time() - start)
    return [seconds / matches * 1e6 for seconds in best.values()]


def main() -> int:
    gc.disable()
    routers = {}
    print("templates       parse ms    build ms")
    for size in SIZES:
        router, parse, build = built(size)
        routers[size] = router
        print(f"{size:>9,}{parse * 1e3:>15.2f}{build * 1e3:>12.2f}")
    print("\nµs a match      " + "".join(f"{size:>10,}" for size in SIZES) + "     ratio")
    rows = [costs(routers, method, path) for method, path in REQUESTS.values()]
    rows.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    for name, row in zip([*REQUESTS, "mean"], rows, strict=True):
        print(f"{name:<16}" + "".join(f"{each:>10.2f}" for each in row) + f"{row[-1] / row[0]:>10.2f}")
    worst, ratio = max(row[-1] for row in rows), rows[-1][-1] / rows[-1][0]
    met = worst < BAR_US and ratio < BAR_RATIO
    print(
        f"\nat {SIZES[-1]:,} templates: the worst {worst:.2f} µs (bar {BAR_US:g}), the mean {ratio:.2f} times that "
        f"with {SIZES[0]} (bar {BAR_RATIO:g}): {'met' if met else 'NOT MET'}"
    )
    print(f"the worst that templates can do (all {2**DEPTH:,} mixtures of a literal and '*'): {mixtures():,.0f} µs")
    return 0 if met else 1


def mixtures() -> float:
    """Give the microseconds of a 405 where the search has to look at every template."""
    builder: RouterBuilder[str] = RouterBuilder()
    for parts in product("a*", repeat=DEPTH):
        text = "/" + "/".join(parts)
        builder.add("GET", Template.parse(text), text)
    return costs({len(RULES): builder.build()}, "PUT", "/a" * DEPTH, matches=1)[0]


if __name__ == "__main__":
    sys.exit(main())
