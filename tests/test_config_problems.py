"""Every refusal about a whole configuration, read as an operator reads it."""

from __future__ import annotations

from textwrap import dedent

import pytest
from config_case import MINIMAL, WHOLE, Folder

from twistedgw.config import rules
from twistedgw.errors import ConfigError, Problem


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path)
    for name in ("a.pem", "b.pem", "p/a.proto"):
        folder.write(name)
    return folder


def report(folder: Folder, text: str) -> list[str]:
    """Give the problems of a text that stands after `WHOLE`, lines counted from its own first."""
    before = WHOLE.count("\n")
    lines = []
    for line in folder.problems(WHOLE + dedent(text).lstrip("\n")):
        file, number, rest = line.split(":", 2)
        assert file == "gw.ini"
        lines.append(f"{int(number) - before}:{rest}")
    return lines


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        # Sections
        ("[gatway]", ["1: [gatway]: is not a known section (did you mean [gateway]?)"]),
        ("[Gateway]", ["1: [Gateway]: is not a known section (did you mean [gateway]?)"]),
        ("[listner:x]", ["1: [listner:x]: is not a known section (did you mean [listener:x]?)"]),
        ("[DEFAULT]\nx = 1", ["1: [DEFAULT]: is not a known section"]),
        ("[listener]", ["1: [listener]: is not a known section (write [listener:NAME])"]),
        ("[gateway:x]", ["1: [gateway:x]: is not a known section (write [gateway])"]),
        ("[api:s]", ["1: [api:s]: is not a known section (write [api:SERVICE/NAME])"]),
        ("[api:s/a/b]", ["1: [api:s/a/b]: is not a known section (write [api:SERVICE/NAME])"]),
        (
            "[service:a b]",
            ["1: [service:a b]: has a name that cannot be (letters, digits, '_', '.' and '-', 128 characters at most)"],
        ),
        (
            "[environment:s/..]",
            [
                (
                    "1: [environment:s/..]: has a name that cannot be"
                    " (letters, digits, '_', '.' and '-', 128 characters at most)"
                )
            ],
        ),
        ("[service:x]\n[service:y]\n[service:x]", ["3: [service:x]: is declared twice: first on line 15"]),
        # Options
        (
            "[gateway]\nrequest_timout = 1s",
            ["2: [gateway] request_timout: is not an option of this section (did you mean 'request_timeout'?)"],
        ),
        (
            "[gateway]\nmax-in-flight = 1",
            ["2: [gateway] max-in-flight: is not an option of this section (did you mean 'max_in_flight'?)"],
        ),
        ("[gateway]\nzzz = 1", ["2: [gateway] zzz: is not an option of this section"]),
        ("[gateway]\nthreads = 1\nTHREADS = 2", ["3: [gateway] threads: is written twice: first on line 16"]),
        (
            "[gateway]\nthreads = 1\n  2",
            [
                (
                    "2: [gateway] threads: has a value of several lines"
                    " (a line that starts with whitespace continues the line above)"
                )
            ],
        ),
        ("[gateway]\nthreads =", ["2: [gateway] threads: has no value (leave it out for 32)"]),
        ("[gateway]\nthreads = ${X", ["2: [gateway] threads: has a '${' that is no variable"]),
        ("[listener:x]", ["1: [listener:x] endpoint: is missing"]),
        ("[listener:x]\nendpoint =", ["2: [listener:x] endpoint: has no value"]),
        # Lists tell about each item
        (
            "[service:t]\nhosts = ok, *, a:1",
            [
                "2: [service:t] hosts: '*' is not a host (leave hosts out for any host)",
                "2: [service:t] hosts: 'a:1' is not a host (a host has no port here)",
            ],
        ),
        (
            "[service:t]\nprotocols = http, htps",
            ["2: [service:t] protocols: 'htps' is not one of http, https (did you mean 'https'?)"],
        ),
        ("[service:t]\nprotocols =", ["2: [service:t] protocols: has no value (leave it out for http, https)"]),
        ("[service:t]\nprotocols = ,", ["2: [service:t] protocols: ',' has no items"]),
        # Listeners
        (
            "[listener:x]\nendpoint = tcp:1\nprotocol = https",
            [
                "1: [listener:x] certificate: is needed where protocol = https",
                "1: [listener:x] private_key: is needed where protocol = https",
            ],
        ),
        (
            "[listener:x]\nendpoint = tcp:1\ncertificate = a.pem\nprivate_key = a.pem\nclient_ca = a.pem\nhttp2 = yes",
            [
                "3: [listener:x] certificate: goes with protocol = https only",
                "4: [listener:x] private_key: goes with protocol = https only",
                "5: [listener:x] client_ca: goes with protocol = https only",
                "6: [listener:x] http2: goes with protocol = https only",
            ],
        ),
        (
            "[listener:x]\nendpoint = tcp:1\nprotocol = https\ncertificate = x.pem\nprivate_key = p",
            [
                "4: [listener:x] certificate: 'x.pem' does not exist (a path is relative to the file that names it)",
                "5: [listener:x] private_key: 'p' is a folder, not a file",
            ],
        ),
        # Services, environments
        (
            "[environment:t/test]",
            [
                "1: [environment:t/test]: belongs to a service that is not declared: 't'",
            ],
        ),
        (
            "[service:bookstore]\n[environment:bookstor/x]",
            [
                (
                    "2: [environment:bookstor/x]: belongs to a service that is not declared: 'bookstor'"
                    " (did you mean [environment:bookstore/x]?)"
                )
            ],
        ),
        (
            "[environment:s/test]\nprefix = /",
            ["2: [environment:s/test] prefix: is the same as that of environment 'release'"],
        ),
        (
            "[environment:s/release]\nprefix = /test/",
            ["2: [environment:s/release] prefix: is the same as that of environment 'test'"],
        ),
        (
            "[environment:s/release]\nprefix = /x\n[environment:s/x]",
            ["2: [environment:s/release] prefix: is the same as that of environment 'x'"],
        ),
        (
            "[environment:s/x]\nprefix = /%61\n[environment:s/y]\nprefix = /a",
            ["4: [environment:s/y] prefix: is the same as that of environment 'x'"],
        ),
        (
            "[environment:s/test]\nbackend = bb",
            ["2: [environment:s/test] backend: 'bb' names no backend (did you mean 'b'?)"],
        ),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B/*\n[environment:s/test]\nbackend = h",
            [
                (
                    "5: [environment:s/test] backend: 'h' names a backend whose protocol is http,"
                    " but [api:s/a] has a gRPC backend"
                )
            ],
        ),
        (
            "[api:s/a]\nbackend = h\nmethod = *\npath = /\n[environment:s/test]\nbackend = b",
            [
                (
                    "6: [environment:s/test] backend: 'b' names a backend whose protocol is grpc,"
                    " but [api:s/a] has an HTTP backend"
                )
            ],
        ),
        # APIs
        (
            "[api:t/a]\nbackend = b\nrpc = a.B/*",
            ["1: [api:t/a]: belongs to a service that is not declared: 't'"],
        ),
        ("[api:s/a]\nrpc = a.B/*", ["1: [api:s/a] backend: is missing"]),
        ("[api:s/a]\nbackend = bb\nrpc = a.B/*", ["2: [api:s/a] backend: 'bb' names no backend (did you mean 'b'?)"]),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B/*\nmethod = GET\npath = /\nbody = *\nresponse_body = x",
            [
                f"{line}: [api:s/a] {option}: does not go with a whole service (its .proto says it for each method)"
                for line, option in ((4, "method"), (5, "path"), (6, "body"), (7, "response_body"))
            ],
        ),
        (
            "[api:s/a]\nbackend = b\nmethod = GET\npath = /",
            ["1: [api:s/a] rpc: is missing, and the backend's protocol is grpc"],
        ),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B/C",
            ["1: [api:s/a] method: is missing", "1: [api:s/a] path: is missing"],
        ),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B/C\nmethod = GET\npath = /\nexcept = D",
            ["6: [api:s/a] except: goes with a whole service only (rpc = package.Service/*)"],
        ),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B/C\nmethod = PATHC\npath = /",
            [
                "4: [api:s/a] method: 'PATHC' is not one of GET, POST, PUT, PATCH, DELETE (did you mean 'PATCH'?)",
            ],
        ),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B/C\nmethod = *\npath = /",
            ["4: [api:s/a] method: '*' is not one of GET, POST, PUT, PATCH, DELETE"],
        ),
        (
            "[api:s/a]\nbackend = h\nrpc = a.B/C\nmethod = GET\npath = /\nbody = *\nresponse_body = x\nexcept = Y",
            [
                f"{line}: [api:s/a] {option}: does not go with the backend's protocol, which is http"
                for line, option in ((3, "rpc"), (6, "body"), (7, "response_body"), (8, "except"))
            ],
        ),
        (
            "[api:s/a]\nbackend = h",
            ["1: [api:s/a] method: is missing", "1: [api:s/a] path: is missing"],
        ),
        (
            "[api:s/a]\nbackend = b\nrpc = a.B.C\nmethod = GET\npath = /{\ntimeout = 5",
            [
                "3: [api:s/a] rpc: 'a.B.C' is not an RPC (write a.B/C)",
                (
                    "5: [api:s/a] path: '/{' is not a path template"
                    " (column 3: expected a field name, found the end of the template)"
                ),
                "6: [api:s/a] timeout: '5' is not a duration (write 5s)",
            ],
        ),
        # Backends
        (
            "[backend:x]",
            ["1: [backend:x] protocol: is missing", "1: [backend:x] target: is missing"],
        ),
        (
            "[backend:x]\nprotocol = grcp\ntarget = a:1",
            ["2: [backend:x] protocol: 'grcp' is not one of grpc, grpcs, http, https (did you mean 'grpc'?)"],
        ),
        (
            "[backend:x]\nprotocol = grpc\ntarget = a, http://b, c:1",
            [
                "3: [backend:x] target: 'a' has no port (write host:port)",
                "3: [backend:x] target: 'http://b' is not a gRPC target (write host:port, without a scheme)",
            ],
        ),
        (
            "[backend:x]\nprotocol = https\ntarget = http://a",
            [
                (
                    "3: [backend:x] target: 'http://a' is not a URL that starts with https://"
                    " (write https://HOST[:PORT][/PATH])"
                )
            ],
        ),
        (
            "[backend:x]\nprotocol = http\ntarget = http://a, http://b",
            ["3: [backend:x] target: has 2 URLs, where protocol = http takes one"],
        ),
        (
            (
                "[backend:x]\nprotocol = grpc\ntarget = a:1\nca = a.pem\ncertificate = a.pem\nprivate_key = a.pem\n"
                "server_name = x"
            ),
            [
                f"{line}: [backend:x] {option}: goes with protocol = grpcs or https only"
                for line, option in ((4, "ca"), (5, "certificate"), (6, "private_key"), (7, "server_name"))
            ],
        ),
        (
            "[backend:x]\nprotocol = grpcs\ntarget = a:1\ncertificate = a.pem",
            ["4: [backend:x] certificate: goes together with private_key, which is missing"],
        ),
        (
            "[backend:x]\nprotocol = grpcs\ntarget = a:1\nprivate_key = a.pem",
            ["4: [backend:x] private_key: goes together with certificate, which is missing"],
        ),
        (
            "[backend:x]\nprotocol = https\ntarget = https://a\nload_balancing = pick_first",
            ["4: [backend:x] load_balancing: goes with protocol = grpc or grpcs only"],
        ),
        # Plugins
        (
            "[plugin:x]\ntype = backend-grcp\nreflection = b",
            ["2: [plugin:x] type: 'backend-grcp' is not one of backend-grpc, cors (did you mean 'backend-grpc'?)"],
        ),
        ("[plugin:x]\nreflection = b", ["1: [plugin:x] type: is missing"]),
        ("[plugin:x]\ntype = backend-grpc", ["1: [plugin:x]: needs one of proto, descriptor_set and reflection"]),
        (
            "[plugin:x]\ntype = backend-grpc\nproto = p/a.proto\ndescriptor_set = a.pem\nreflection = b",
            [
                f"{line}: [plugin:x] {option}: cannot stand beside proto"
                " (write one of proto, descriptor_set and reflection)"
                for line, option in ((4, "descriptor_set"), (5, "reflection"))
            ],
        ),
        (
            "[plugin:x]\ntype = backend-grpc\nproto = p/a.proto, p/b.proto\n p\nimport_path = q, a.pem",
            [
                "3: [plugin:x] proto: 'p/b.proto' does not exist (a path is relative to the file that names it)",
                "3: [plugin:x] proto: 'p' is a folder, not a file",
                "5: [plugin:x] import_path: 'q' does not exist (a path is relative to the file that names it)",
                "5: [plugin:x] import_path: 'a.pem' is not a folder",
            ],
        ),
        (
            "[plugin:x]\ntype = backend-grpc\nreflection = b\nimport_path = p",
            ["4: [plugin:x] import_path: goes with proto only"],
        ),
        (
            "[plugin:x]\ntype = backend-grpc\nreflection = h",
            [
                "3: [plugin:x] reflection: 'h' names a backend whose protocol is http; reflection needs grpc or grpcs",
            ],
        ),
        (
            "[plugin:x]\ntype = backend-grpc\nreflection = zz\nunknown_fields = drop\nerror_format = gogle",
            [
                "3: [plugin:x] reflection: 'zz' names no backend",
                "4: [plugin:x] unknown_fields: 'drop' is not one of reject, ignore",
                "5: [plugin:x] error_format: 'gogle' is not one of status, google (did you mean 'google'?)",
            ],
        ),
        # Bindings
        (
            "[binding:x]",
            [f"1: [binding:x] {option}: is missing" for option in ("plugin", "service", "environment")],
        ),
        (
            "[binding:x]\nplugin = pp\nservice = ss\nenvironment = test",
            [
                "2: [binding:x] plugin: 'pp' names no plugin (did you mean 'p'?)",
                "3: [binding:x] service: 'ss' names no service (did you mean 's'?)",
            ],
        ),
        (
            (
                "[api:s/one]\nbackend = b\nrpc = a.B/*\n"
                "[binding:x]\nplugin = p\nservice = s\nenvironment = tset\napis = one, ono, zz"
            ),
            [
                "7: [binding:x] environment: 'tset' names no environment of the service (did you mean 'test'?)",
                "8: [binding:x] apis: 'ono' names no API of the service (did you mean 'one'?)",
                "8: [binding:x] apis: 'zz' names no API of the service",
            ],
        ),
        (
            "[binding:x]\nplugin = p\nservice = s\nenvironment = test\napis = *, a",
            ["5: [binding:x] apis: '*, a' has '*' beside names ('*' alone stands for all APIs of the service)"],
        ),
        (
            "[binding:x]\nplugin = p\nservice = s\nenvironment = test\napis = ,",
            ["5: [binding:x] apis: ',' has no items (write *, or names of APIs)"],
        ),
    ],
)
def test_a_problem_is_told(folder, text, problems):
    told = report(folder, text)
    if problems and problems[0].endswith("no variable"):
        told = [line.partition(" (")[0] for line in told]
    assert told == problems


def test_names_of_sections_that_are_wrong_still_count_as_declared(folder):
    text = """
    [plugin:q]
    type = backend-grpc
    [binding:x]
    plugin = q
    service = s
    environment = test
    """
    assert report(folder, text) == ["1: [plugin:q]: needs one of proto, descriptor_set and reflection"]


def test_a_repeated_section_is_checked_too(folder):
    text = "[service:s]\nhosts = *\n"
    assert report(folder, text) == [
        "1: [service:s]: is declared twice: first on line 5",
        "2: [service:s] hosts: '*' is not a host (leave hosts out for any host)",
    ]


def test_an_environment_that_is_not_published_has_no_prefix_to_share(folder):
    folder.load(WHOLE + "[environment:s/test]\nprefix = /\npublished = no\n")


def test_http2_needs_its_packages(folder, monkeypatch):
    text = MINIMAL + "[listener:x]\nendpoint = tcp:1\nprotocol = https\ncertificate = a.pem\nprivate_key = b.pem\n"
    assert folder.load(text).listeners["x"].http2 is True
    monkeypatch.setattr(rules, "find_spec", lambda name: None)
    assert folder.load(text).listeners["x"].http2 is False
    assert folder.load(text + "http2 = no\n").listeners["x"].http2 is False
    assert folder.problems(text + "http2 = yes\n") == [
        "gw.ini:9: [listener:x] http2: needs a package that is not installed (pip install 'twistedgw[http2]')"
    ]


def test_no_listener_is_a_problem(folder):
    assert folder.problems("") == [
        (
            "gw.ini: there is no [listener:NAME] section, so nothing would be served"
            " (add a section such as [listener:http] with endpoint = tcp:8080)"
        )
    ]


def test_where_nothing_of_a_kind_is_declared_the_hint_says_so(folder):
    assert folder.problems(MINIMAL + "[service:s]\n[api:s/a]\nrpc = a.B/*\nbackend = b\n") == [
        "gw.ini:7: [api:s/a] backend: 'b' names no backend (there is no [backend:NAME] section)"
    ]


def test_problems_stand_in_the_order_of_lines_and_carry_their_parts(folder):
    with pytest.raises(ConfigError) as caught:
        folder.load(MINIMAL + "[service:s]\nhosts = *\n[gateway]\nthreads = x\nrequest_timout = 1s\n")
    assert caught.value.problems == (
        Problem("gw.ini", 5, 0, "service:s", "hosts", "'*' is not a host", "leave hosts out for any host"),
        Problem("gw.ini", 7, 0, "gateway", "threads", "'x' is not a whole number"),
        Problem(
            "gw.ini",
            8,
            0,
            "gateway",
            "request_timout",
            "is not an option of this section",
            "did you mean 'request_timeout'?",
        ),
    )


def test_a_report_shows_a_hundred_problems_of_a_file_and_counts_the_rest(folder):
    lines = folder.problems(MINIMAL + "[gateway]\n" + "".join(f"thread{i} = 1\n" for i in range(250)))
    assert len(lines) == 101
    assert lines[0].endswith("(did you mean 'threads'?)")
    assert lines[-1] == "gw.ini: and 150 more problems"


def test_nothing_hostile_reaches_the_terminal(folder):
    lines = folder.problems(MINIMAL.encode() + "[gateway]\nthreads = \x1b[2J\u202e\nbridge = \x00\n".encode())
    assert all(line.isprintable() for line in lines)
    assert lines == [
        "gw.ini:5: the line holds the control character U+001B",
        "gw.ini:5: [gateway] threads: '�[2J\\u202e' is not a whole number",
        "gw.ini:6: the line holds the control character U+0000",
        "gw.ini:6: [gateway] bridge: '�' is not one of auto, asyncio, thread",
    ]


def test_a_long_value_is_shown_in_part(folder):
    (line,) = folder.problems(MINIMAL + "[gateway]\nbridge = " + "a" * 5000)
    assert len(line) < 250
