"""What a matched path leads to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from google.protobuf.descriptor_pb2 import MethodOptions

from twistedgw.errors import GatewayError
from twistedgw.status import Code
from twistedgw.transcoding.binder import Binder, BindOptions
from twistedgw.transcoding.messages import Messages
from twistedgw.transcoding.printer import Printer

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor

    from twistedgw.config.plugins.backend_grpc import BackendGrpcPlugin
    from twistedgw.config.plugins.stage import Stage
    from twistedgw.schema.schema import Schema
    from twistedgw.transcoding.codec import Codec
    from twistedgw.transcoding.rule import HttpRule
    from twistedgw.transcoding.template import Template

__all__ = ["DocumentRoute", "GrpcRoute", "Origin", "ProxyRoute", "Route", "Stages", "UnboundRoute"]

Stages: TypeAlias = "tuple[Stage, ...]"
"""What the plugins bound to a route's API do to its requests; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The API and the environment that a route was made for."""

    service: str
    environment: str
    api: str

    def __str__(self) -> str:
        return f"API {self.service}/{self.api} in environment {self.environment}"


@dataclass(eq=False)
class GrpcRoute:
    """A path that becomes one RPC.

    Attributes:
        rule: as it was written, without the environment's prefix.
        template: with the prefix.
        written: where the rule stands: ``file:line`` of an INI file or a `.proto`.
        kind: how the rule came to be: ``api``, ``google.api.http`` or ``default``.
        timeout: seconds; None where the API sets none.
        stages: what bound plugins do to its requests.
    """

    origin: Origin
    rule: HttpRule
    template: Template
    written: str
    kind: str
    method: MethodDescriptor
    plugin: BackendGrpcPlugin
    schema: Schema
    codec: Codec
    upstream: Any
    timeout: float | None
    stages: Stages = ()

    @cached_property
    def binder(self) -> Binder:
        """The compiled way from a request to a message."""
        return Binder(
            self.rule,
            self.template,
            self.method,
            self.codec,
            BindOptions(ignore_unknown_query=self.plugin.ignore_unknown_query),
        )

    @cached_property
    def printer(self) -> Printer:
        """The way from a message to the answer's body."""
        return Printer(self.rule, self.method, self.codec)

    @cached_property
    def messages(self) -> Messages:
        """The RPC's messages as bytes and back, whole: for the protocols that know no rules."""
        return Messages(self.method, self.codec)

    @cached_property
    def is_procedure(self) -> bool:
        """Whether it is ``/package.Service/Method`` behind the prefix, for whole messages: RPC protocols are spoken."""
        rule = self.rule
        return rule.template == f"/{self.rpc}" and rule.body == "*" and not rule.response_body

    @cached_property
    def without_side_effects(self) -> bool:
        """Whether the RPC is declared as such (``idempotency_level = NO_SIDE_EFFECTS``)."""
        return bool(self.method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS)

    @cached_property
    def rpc(self) -> str:
        """The RPC as ``package.Service/Method``."""
        return f"{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def streaming(self) -> bool:
        """Whether the RPC streams in either direction."""
        return bool(self.method.client_streaming or self.method.server_streaming)


@dataclass(eq=False)
class UnboundRoute:
    """A path of an API with a gRPC backend that no plugin converts for: every request is an error."""

    origin: Origin
    rule: HttpRule
    template: Template
    written: str
    rpc: str
    stages: Stages = ()
    kind: str = field(default="unbound", init=False)

    def refuse(self) -> NoReturn:
        """Raise the error that every request gets."""
        origin = self.origin
        raise GatewayError(
            Code.INTERNAL,
            f"no backend-grpc plugin is bound to API {origin.service}/{origin.api} in environment {origin.environment}",
            reason="PLUGIN_NOT_BOUND",
            metadata={"service": origin.service, "api": origin.api, "environment": origin.environment},
        )


@dataclass(eq=False)
class ProxyRoute:
    """A path that goes on to an HTTP backend as it is, but for the environment's prefix.

    Attributes:
        prefix: what is taken off the path; empty for nothing.
        timeout: seconds until the backend's answer begins; None where the API sets none.
    """

    origin: Origin
    rule: HttpRule
    template: Template
    written: str
    upstream: Any
    prefix: bytes
    timeout: float | None
    stages: Stages = ()
    kind: str = field(default="proxy", init=False)

    @property
    def rpc(self) -> str:
        """What stands in a listing where others have an RPC."""
        return f"-> {self.upstream.url}"

    def target(self, path: bytes, query: bytes) -> bytes:
        """Give what stands behind the upstream's URL for a request that this route took.

        Args:
            path: raw; as many segments as the prefix has are taken off, however they are escaped.
            query: raw, without the question mark.

        Raises:
            GatewayError: the path has dot segments, which the backend would resolve to a path that this route does not
                stand for.
        """
        plain = path.lower().replace(b"%2e", b".").replace(b"%2f", b"/").replace(b"%5c", b"/").replace(b"\\", b"/")
        if not {b".", b".."}.isdisjoint(plain.split(b"/")):
            raise GatewayError(Code.INVALID_ARGUMENT, "the path has a '.' or '..' segment", reason="INVALID_PATH")
        rest = path.split(b"/", self.prefix.count(b"/") + 1)[self.prefix.count(b"/") + 1 :]
        return b"/" + b"".join(rest) + (b"?" + query if query else b"")


@dataclass(eq=False)
class DocumentRoute:
    """A path at which the gateway itself answers, with the documentation of an environment.

    Attributes:
        origin: names the option of the service in place of an API.
        form: ``json`` or ``yaml`` for the OpenAPI document, ``page`` for the page to read it on, ``asset`` for that
            page's files.
    """

    origin: Origin
    rule: HttpRule
    template: Template
    written: str
    form: str
    stages: Stages = ()
    kind: str = field(default="openapi", init=False)

    @property
    def rpc(self) -> str:
        """What stands in a listing where others have an RPC."""
        return f"-> documentation ({self.form})"


Route: TypeAlias = "GrpcRoute | UnboundRoute | ProxyRoute | DocumentRoute"
