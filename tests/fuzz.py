"""Throws hostile input at the pure core for as long as it is told; nothing but the declared errors may come out.

    python tests/fuzz.py [--seconds 180] [--seed N]

Templates, paths, queries, forms and JSON: random bytes, random pieces of what is meaningful, and mutations of both. It
prints the seed and the input of whatever escapes, and exits with 1. The suite's property tests do the same for a few
seconds; this is for longer runs (`CODEC_EXAMPLES=20000 pytest tests/test_transcoding_codec_properties.py` is another).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from grpc_backend import ECHO_PROTO, compile_proto

from twistedgw.errors import InvalidArgument
from twistedgw.transcoding.binder import Binder, BindOptions, Body
from twistedgw.transcoding.codec import Codec, parse_json
from twistedgw.transcoding.router import MalformedPath, MethodNotAllowed, NoRoute, RouterBuilder
from twistedgw.transcoding.rule import HttpRule
from twistedgw.transcoding.template import Template, TemplateError

PIECES = {
    "template": [
        "/",
        "a",
        "{",
        "}",
        "=",
        "*",
        "**",
        ":",
        ".",
        "x",
        "%2F",
        "%",
        "é",
        "inner.text",
        "{text}",
        "{text=**}",
    ],
    "path": ["/", "a", "v1", "%2F", "%2f", "%", "%zz", "%ff", "%C3%A9", ":", "shout", "..", "x", "é", "\0"],
    "query": [
        "text",
        "=",
        "&",
        "inner.",
        "count",
        "labels[",
        "]",
        "list",
        "big",
        "at",
        "mood",
        "%",
        "+",
        "1e9",
        "NaN",
        "$alt",
    ],
    "json": [
        '{"',
        '":',
        ",",
        "[",
        "]",
        "{",
        "}",
        '"',
        "text",
        "inner",
        "labels",
        "at",
        "1e400",
        "-0",
        "null",
        "\\ud800",
        "\\u0000",
    ],
}


def text(source: random.Random, kind: str) -> str:
    return "".join(source.choice(PIECES[kind]) for _ in range(source.randrange(30)))


def octets(source: random.Random, kind: str) -> bytes:
    """Meaningful pieces, now and then with bytes changed, or bytes alone."""
    if source.random() < 0.1:
        return source.randbytes(source.randrange(60))
    data = bytearray(text(source, kind).encode())
    if data and source.random() < 0.3:
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
    return bytes(data)


def targets(source: random.Random) -> dict[str, Callable[[], object]]:
    with tempfile.TemporaryDirectory() as folder:
        schema = compile_proto(ECHO_PROTO, Path(folder))
    codec = Codec(schema.pool)
    method = schema.services["echo.v1.Echo"].methods_by_name["Say"]
    builder: RouterBuilder[str] = RouterBuilder()
    templates = ["/v1/say/{text}", "/v1/{text=a/**}", "/v1/**:shout", "/v1/*/x", "/{text=**}"]
    for each in templates:
        builder.add("GET", Template.parse(each), each)
    router = builder.build()
    rule = HttpRule("POST", "/v1/say/{text}", "inner")
    by_field = Binder(rule, Template.parse(rule.template), method, codec, BindOptions())
    whole = HttpRule("POST", "/v1/deep/{inner.count}", "*")
    by_body = Binder(whole, Template.parse(whole.template), method, codec, BindOptions(ignore_unknown_query=True))
    kinds = [None, "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/x"]
    decode = codec.decoder(method.input_type)
    return {
        "template": lambda: Template.parse(text(source, "template")),
        "path": lambda: router.match(source.choice(["GET", "PUT"]), b"/" + octets(source, "path")),
        "query": lambda: by_field.bind([text(source, "path")], octets(source, "query"), Body(None, b"")),
        "body": lambda: by_field.bind(
            ["x"], b"", Body(source.choice(kinds), octets(source, source.choice(["json", "query"])))
        ),
        "whole": lambda: by_body.bind(["1"], octets(source, "query"), Body(None, octets(source, "json"))),
        "parse": lambda: parse_json(octets(source, "json")),
        "json": lambda: decode(octets(source, "json")),
    }


DECLARED = (TemplateError, NoRoute, MethodNotAllowed, MalformedPath, InvalidArgument)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    source = random.Random(options.seed)
    tried = dict.fromkeys(runs := targets(source), 0)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        for name, run in runs.items():
            state = source.getstate()
            tried[name] += 1
            try:
                run()
            except DECLARED:
                pass
            except Exception:
                traceback.print_exc()
                source.setstate(state)
                print(f"{name}: escaped with --seed {options.seed} at try {tried[name]}")
                return 1
    print(f"seed {options.seed}: nothing escaped;", ", ".join(f"{name} {count:,}" for name, count in tried.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
