"""The type ``cors``: which pages of other origins may use an API from a browser (Fetch, section 3.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from twistedgw.config.model import Plugin
from twistedgw.config.option import Option
from twistedgw.config.origins import FIELD_NAMES, METHODS, ORIGINS, REGEX, origin_pattern
from twistedgw.config.plugins.plugin_type import PluginType
from twistedgw.config.plugins.stage import Answer, Stage
from twistedgw.config.scalars import BOOLEAN, DURATION_OR_ZERO
from twistedgw.errors import GatewayError
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twistedgw.config.plugins.stage import Asked, Fields
    from twistedgw.config.section import Section

__all__ = ["EXPOSED", "CorsPlugin", "CorsStage", "CorsType"]

EXPOSED = ("grpc-status", "grpc-message", "grpc-status-details-bin", "connect-content-encoding", "x-request-id")
"""What pages may always read: gRPC-Web and Connect need it, and people who report a failure."""

_PREFLIGHT_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
_LONGEST_ORIGIN = 512


@dataclass(frozen=True, slots=True)
class CorsPlugin(Plugin):
    """A ``[plugin:NAME]`` section of type ``cors``.

    Attributes:
        allow_origins: as browsers write them; ``*`` for any, ``*.`` before a domain, ``:*`` for any port.
        allow_origin_regex: matches whole origins; None for none.
        allow_methods: None for those of the routes.
        allow_headers: lower case; ``*`` for whatever is asked for.
        expose_headers: lower case, besides `EXPOSED`; ``*`` for all.
        max_age: seconds.
    """

    allow_origins: tuple[str, ...]
    allow_origin_regex: str | None
    allow_methods: tuple[str, ...] | None
    allow_headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    allow_credentials: bool
    allow_private_network: bool
    max_age: float


class CorsType(PluginType):
    """See the module."""

    name = "cors"
    about = "Says which pages of other origins may use an API from a browser; preflights are answered by the gateway."
    options: ClassVar = (
        Option(
            "allow_origins",
            ORIGINS,
            "The origins whose pages may; `*` is any, `https://*.example.com` any subdomain, `http://localhost:*` any"
            " port.",
            absent="this or `allow_origin_regex` is needed",
        ),
        Option(
            "allow_origin_regex",
            REGEX,
            "Further origins: those that this matches as a whole, as in `https://pr-[0-9]+[.]example[.]com`.",
        ),
        Option("allow_methods", METHODS, "The methods that may be used.", absent="those of the routes at the path"),
        Option(
            "allow_headers",
            FIELD_NAMES,
            "The request's header fields that pages may set; `*` is whatever a preflight asks for.",
            default="*",
        ),
        Option(
            "expose_headers",
            FIELD_NAMES,
            f"The answer's header fields that pages may read, besides {', '.join(f'`{name}`' for name in EXPOSED)};"
            " `*` is all, and cannot stand beside `allow_credentials`.",
            default="",
        ),
        Option(
            "allow_credentials",
            BOOLEAN,
            "Whether pages may send cookies, client certificates and passwords that the browser keeps; not with `*` as"
            " origin.",
            default="no",
        ),
        Option(
            "allow_private_network",
            BOOLEAN,
            "Whether public pages may reach the gateway in a private network (Private Network Access).",
            default="no",
        ),
        Option("max_age", DURATION_OR_ZERO, "How long browsers may keep the answer to a preflight.", default="10m"),
    )

    def check(self, section: Section) -> None:
        """Report what must hold between options."""
        origins = section.values.get("allow_origins") or ()
        if not {"allow_origins", "allow_origin_regex"} & section.written:
            section.problem("", "needs allow_origins or allow_origin_regex", "allow_origins = * is any origin")
        if "*" in origins and (len(origins) > 1 or "allow_origin_regex" in section.written):
            section.problem("allow_origins", "has '*' beside other origins", "'*' alone is any origin")
        for option in ("allow_headers", "expose_headers"):
            names = section.values.get(option) or ()
            if "*" in names and len(names) > 1:
                section.problem(option, "has '*' beside names", "'*' alone stands for all")
        if section.values.get("allow_credentials"):
            self._check_credentials(section, origins)

    def _check_credentials(self, section: Section, origins: Sequence[str]) -> None:
        if "*" in origins:
            hint = "name the origins, or leave allow_credentials out"
            section.problem("allow_origins", "cannot be '*' beside allow_credentials: browsers refuse that", hint)
        if "*" in (section.values.get("expose_headers") or ()):
            message = "cannot be '*' beside allow_credentials: browsers take it for a name then"
            section.problem("expose_headers", message, "name the header fields")

    def build(self, section: Section) -> CorsPlugin:
        """Make the plugin of a section in which nothing is wrong."""
        values: dict[str, Any] = dict(section.values)
        values["allow_origins"] = values["allow_origins"] or ()
        return CorsPlugin(name=section.name, place=section.place, **values)

    def stage(self, plugin: Plugin, previous: Stage | None) -> Stage:
        """Give what the plugin does to requests."""
        assert isinstance(plugin, CorsPlugin)
        return previous if isinstance(previous, CorsStage) and previous.plugin == plugin else CorsStage(plugin)


class CorsStage(Stage):
    """A ``cors`` plugin at work. Immutable, and safe from any thread."""

    __slots__ = ("_any", "_base", "_exact", "_exposed", "_patterns", "plugin")

    def __init__(self, plugin: CorsPlugin) -> None:
        self.plugin = plugin
        self._any = "*" in plugin.allow_origins
        self._exact = frozenset(origin for origin in plugin.allow_origins if "*" not in origin)
        patterns = [origin_pattern(origin) for origin in plugin.allow_origins if "*" in origin and origin != "*"]
        patterns += [plugin.allow_origin_regex] if plugin.allow_origin_regex else []
        self._patterns = [re.compile(pattern) for pattern in patterns]
        names = plugin.expose_headers if "*" in plugin.expose_headers else (*EXPOSED, *plugin.expose_headers)
        self._exposed = (b"access-control-expose-headers", ", ".join(dict.fromkeys(names)).encode("ascii"))

    def admits(self, origin: str) -> bool:
        """Whether pages of this origin may use the API."""
        if self._any or origin in self._exact:
            return True
        return len(origin) <= _LONGEST_ORIGIN and any(pattern.fullmatch(origin) for pattern in self._patterns)

    def preflight(self, asked: Asked, methods: Sequence[str]) -> Answer:
        """Say what pages of the asking origin may do at this path.

        Raises:
            GatewayError: 403; nothing is allowed to this origin.
        """
        origin = asked.text(b"origin") or ""
        if not self.admits(origin):
            message = f"pages of origin {origin[:200]} may not use this API"
            raise GatewayError(Code.PERMISSION_DENIED, message, reason="ORIGIN_NOT_ALLOWED")
        plugin = self.plugin
        wanted = asked.text(b"access-control-request-headers")
        headers = wanted if "*" in plugin.allow_headers else ", ".join(plugin.allow_headers)
        fields = self._origin_fields(origin)
        fields.append((b"access-control-allow-methods", ", ".join(plugin.allow_methods or methods).encode("latin-1")))
        if headers:
            fields.append((b"access-control-allow-headers", headers.encode("latin-1")))
        if plugin.allow_private_network and asked.text(b"access-control-request-private-network") == "true":
            fields.append((b"access-control-allow-private-network", b"true"))
        fields.append((b"access-control-max-age", b"%d" % plugin.max_age))
        fields.append((b"vary", _PREFLIGHT_VARY))
        return Answer(204, fields)

    def amend(self, asked: Asked, fields: Fields) -> Fields:
        """Put the fields of CORS in place of those that a backend may have set."""
        amended = [field for field in fields if not field[0].lower().startswith(b"access-control-")]
        origin = asked.text(b"origin")
        if not self._any:
            amended.append((b"vary", b"Origin"))
            if origin is None or not self.admits(origin):
                return amended
        return [*amended, *self._origin_fields(origin or ""), self._exposed]

    def _origin_fields(self, origin: str) -> list[tuple[bytes, bytes]]:
        """Give what is said to an origin that is admitted."""
        fields = [(b"access-control-allow-origin", b"*" if self._any else origin.encode("latin-1"))]
        if self.plugin.allow_credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return fields
