"""The INI of the contract itself: every option of it, comments and all."""

from __future__ import annotations

import re

import pytest
from config_case import Folder

from twistedgw.config.options import KINDS

CONTRACT = """\
[gateway]
include = conf.d/*.ini
state_dir = var                 ; what the console and the admin API create lives here, as INI and .proto files
bridge = auto                   ; auto | asyncio | thread
threads = 32                    ; size of the thread bridge's pool
workers = 1                     ; processes; auto = one per core
request_timeout = 15s           ; deadline of a unary call where the API sets none; a stream has one only if its API or client sets it
drain_timeout = 30s
max_request_body = 4MiB
max_response_message = 64MiB
max_in_flight = 1000            ; calls at a time; more are refused with 503 and Retry-After
max_header_size = 32KiB         ; request line and fields together: 431 (414 for the line alone)
max_headers = 100
header_timeout = 10s            ; for a whole head, and for a TLS handshake
body_timeout = 30s              ; longest silence while a body comes (408) or while a client does not read
idle_timeout = 60s              ; keep-alive
access_log = yes                ; one line for each answer
trusted_proxies =               ; networks whose X-Forwarded-* are believed

[listener:http]
endpoint = tcp:8080:interface=127.0.0.1     ; a Twisted server endpoint description
[listener:https]
endpoint = tcp:8443
protocol = https
certificate = tls/server.pem
private_key = tls/server.key
client_ca = tls/clients.pem                 ; optional: client certificates are demanded and verified
http2 = yes

[admin]
endpoint = tcp:9080:interface=127.0.0.1
token_file = admin.token                    ; made with mode 0600 at first start if missing

[service:bookstore]
description = The bookstore
hosts = books.example.com, *.books.example.com   ; any host where absent
protocols = http, https
openapi = /openapi.json         ; and /openapi.yaml; nowhere where absent
docs = /docs                    ; a page to read it on

[environment:bookstore/release]
prefix = /                      ; default: release at /, the others at /<name>
published = yes                 ; default yes
[environment:bookstore/test]
backend = bookstore-staging     ; overrides the APIs' backend in this environment

[backend:bookstore]
protocol = grpc                 ; grpc | grpcs | http | https
target = dns:///127.0.0.1:50051 ; a gRPC name (dns:, ipv4:, unix:, xds:) or host:port, comma-separated list; a URL for http(s)
load_balancing = round_robin
max_in_flight = 500             ; of one backend, so that a dead one cannot starve the others
[backend:payments]
protocol = grpcs                ; the server's certificate is always verified
target = payments.internal:443
ca = tls/internal-ca.pem        ; system roots where absent
certificate = tls/client.pem    ; with private_key: mutual TLS
private_key = tls/client.key
server_name = payments.internal ; overrides the name verified and sent as :authority

[api:bookstore/get-shelf]       ; one API: its mapping is an HttpRule written outside the .proto
method = GET
path = /v1/shelves/{shelf}
rpc = bookstore.v1.Bookstore/GetShelf
backend = bookstore
body =                          ; default: * for POST, PUT and PATCH, nothing for GET and DELETE
response_body =
timeout = 5s
[api:bookstore/all]             ; a whole gRPC service: its google.api.http rules, and POST /bookstore.v1.Bookstore/<Method>
rpc = bookstore.v1.Bookstore/*
backend = bookstore
except =                        ; methods left out, e.g. where two rules of a foreign .proto collide

[plugin:bookstore-proto]
type = backend-grpc
proto = protos/bookstore.proto, protos/types.proto   ; or: descriptor_set = FILE, or: reflection = BACKEND
import_path = protos                                 ; default: the folder of the file; google/* is always there
always_print_fields = no        ; print fields at their default value
preserve_proto_field_names = no
enums_as_numbers = no
case_insensitive_enums = no
unknown_fields = reject         ; reject | ignore, in JSON bodies
unknown_query = reject          ; reject | ignore
error_format = status           ; status: google.rpc.Status | google: {"error": {"code": HTTP, "message", "status": NAME, "details"}} (AIP-193)
stream_envelope = none          ; none | result: grpc-gateway's {"result": …} and {"error": …}

[binding:bookstore-release]
plugin = bookstore-proto
service = bookstore
environment = release
apis = *                        ; or names: get-shelf, list-shelves
"""

FILES = re.findall(r"(?:tls|protos)/\w[\w-]*\.\w+", CONTRACT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path)
    for name in FILES:
        folder.write(name)
    return folder


def test_it_is_a_right_configuration_but_for_a_backend_that_it_does_not_show(folder):
    assert folder.problems(CONTRACT) == [
        "gw.ini:45: [environment:bookstore/test] backend: 'bookstore-staging' names no backend (did you mean 'bookstore'?)"
    ]
    config = folder.load(CONTRACT + "[backend:bookstore-staging]\nprotocol = grpc\ntarget = localhost:50052\n")
    assert len(FILES) == 8
    assert config.listeners["https"].http2 is True
    assert config.backends["bookstore"].targets == ("dns:///127.0.0.1:50051",)
    assert config.services["bookstore"].hosts == ("books.example.com", "*.books.example.com")
    assert config.services["bookstore"].apis["get-shelf"].body == ""
    assert config.services["bookstore"].apis["all"].exclude == ()
    assert config.plugins["bookstore-proto"].import_path == (folder.path / "protos",)


def test_its_values_are_the_defaults(folder):
    """What the contract shows for [gateway] and [admin] is what holds where nothing is written."""
    written = dict(re.findall(r"^(\w+) = +(.*?) *(?:;.*)?$", CONTRACT.partition("[listener:http]")[0], re.MULTILINE))
    defaults = {option.name: option.default for option in KINDS["gateway"].options}
    assert written.keys() | {"trusted_proxies"} == defaults.keys()
    assert {**defaults, "include": "conf.d/*.ini"} == {**written, "trusted_proxies": ""}


def test_it_knows_every_option_that_the_code_knows():
    cors = {option.name for option in KINDS["plugin"].variants["cors"]}
    known = {option.name for kind in KINDS.values() for option in kind.every} - cors
    shown = set(re.findall(r"^(\w+) =", CONTRACT, re.MULTILINE)) | {"descriptor_set", "reflection"}
    assert shown == known
