"""What each type of option takes, and what it says to the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twistedgw.config import scalars
from twistedgw.config.mapping import BODY, METHOD, PATH_TEMPLATE, PREFIX, RPC, Rpc
from twistedgw.config.network import HOSTS, NETWORKS, SERVER_NAME, grpc_target, http_target
from twistedgw.config.option import Context, RefusedError
from twistedgw.config.options import KINDS
from twistedgw.config.scalars import BOOLEAN, DURATION, DURATION_OR_ZERO, IDENTIFIER, TEXT, WORKERS

HERE = Context(Path("/etc/gw"))
SIZE = scalars.size(1, 1 << 31)
COUNT = scalars.integer(1, 100)


def refusal(call, *args) -> tuple[str, str]:
    with pytest.raises(RefusedError) as caught:
        call(*args)
    hint = caught.value.hint
    return caught.value.reason, hint() if callable(hint) else hint


@pytest.mark.parametrize(
    ("option_type", "text", "value"),
    [
        (DURATION, "500ms", 0.5),
        (DURATION, "15s", 15.0),
        (DURATION, "2m", 120.0),
        (DURATION, "1h", 3600.0),
        (DURATION, "1.5s", 1.5),
        (DURATION, "1ms", 0.001),
        (DURATION, "8760h", 31_536_000.0),
        (DURATION_OR_ZERO, "0s", 0.0),
        (SIZE, "1000", 1000),
        (SIZE, "512KiB", 524_288),
        (SIZE, "4MiB", 4_194_304),
        (SIZE, "1GiB", 1_073_741_824),
        (SIZE, "1", 1),
        (COUNT, "1", 1),
        (COUNT, "100", 100),
        (WORKERS, "3", 3),
        *((BOOLEAN, text, True) for text in ("yes", "true", "on", "1", "YES", "True")),
        *((BOOLEAN, text, False) for text in ("no", "false", "off", "0", "NO", "Off")),
        (TEXT, "a  b\nc", "a b c"),
        (IDENTIFIER, "_aB1", "_aB1"),
        (METHOD, "get", "GET"),
        (METHOD, "*", "*"),
        (METHOD, "PROPFIND", "PROPFIND"),
        (RPC, "a.b.C/D", Rpc("a.b.C", "D")),
        (RPC, "C/*", Rpc("C", "*")),
        (BODY, "", ""),
        (BODY, "*", "*"),
        (BODY, "book", "book"),
        (PATH_TEMPLATE, "/v1/{name=a/*}:verb", "/v1/{name=a/*}:verb"),
        (PREFIX, "/", ""),
        (PREFIX, "/a/b/", "/a/b"),
        (PREFIX, "/a%20b", "/a%20b"),
        (HOSTS, "", ()),
        (HOSTS, "A.Example.com, *.example.com\nlocalhost", ("a.example.com", "*.example.com", "localhost")),
        (HOSTS, "a, A, a", ("a",)),
        (HOSTS, "bücher.example, xn--bcher-kva.example", ("xn--bcher-kva.example",)),
        (HOSTS, "127.0.0.1, ::1, [FD00::1], my_host", ("127.0.0.1", "[::1]", "[fd00::1]", "my_host")),
        (SERVER_NAME, "A.internal", "a.internal"),
        (NETWORKS, "10.0.0.0/8, 192.0.2.1, fd00::/8", ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")),
    ],
)
def test_a_value_is_taken(option_type, text, value):
    assert option_type.convert(text, HERE) == value


def test_auto_workers_are_one_for_each_core_that_this_process_may_use():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert WORKERS.convert("auto", HERE) == cores


@pytest.mark.parametrize(
    ("option_type", "text", "reason", "hint"),
    [
        (DURATION, "15", "is not a duration", "write 15s"),
        (DURATION, "15 s", "is not a duration", "write 15s"),
        (DURATION, "2M", "is not a duration", "write 2m"),
        (DURATION, "5sec", "is not a duration", "write 15s, 500ms or 2m"),
        (DURATION, "1m30s", "is not a duration", "write 15s, 500ms or 2m"),
        (DURATION, "-1s", "is not a duration", "write 15s, 500ms or 2m"),
        (DURATION, "infs", "is not a duration", "write 15s, 500ms or 2m"),
        (DURATION, "٣s", "is not a duration", "write 15s, 500ms or 2m"),
        (DURATION, "9" * 5000 + "s", "is not a duration", "write 15s, 500ms or 2m"),
        (DURATION, "0s", "is too short", "1ms is the shortest"),
        (DURATION, "0.5ms", "is too short", "1ms is the shortest"),
        (DURATION, "8761h", "is too long", "8760h is the longest"),
        (SIZE, "4MB", "is not a size", "write 4MiB"),
        (SIZE, "4 mib", "is not a size", "write 4MiB"),
        (SIZE, "512k", "is not a size", "write 512KiB"),
        (SIZE, "10B", "is not a size", "write 10"),
        (SIZE, "1.5MiB", "is not a size", "write 4MiB, 512KiB or 1000"),
        (SIZE, "1TiB", "is not a size", "write 4MiB, 512KiB or 1000"),
        (SIZE, "9" * 5000, "is not a size", "write 4MiB, 512KiB or 1000"),
        (SIZE, "0", "is less than 1", ""),
        (SIZE, "3GiB", "is more than 2147483648", ""),
        (COUNT, "many", "is not a whole number", ""),
        (COUNT, "1.0", "is not a whole number", ""),
        (COUNT, "1_0", "is not a whole number", ""),
        (COUNT, "9" * 5000, "is not a whole number", ""),
        (COUNT, "-1", "is less than 1", ""),
        (COUNT, "101", "is more than 100", ""),
        (WORKERS, "all", "is not a whole number", "or write auto for one per core"),
        (WORKERS, "0", "is less than 1", "or write auto for one per core"),
        (BOOLEAN, "maybe", "is not yes or no", "yes, true, on, 1 or no, false, off, 0"),
        (scalars.choice("auto", "thread"), "threads", "is not one of auto, thread", "did you mean 'thread'?"),
        (scalars.choice("auto", "thread"), "xyz", "is not one of auto, thread", ""),
        (IDENTIFIER, "a.b", "is not a name", "letters, digits and '_'; no package, no dots"),
        (METHOD, "GET /", "is not an HTTP method", ""),
        (RPC, "/a.B/C", "is not an RPC", "write a.B/C"),
        (RPC, "a.B.C", "is not an RPC", "write a.B/C"),
        (RPC, "C", "is not an RPC", "write package.Service/Method, or package.Service/* for the whole service"),
        (RPC, "a.B/C*", "is not an RPC", "write package.Service/Method, or package.Service/* for the whole service"),
        (RPC, "a.É/C", "is not an RPC", "write package.Service/Method, or package.Service/* for the whole service"),
        (BODY, "a.b", "is not a body", "write *, the name of a field of the request, or nothing for no body"),
        (PREFIX, "a", "is not a prefix", "column 1: "),
        (PREFIX, "/a//b", "is not a prefix", "column 4: "),
        (PREFIX, "/{a}", "is not a prefix", "a prefix has no '*', no '{variable}' and no ':'"),
        (PREFIX, "/*", "is not a prefix", "a prefix has no '*', no '{variable}' and no ':'"),
        (PREFIX, "/a:b", "is not a prefix", "a prefix has no '*', no '{variable}' and no ':'"),
        (PREFIX, "/a/../b", "is not a prefix", "clients take '.' and '..' out of a path"),
        (PREFIX, "/%2e", "is not a prefix", "clients take '.' and '..' out of a path"),
        (PATH_TEMPLATE, "/v1/{x", "is not a path template", "column 7: "),
        (PATH_TEMPLATE, "v1", "is not a path template", "column 1: "),
        (HOSTS, "*", "is not a host", "leave hosts out for any host"),
        (HOSTS, "a.*.b", "is not a host", "'*.' may stand at the front only"),
        (HOSTS, "*.*.b", "is not a host", "'*.' may stand at the front only"),
        (HOSTS, "a:80", "is not a host", "a host has no port here"),
        (HOSTS, "[::1]:80", "is not a host", "a host has no port here"),
        (HOSTS, "http://a", "is not a host", ""),
        (HOSTS, "-a", "is not a host", ""),
        (HOSTS, "a..b", "is not a host", ""),
        (HOSTS, "*.", "is not a host", ""),
        (HOSTS, "a" * 64, "is not a host", ""),
        (HOSTS, ".".join(["a" * 50] * 6), "is not a host", ""),
        (HOSTS, "\u2603\u200d", "is not a host", ""),
        (SERVER_NAME, "*.a", "is not the name of one host", ""),
        (NETWORKS, "10.0.0.1/8", "is not a network", "write 10.0.0.0/8"),
        (NETWORKS, "proxy", "is not a network", "write 10.0.0.0/8, 192.0.2.1 or fd00::/8"),
    ],
)
def test_a_value_is_refused(option_type, text, reason, hint):
    told = refusal(option_type.convert, text, HERE)
    assert told[0] == reason
    assert told[1].startswith(hint) if hint.endswith(": ") else told[1] == hint


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("localhost:50051", "localhost:50051"),
        ("10.0.0.1:1", "10.0.0.1:1"),
        ("[::1]:65535", "[::1]:65535"),
        ("dns:///a:1", "dns:///a:1"),
        ("dns:a", "dns:a"),
        ("ipv4:10.0.0.1:50051", "ipv4:10.0.0.1:50051"),
        ("ipv6:[::1]:50051", "ipv6:[::1]:50051"),
        ("xds:///a", "xds:///a"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("unix:///run/a.sock", "unix:///run/a.sock"),
        ("unix:run/a.sock", "unix:/etc/gw/run/a.sock"),
        ("unix-abstract:a", "unix-abstract:a"),
    ],
)
def test_a_grpc_target_is_taken(text, target):
    assert grpc_target(text, HERE.folder) == target


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("localhost", "has no port", "write host:port"),
        ("[::1]", "has no port", "write host:port"),
        ("a:0", "is not host:port", "a port is a number from 1 to 65535"),
        ("a:65536", "is not host:port", "a port is a number from 1 to 65535"),
        ("a:http", "is not host:port", "a port is a number from 1 to 65535"),
        ("a:", "is not host:port", "a port is a number from 1 to 65535"),
        ("dns:", "is not host:port", "a port is a number from 1 to 65535"),
        ("::1:80", "is not host:port", "an IPv6 address stands in brackets: [::1]:50051"),
        ("[::g]:80", "is not host:port", ""),
        (":80", "is not host:port", ""),
        ("a/b:80", "is not host:port", ""),
        ("http://a:80", "is not a gRPC target", "write host:port, without a scheme"),
        ("grpc://a:80", "is not a gRPC target", "write host:port, without a scheme"),
        ("a b:80", "is not a gRPC target", "printable ASCII characters without spaces only"),
    ],
)
def test_a_grpc_target_is_refused(text, reason, hint):
    assert refusal(grpc_target, text, HERE.folder) == (reason, hint)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://a", "http://a"),
        ("http://a:80/", "http://a:80"),
        ("http://a.b/base/path/", "http://a.b/base/path"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
    ],
)
def test_an_http_target_is_taken(text, url):
    assert http_target(text, "http") == url
    assert http_target(text.replace("http:", "https:"), "https") == url.replace("http:", "https:")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://a", "is not a URL that starts with http://"),
        ("a:80", "is not a URL that starts with http://"),
        ("http:a", "is not a URL that starts with http://"),
        ("http://", "is not a URL"),
        ("http://a:b", "is not a URL"),
        ("http://a:0", "is not a URL"),
        ("http://a:", "is not a URL"),
        ("http://a:65536", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://[::1]x:80", "is not a URL"),
        ("http://-a/", "is not a URL"),
        ("http://a b", "is not a URL"),
        ("http://a?x", "has a query, a fragment or a user name, which a backend's URL cannot have"),
        ("http://a/?", "has a query, a fragment or a user name, which a backend's URL cannot have"),
        ("http://a#x", "has a query, a fragment or a user name, which a backend's URL cannot have"),
        ("http://u:p@a", "has a query, a fragment or a user name, which a backend's URL cannot have"),
    ],
)
def test_an_http_target_is_refused(text, reason):
    assert refusal(http_target, text, "http") == (reason, "write http://HOST[:PORT][/PATH]")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_default_is_a_value_of_its_own_type(kind):
    for option in kind.every:
        assert not (option.required and (option.default is not None or option.absent)), option.name
        if option.default is not None:
            option.type.convert(option.default, HERE)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_option_stands_twice(kind):
    names = [option.name for option in kind.every]
    assert names == list(dict.fromkeys(names))
