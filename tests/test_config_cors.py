"""Plugins of type ``cors``: what may be written, and what is told of what may not."""

from __future__ import annotations

import pytest
from config_case import MINIMAL, WHOLE, Folder

PLUGIN = "[plugin:web]\ntype = cors\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def load(folder, options):
    return folder.load(f"{MINIMAL}{PLUGIN}{options}").plugins["web"]


def problems(folder, options, head=MINIMAL):
    start = "[plugin:web]"
    return [
        line.partition(f"{start} ")[2] or line.partition(f"{start}: ")[2]
        for line in folder.problems(f"{head}{PLUGIN}{options}")
    ]


def test_what_holds_where_little_is_written(folder):
    plugin = load(folder, "allow_origins = https://app.example.com\n")
    assert (plugin.name, plugin.type) == ("web", "cors")
    assert plugin.allow_origins == ("https://app.example.com",)
    assert plugin.allow_origin_regex is None
    assert plugin.allow_methods is None
    assert plugin.allow_headers == ("*",)
    assert plugin.expose_headers == ()
    assert not plugin.allow_credentials
    assert not plugin.allow_private_network
    assert plugin.max_age == 600.0


def test_everything_written(folder):
    plugin = load(
        folder,
        "allow_origins = https://a.example, https://*.b.example\nallow_origin_regex = https://pr-[0-9]{1,4}[.]c[.]example\n"
        "allow_methods = get, POST\nallow_headers = Authorization, X-Thing\nexpose_headers = X-Total\n"
        "allow_credentials = yes\nallow_private_network = yes\nmax_age = 2h\n",
    )
    assert plugin.allow_origins == ("https://a.example", "https://*.b.example")
    assert plugin.allow_origin_regex == "https://pr-[0-9]{1,4}[.]c[.]example"
    assert plugin.allow_methods == ("GET", "POST")
    assert plugin.allow_headers == ("authorization", "x-thing")
    assert plugin.expose_headers == ("x-total",)
    assert plugin.allow_credentials
    assert plugin.allow_private_network
    assert plugin.max_age == 7200.0


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://App.Example.COM", "https://app.example.com"),
        ("HTTPS://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://a.example:08443", "https://a.example:8443"),
        ("http://localhost:*", "http://localhost:*"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://*.example.com:8443", "https://*.example.com:8443"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("*", "*"),
    ],
)
def test_origins_are_kept_as_browsers_send_them(folder, written, origin):
    assert load(folder, f"allow_origins = {written}\n").allow_origins == (origin,)


FORM = "(write https://HOST, https://HOST:PORT, https://*.DOMAIN or *)"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", ["needs allow_origins or allow_origin_regex (allow_origins = * is any origin)"]),
        ("allow_origins =\n", ["needs allow_origins or allow_origin_regex (allow_origins = * is any origin)"]),
        ("allow_origins = example.com\n", [f"allow_origins: 'example.com' is not an origin {FORM}"]),
        ("allow_origins = https://\n", [f"allow_origins: 'https://' is not an origin {FORM}"]),
        ("allow_origins = https://a.*.example\n", [f"allow_origins: 'https://a.*.example' is not an origin {FORM}"]),
        ("allow_origins = https://u@a.example\n", [f"allow_origins: 'https://u@a.example' is not an origin {FORM}"]),
        (
            "allow_origins = https://a.example/\n",
            ["allow_origins: 'https://a.example/' is not an origin: it has a path (write https://a.example)"],
        ),
        ("allow_origins = null\n", ["allow_origins: 'null' is not an origin (it is what every sandboxed page has)"]),
        (
            "allow_origins = *, https://a.example\n",
            ["allow_origins: has '*' beside other origins ('*' alone is any origin)"],
        ),
        (
            "allow_origins = *\nallow_credentials = yes\n",
            [
                (
                    "allow_origins: cannot be '*' beside allow_credentials: browsers refuse that"
                    " (name the origins, or leave allow_credentials out)"
                )
            ],
        ),
        (
            "allow_origins = https://a.example\nallow_credentials = yes\nexpose_headers = *\n",
            [
                (
                    "expose_headers: cannot be '*' beside allow_credentials: browsers take it for a name then"
                    " (name the header fields)"
                )
            ],
        ),
        (
            "allow_origins = *\nallow_headers = *, x-a\n",
            ["allow_headers: has '*' beside names ('*' alone stands for all)"],
        ),
        (
            "allow_origins = *\nallow_methods = *\n",
            ["allow_methods: '*' is not an HTTP method (leave the option out for those of the routes)"],
        ),
        ("allow_origins = *\nexpose_headers = a b\n", ["expose_headers: 'a b' is not the name of a header field"]),
        ("allow_origins = *\nmax_age = 10\n", ["max_age: '10' is not a duration (write 10s)"]),
        ("allow_origins = *\nproto = a.proto\n", ["proto: does not go with type = cors"]),
        ("allow_origins = *\nproto =\n", ["proto: does not go with type = cors"]),
        (
            "allow_origins = *\nallow_origns = *\n",
            ["allow_origns: is not an option of this section (did you mean 'allow_origins'?)"],
        ),
    ],
)
def test_what_is_told(folder, options, told):
    assert problems(folder, options) == told


@pytest.mark.parametrize("text", ["[", "(a", "a{99999999999}", "*"])
def test_a_wrong_regex_is_told(folder, text):
    (told,) = problems(folder, f"allow_origin_regex = {text}\n")
    assert told.startswith(f"allow_origin_regex: {text!r} is not a regular expression: ")


def test_options_of_cors_do_not_go_with_another_type(folder):
    (told,) = folder.problems(WHOLE.replace("reflection = b", "reflection = b\nmax_age = 1s"))
    assert told.endswith("[plugin:p] max_age: does not go with type = backend-grpc")


def test_the_type_may_come_from_the_environment(folder):
    text = f"{MINIMAL}[plugin:web]\ntype = ${{KIND}}\nallow_origins = *\n"
    assert folder.load(text, KIND="cors").plugins["web"].type == "cors"
