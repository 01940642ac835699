"""What a right configuration becomes."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pytest
from config_case import MINIMAL, WHOLE, Folder

from twistedgw.config.model import (
    Admin,
    Api,
    Backend,
    Binding,
    Bridge,
    Config,
    Environment,
    Gateway,
    Listener,
    Place,
    Protocol,
    Service,
)
from twistedgw.config.options import KINDS, RESTART
from twistedgw.config.plugins.backend_grpc import BackendGrpcPlugin
from twistedgw.config.plugins.cors import CorsPlugin

NOWHERE = Place("", "", 0)

EVERYTHING = """
[gateway]
include =
state_dir = state
bridge = thread
threads = 8
workers = 2
request_timeout = 1s
drain_timeout = 0s
max_request_body = 1KiB
max_response_message = 2KiB
max_in_flight = 3
max_header_size = 4KiB
max_headers = 5
header_timeout = 6s
body_timeout = 7s
idle_timeout = 8s
access_log = no
trusted_proxies = 10.0.0.0/8
[listener:plain]
endpoint = tcp:8080:interface=127.0.0.1
[listener:tls]
endpoint = tcp:8443
protocol = https
certificate = tls/cert.pem
private_key = tls/key.pem
client_ca = tls/ca.pem
http2 = no
[admin]
endpoint = tcp:9000
token_file = token
hosts = Admin.example, *.lan
[service:shop]
description = The
  shop
hosts = shop.example, *.shop.example
protocols = https
[environment:shop/release]
prefix = /v2/
[environment:shop/canary]
published = off
backend = staging
[backend:main]
protocol = grpcs
target = a:1, dns:///b:2
load_balancing = pick_first
max_in_flight = 9
ca = tls/ca.pem
certificate = tls/cert.pem
private_key = tls/key.pem
server_name = Main.Internal
[backend:staging]
protocol = grpc
target = localhost:1
[api:shop/get]
method = get
path = /v1/{id}
rpc = shop.v1.Shop/Get
backend = main
body = item
response_body = item
timeout = 500ms
[api:shop/all]
rpc = shop.v1.Shop/*
backend = main
except = Get, List
[plugin:files]
type = backend-grpc
proto = protos/a.proto, other/b.proto, protos/c.proto
always_print_fields = yes
preserve_proto_field_names = yes
enums_as_numbers = yes
case_insensitive_enums = yes
unknown_fields = ignore
unknown_query = ignore
error_format = google
stream_envelope = result
[binding:one]
plugin = files
service = shop
environment = canary
apis = get
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path)
    for name in ("tls/cert.pem", "tls/key.pem", "tls/ca.pem", "protos/a.proto", "other/b.proto", "protos/c.proto"):
        folder.write(name)
    return folder


def test_everything_that_can_be_written(folder):
    here = folder.path
    expected = Config(
        gateway=Gateway(
            place=NOWHERE,
            state_dir=here / "state",
            bridge=Bridge.THREAD,
            threads=8,
            workers=2,
            request_timeout=1.0,
            drain_timeout=0.0,
            max_request_body=1024,
            max_response_message=2048,
            max_in_flight=3,
            max_header_size=4096,
            max_headers=5,
            header_timeout=6.0,
            body_timeout=7.0,
            idle_timeout=8.0,
            access_log=False,
            trusted_proxies=("10.0.0.0/8",),
        ),
        listeners={
            "plain": Listener("plain", NOWHERE, "tcp:8080:interface=127.0.0.1", False, None, None, None, http2=False),
            "tls": Listener(
                "tls",
                NOWHERE,
                "tcp:8443",
                True,
                here / "tls/cert.pem",
                here / "tls/key.pem",
                here / "tls/ca.pem",
                http2=False,
            ),
        },
        admin=Admin(NOWHERE, "tcp:9000", here / "token", ("admin.example", "*.lan")),
        services={
            "shop": Service(
                name="shop",
                place=NOWHERE,
                description="The shop",
                hosts=("shop.example", "*.shop.example"),
                http=False,
                https=True,
                environments={
                    "release": Environment("release", NOWHERE, "/v2", published=True, backend=None),
                    "prepub": Environment("prepub", NOWHERE, "/prepub", published=True, backend=None),
                    "test": Environment("test", NOWHERE, "/test", published=True, backend=None),
                    "canary": Environment("canary", NOWHERE, "/canary", published=False, backend="staging"),
                },
                apis={
                    "get": Api(
                        name="get",
                        place=NOWHERE,
                        method="GET",
                        path="/v1/{id}",
                        rpc_service="shop.v1.Shop",
                        rpc_method="Get",
                        backend="main",
                        body="item",
                        response_body="item",
                        timeout=0.5,
                        exclude=(),
                    ),
                    "all": Api(
                        name="all",
                        place=NOWHERE,
                        method=None,
                        path=None,
                        rpc_service="shop.v1.Shop",
                        rpc_method="*",
                        backend="main",
                        body="",
                        response_body="",
                        timeout=None,
                        exclude=("Get", "List"),
                    ),
                },
            )
        },
        backends={
            "main": Backend(
                name="main",
                place=NOWHERE,
                protocol=Protocol.GRPCS,
                targets=("a:1", "dns:///b:2"),
                load_balancing="pick_first",
                max_in_flight=9,
                ca=here / "tls/ca.pem",
                certificate=here / "tls/cert.pem",
                private_key=here / "tls/key.pem",
                server_name="main.internal",
            ),
            "staging": Backend(
                "staging", NOWHERE, Protocol.GRPC, ("localhost:1",), "round_robin", None, None, None, None, None
            ),
        },
        plugins={
            "files": BackendGrpcPlugin(
                name="files",
                place=NOWHERE,
                type="backend-grpc",
                proto=(here / "protos/a.proto", here / "other/b.proto", here / "protos/c.proto"),
                descriptor_set=None,
                reflection=None,
                import_path=(here / "protos", here / "other"),
                always_print_fields=True,
                preserve_proto_field_names=True,
                enums_as_numbers=True,
                case_insensitive_enums=True,
                ignore_unknown_fields=True,
                ignore_unknown_query=True,
                error_format="google",
                stream_envelope="result",
            )
        },
        bindings={"one": Binding("one", NOWHERE, "files", "shop", "canary", ("get",))},
        files=(here / "gw.ini",),
    )
    assert folder.load(EVERYTHING) == expected


def test_what_holds_where_nothing_is_written(folder):
    config = folder.load(MINIMAL + "[admin]\n[service:s]\n")
    gateway = dataclasses.asdict(config.gateway)
    del gateway["place"]
    assert gateway == {
        "state_dir": folder.path / "var",
        "bridge": Bridge.AUTO,
        "threads": 32,
        "workers": 1,
        "request_timeout": 15.0,
        "drain_timeout": 30.0,
        "max_request_body": 4 << 20,
        "max_response_message": 64 << 20,
        "max_in_flight": 1000,
        "max_header_size": 32 << 10,
        "max_headers": 100,
        "header_timeout": 10.0,
        "body_timeout": 30.0,
        "idle_timeout": 60.0,
        "access_log": True,
        "trusted_proxies": (),
    }
    assert config.admin == Admin(NOWHERE, "tcp:9080:interface=127.0.0.1", folder.path / "admin.token", ())
    service = config.services["s"]
    assert (service.description, service.hosts, service.http, service.https) == ("", (), True, True)
    prefixes = {name: (one.prefix, one.published) for name, one in service.environments.items()}
    assert prefixes == {"release": ("", True), "prepub": ("/prepub", True), "test": ("/test", True)}


def test_the_least_plugin_and_binding(folder):
    config = folder.load(WHOLE + "[binding:x]\nplugin = p\nservice = s\nenvironment = prepub\n")
    plugin = config.plugins["p"]
    assert (plugin.proto, plugin.import_path, plugin.reflection) == ((), (), "b")
    assert (plugin.error_format, plugin.stream_envelope) == ("status", "none")
    assert not plugin.ignore_unknown_fields
    assert not plugin.ignore_unknown_query
    assert config.bindings["x"].apis is None


def test_an_import_path_takes_the_place_of_the_default(folder):
    text = MINIMAL + "[plugin:p]\ntype = backend-grpc\nproto = protos/a.proto\nimport_path = other, protos\n"
    assert folder.load(text).plugins["p"].import_path == (folder.path / "other", folder.path / "protos")


def test_no_admin_section_is_no_admin(folder):
    assert folder.load(MINIMAL).admin is None


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        ("POST", None, "*"),
        ("PUT", None, "*"),
        ("patch", None, "*"),
        ("GET", None, ""),
        ("DELETE", None, ""),
        ("POST", "", ""),
        ("POST", "${NOPE:-}", ""),
        ("DELETE", "*", "*"),
        ("POST", "item", "item"),
    ],
)
def test_the_body_of_one_rpc(folder, method, body, expected):
    text = WHOLE + f"[api:s/a]\nmethod = {method}\npath = /\nrpc = a.B/C\nbackend = b\n"
    config = folder.load(text + ("" if body is None else f"body = {body}\n"))
    assert config.services["s"].apis["a"].body == expected


def test_an_api_with_an_http_backend(folder):
    api = folder.load(WHOLE + "[api:s/a]\nmethod = *\npath = /files/{rest=**}\nbackend = h\n").services["s"].apis["a"]
    assert (api.method, api.path, api.rpc_service, api.rpc_method) == ("*", "/files/{rest=**}", None, None)
    assert (api.body, api.response_body, api.whole_service) == ("", "", False)


def test_an_empty_value_says_the_same_as_none_where_there_is_no_default(folder):
    text = (
        WHOLE
        + """
        [backend:x]
        protocol = grpcs
        target = a:1
        ca = ${CA:-}
        certificate =
        private_key =
        server_name =
        max_in_flight =
        [environment:s/test]
        prefix =
        backend =
        [api:s/a]
        rpc = a.B/*
        backend = x
        method =
        path =
        timeout =
        response_body =
        except =
        [plugin:q]
        type = backend-grpc
        reflection = b
        proto =
        descriptor_set =
        import_path =
        """
    )
    config = folder.load("\n".join(line.strip() for line in text.splitlines()))
    assert config.backends["x"] == dataclasses.replace(
        config.backends["b"], name="x", protocol=Protocol.GRPCS, targets=("a:1",)
    )
    assert config.services["s"].environments["test"].prefix == "/test"
    assert config.services["s"].apis["a"].timeout is None
    assert config.plugins["q"] == dataclasses.replace(config.plugins["p"], name="q")


def test_places_point_at_sections_and_options(folder):
    config = folder.load(WHOLE + "[environment:s/x]\nprefix = /y\n")
    service = config.services["s"]
    line = WHOLE.count("\n") + 1
    assert service.environments["x"].place == Place("gw.ini", "environment:s/x", line, {"prefix": line + 1})
    assert service.environments["test"].place == service.place
    assert config.gateway.place == Place("gw.ini", "gateway", 0)
    told = service.environments["x"].place.problem("prefix", "is odd")
    assert str(told) == f"gw.ini:{line + 1}: [environment:s/x] prefix: is odd"


def test_a_configuration_that_only_moved_is_equal(folder):
    assert folder.load(EVERYTHING) == folder.load("\n; moved\n" + EVERYTHING)


def test_any_mapping_is_an_environment(folder):
    from twistedgw.config.load import load

    main = folder.write("gw.ini", "[listener:x]\nendpoint = tcp:${PORT}\n")
    assert load(main, MappingProxyType({"PORT": "1"})).listeners["x"].endpoint == "tcp:1"


def test_the_environment_of_the_process_is_the_default(folder, monkeypatch):
    from twistedgw.config.load import load

    monkeypatch.setenv("TWISTEDGW_TEST_PORT", "17")
    main = folder.write("gw.ini", "[listener:x]\nendpoint = tcp:${TWISTEDGW_TEST_PORT}\n")
    assert load(main).listeners["x"].endpoint == "tcp:17"


def test_what_needs_a_restart():
    assert {kind: options for kind, options in RESTART.items() if options} == {
        "gateway": ("state_dir", "bridge", "threads", "workers"),
        "admin": ("endpoint",),
    }


def test_every_option_reaches_the_model():
    models = {
        "gateway": Gateway,
        "listener": Listener,
        "admin": Admin,
        "service": Service,
        "environment": Environment,
        "api": Api,
        "backend": Backend,
        "plugin backend-grpc": BackendGrpcPlugin,
        "plugin cors": CorsPlugin,
        "binding": Binding,
    }
    renamed = {
        "include": "state_dir",
        "protocols": "http",
        "rpc": "rpc_method",
        "except": "exclude",
        "target": "targets",
        "unknown_fields": "ignore_unknown_fields",
        "unknown_query": "ignore_unknown_query",
    }
    for name, model in models.items():
        kind, _, variant = name.partition(" ")
        fields = {field.name for field in dataclasses.fields(model)}
        options = {renamed.get(option.name, option.name) for option in KINDS[kind].within(variant)}
        if kind == "listener":
            options = options - {"protocol"} | {"tls"}
        assert options <= fields
    assert {name.partition(" ")[0] for name in models} == KINDS.keys()
