"""Every kind of section and every option: the one table that parsing, suggestions and documentation come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedgw.config.mapping import BODY, FIELD, METHOD, METHOD_NAMES, PATH_TEMPLATE, PLACE, PREFIX, RPC
from twistedgw.config.network import HOSTS, NETWORKS, SERVER_NAME, TARGETS
from twistedgw.config.option import Kind, Option
from twistedgw.config.paths import EXISTING_FILE, PATH, PATTERNS
from twistedgw.config.plugins import PLUGIN_TYPES
from twistedgw.config.references import API_NAMES, NAME, reference
from twistedgw.config.scalars import (
    BOOLEAN,
    DURATION,
    DURATION_OR_ZERO,
    LINE,
    TEXT,
    WORKERS,
    choice,
    integer,
    listing,
    size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENVIRONMENTS", "KINDS", "RESTART"]

ENVIRONMENTS = ("release", "prepub", "test")
"""The environments that every service has; the first is published at the root where nothing else is written."""

MOST_BYTES = (1 << 31) - 1
"""gRPC counts the bytes of a message in a signed 32-bit integer."""

_COUNT = integer(1, 1_000_000)
_MESSAGE_SIZE = size(1, MOST_BYTES)
_PROTOCOLS = listing(choice("http", "https"), "list of http, https", takes_empty=False)

GATEWAY = Kind(
    "gateway",
    (),
    "The process as a whole. It stands in the main file, and may be left out.",
    (
        Option("include", PATTERNS, "Further INI files, read in sorted order.", default=""),
        Option(
            "state_dir",
            PATH,
            "The folder for what the console and the admin API create, as INI and `.proto` files.",
            default="var",
            live=False,
        ),
        Option(
            "bridge",
            choice("auto", "asyncio", "thread"),
            "How calls get from Twisted to gRPC; `auto` is `asyncio` where the asyncio reactor runs.",
            default="auto",
            live=False,
        ),
        Option(
            "threads",
            integer(1, 10_000),
            "The size of the thread bridge's pool, in each worker.",
            default="32",
            live=False,
        ),
        Option(
            "workers",
            WORKERS,
            "Processes that serve; `auto` is one per core. More than one are children of a parent that only listens.",
            default="1",
            live=False,
        ),
        Option(
            "request_timeout",
            DURATION_OR_ZERO,
            "The deadline of a unary call where the API sets none, `0s` for none at all; a stream has one only if its"
            " API or client sets it.",
            default="15s",
        ),
        Option(
            "drain_timeout",
            DURATION_OR_ZERO,
            "How long requests in flight may take to end when the gateway stops or is reloaded.",
            default="30s",
        ),
        Option("max_request_body", _MESSAGE_SIZE, "The largest request body, decoded; over it: 413.", default="4MiB"),
        Option(
            "max_response_message", _MESSAGE_SIZE, "The largest message taken from a gRPC backend.", default="64MiB"
        ),
        Option(
            "max_in_flight",
            _COUNT,
            "Calls at a time; more are refused with 503 and `Retry-After`. Workers divide it, and get at least 1 each.",
            default="1000",
        ),
        Option(
            "max_header_size",
            size(256, 16 << 20),
            "The largest request line and header fields together; over it: 431, or 414 for the line alone.",
            default="32KiB",
        ),
        Option("max_headers", integer(1, 10_000), "The most header fields of a request; over it: 431.", default="100"),
        Option("header_timeout", DURATION, "For a whole request head, and for a TLS handshake.", default="10s"),
        Option(
            "body_timeout",
            DURATION,
            "The longest silence while a body comes (408), or while a client does not read.",
            default="30s",
        ),
        Option("idle_timeout", DURATION, "How long an idle connection is kept.", default="60s"),
        Option(
            "access_log",
            BOOLEAN,
            "Whether each answer is logged, at level info; the others of twistd's lines are there either way.",
            default="yes",
        ),
        Option("trusted_proxies", NETWORKS, "Networks whose `X-Forwarded-*` header fields are believed.", default=""),
    ),
)

LISTENER = Kind(
    "listener",
    ("NAME",),
    "A place where clients connect. At least one is needed.",
    (
        Option("endpoint", LINE, "A Twisted server endpoint description, such as `tcp:8080`.", required=True),
        Option("protocol", choice("http", "https"), "What clients speak there.", default="http"),
        Option("certificate", EXISTING_FILE, "The certificate and its chain, in PEM; `https` only, and needed there."),
        Option("private_key", EXISTING_FILE, "The certificate's key, in PEM; `https` only, and needed there."),
        Option(
            "client_ca",
            EXISTING_FILE,
            "Certificates, in PEM: clients must have one that these have signed; `https` only.",
            absent="no client certificates",
        ),
        Option(
            "http2",
            BOOLEAN,
            "Whether HTTP/2 is offered; `https` only, and the extra `http2` must be installed.",
            absent="yes for `https` where the extra is installed",
        ),
    ),
)

ADMIN = Kind(
    "admin",
    (),
    "The admin API and the console. There are none without this section.",
    (
        Option(
            "endpoint",
            LINE,
            "A Twisted server endpoint description.",
            default="tcp:9080:interface=127.0.0.1",
            live=False,
        ),
        Option(
            "token_file",
            PATH,
            "The file of the bearer token; made with mode 0600 at the first start if missing.",
            default="admin.token",
        ),
        Option(
            "hosts",
            HOSTS,
            "The host names, without ports, by which browsers may reach it, besides `localhost` and IP addresses.",
            default="",
        ),
    ),
)

SERVICE = Kind(
    "service",
    ("NAME",),
    "A named group of APIs.",
    (
        Option("description", TEXT, "For people.", default=""),
        Option(
            "hosts",
            HOSTS,
            "The host names it answers to, without ports; `*.` at the front stands for any name below; "
            "any host where the list is empty.",
            default="",
        ),
        Option(
            "protocols", _PROTOCOLS, "The protocols of the listeners that it is published on.", default="http, https"
        ),
        Option(
            "openapi",
            PLACE,
            "Where each environment serves the OpenAPI document of its APIs, behind its prefix: JSON there, and YAML "
            "with `.yaml` in place of `.json` or at the end.",
            absent="nowhere",
        ),
        Option(
            "docs",
            PLACE,
            "Where each environment serves a page to read and try that document, behind its prefix; "
            "the extra `docs` must be installed.",
            absent="nowhere",
        ),
    ),
)

ENVIRONMENT = Kind(
    "environment",
    ("SERVICE", "NAME"),
    "Where a service is published. `release`, `prepub` and `test` exist without a section; more may be named.",
    (
        Option(
            "prefix", PREFIX, "What the paths of its APIs begin with.", absent="`/` for `release`, otherwise `/NAME`"
        ),
        Option("published", BOOLEAN, "Whether it is served at all.", default="yes"),
        Option(
            "backend",
            reference("backend"),
            "Takes the place of the APIs' backends in this environment.",
            absent="the APIs' own",
        ),
    ),
)

API = Kind(
    "api",
    ("SERVICE", "NAME"),
    "One mapping from method and path to an RPC, a whole gRPC service, or a method and path of an HTTP backend.",
    (
        Option("backend", reference("backend"), "Where its calls go.", required=True),
        Option("rpc", RPC, "The RPC, or all RPCs of a service; gRPC backends only, and needed there."),
        Option(
            "method",
            METHOD,
            "GET, POST, PUT, PATCH or DELETE; any, or `*` for all, with an HTTP backend; not with a whole service.",
        ),
        Option("path", PATH_TEMPLATE, "A path template of `google.api.http`; not with a whole service."),
        Option(
            "body",
            BODY,
            "What the request body is: the request message, a field of it, or nothing; with one RPC only.",
            absent="`*` for POST, PUT and PATCH, empty for GET and DELETE",
        ),
        Option(
            "response_body",
            FIELD,
            "The field of the response message that is the response body; with one RPC only.",
            absent="the whole message",
        ),
        Option("timeout", DURATION, "The deadline of a call.", absent="`request_timeout` of `[gateway]`"),
        Option("except", METHOD_NAMES, "Methods that are left out; with a whole service only.", default=""),
    ),
)

BACKEND = Kind(
    "backend",
    ("NAME",),
    "An upstream.",
    (
        Option(
            "protocol",
            choice("grpc", "grpcs", "http", "https"),
            "What it speaks; with `grpcs` and `https` its certificate is always verified.",
            required=True,
        ),
        Option(
            "target",
            TARGETS,
            "gRPC names (`dns:`, `ipv4:`, `ipv6:`, `unix:`, `unix-abstract:`, `xds:`) or `host:port`; "
            "one URL for `http` and `https`.",
            required=True,
        ),
        Option(
            "load_balancing",
            choice("round_robin", "pick_first"),
            "How calls are spread over the addresses; gRPC only.",
            default="round_robin",
        ),
        Option(
            "max_in_flight",
            _COUNT,
            "Calls to this backend at a time; more are refused with 503 and `Retry-After`.",
            absent="only the limit of `[gateway]`",
        ),
        Option(
            "ca",
            EXISTING_FILE,
            "Certificates, in PEM, that the backend's is verified against; `grpcs` and `https` only.",
            absent="the system's roots",
        ),
        Option(
            "certificate",
            EXISTING_FILE,
            "The client certificate for mutual TLS, in PEM; together with `private_key`.",
            absent="no client certificate",
        ),
        Option("private_key", EXISTING_FILE, "The client certificate's key, in PEM; together with `certificate`."),
        Option(
            "server_name",
            SERVER_NAME,
            "The name that is verified, and sent as `:authority`; `grpcs` and `https` only.",
            absent="the target's own",
        ),
    ),
)

_VARIANTS = {name: plugin_type.options for name, plugin_type in PLUGIN_TYPES.items()}

PLUGIN = Kind(
    "plugin",
    ("NAME",),
    "A named unit of configuration, which does nothing before it is bound.",
    (Option("type", choice(*PLUGIN_TYPES), "What the plugin is.", required=True),),
    _VARIANTS,
)

BINDING = Kind(
    "binding",
    ("NAME",),
    "Ties a plugin to APIs of a service in an environment.",
    (
        Option("plugin", reference("plugin"), "The plugin.", required=True),
        Option("service", reference("service"), "The service.", required=True),
        Option("environment", NAME, "The environment of the service.", required=True),
        Option("apis", API_NAMES, "The APIs of the service.", default="*"),
    ),
)

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (GATEWAY, LISTENER, ADMIN, SERVICE, ENVIRONMENT, BACKEND, API, PLUGIN, BINDING)
}
"""All kinds of sections by name."""

RESTART: Mapping[str, tuple[str, ...]] = {
    kind.name: tuple(option.name for option in kind.every if not option.live) for kind in KINDS.values()
}
"""The options of each kind of section that only a restart applies."""
