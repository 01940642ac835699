"""A live gateway, called as its own document says it may be called: no 500, and every answer is as described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
import schemathesis
from gateway import Twistd
from google.protobuf import message_factory
from grpc_backend import Backend, compile_proto
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_types import KITCHEN
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from small_snapshots import Upstream

from twistedgw.config.load import load
from twistedgw.openapi.document import document
from twistedgw.registry.build import Builder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemathesis import BaseSchema, Case

INI = """
[listener:http]
endpoint = tcp:0:interface=127.0.0.1
[service:s]
[backend:b]
protocol = grpc
target = {target}
[plugin:p]
type = backend-grpc
proto = kitchen.proto
[api:s/all]
rpc = kitchen.v1.Kitchen/*
backend = b
[binding:b]
plugin = p
service = s
environment = test
"""
EXAMPLES = 8
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

schemathesis.openapi.format("int64", st.integers(-(2**63), 2**63 - 1).map(str))
schemathesis.openapi.format("duration-seconds", st.integers(-315576000000, 315576000000).map("{}s".format))
schemathesis.openapi.format("field-mask", st.sampled_from(["", "title", "title,authorName.first"]))
schemathesis.openapi.format("uint64", st.integers(0, 2**64 - 1).map(str))


def serve(method: Any) -> Callable[[Any, Any], Any]:
    """Answer with the request; with an answer of its own where the types differ."""
    if method.output_type is method.input_type and not method.client_streaming:
        return lambda request, _: as_stored(request)
    answer = message_factory.GetMessageClass(method.output_type)
    made = answer(title="soup") if method.output_type.name == "Dish" else answer()
    return (lambda *_: iter([made, made])) if method.server_streaming else (lambda *_: made)


class Kitchen(Backend):
    """A server of RPCs that take a stream, too."""

    def _handler(self, method: Any, function: Callable[[Any, Any], Any]) -> grpc.RpcMethodHandler:
        if not method.client_streaming:
            return super()._handler(method, function)
        return grpc.stream_unary_rpc_method_handler(
            lambda requests, context: function(list(requests), context),
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def as_stored(message: Any) -> Any:
    """Give what a backend would give back: no dish without a title, and nothing that only goes in."""
    if message.DESCRIPTOR.name == "Dish":
        message.ClearField("secret")
        message.title = message.title or "soup"
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.file is not message.DESCRIPTOR.file:
            continue
        entries = field.message_type.GetOptions().map_entry
        for each in value.values() if entries else value if field.is_repeated else [value]:
            if hasattr(each, "DESCRIPTOR") and each.DESCRIPTOR.file is message.DESCRIPTOR.file:
                as_stored(each)
    return message


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    folder = tmp_path_factory.mktemp("kitchen")
    # An Any takes only messages of types that it knows, which no schema can say.
    schema = compile_proto(KITCHEN.replace("google.protobuf.Any any = 7;", ""), folder, "kitchen.proto")
    methods = schema.services["kitchen.v1.Kitchen"].methods
    functions = {method.name: serve(method) for method in methods}
    backend = Kitchen(schema, "kitchen.v1.Kitchen", functions)
    (folder / "g.ini").write_text(INI.format(target=backend.target))
    snapshot = Builder(lambda *_: schema, Upstream).build(load(folder / "g.ini", {}))
    twistd = Twistd("-c", str(folder / "g.ini"), cwd=folder)
    try:
        server = f"http://127.0.0.1:{twistd.ports()[0]}/test"
        found = schemathesis.openapi.from_dict(document(snapshot, "s", "test", servers=[server], every_path=True))
        found.config.update(base_url=server)
        yield found
    finally:
        twistd.stop()
        backend.stop()


def left_out(case: Case, status: int, *, negative: bool) -> list[Any]:
    """Give the checks that say nothing about a case."""
    found = ["unsupported_method", "missing_required_header", "ignored_auth"]
    if negative:  # ProtoJSON takes more than the canonical forms that a document shows, and the backend gives it back
        found += ["negative_data_rejection", *(["response_schema_conformance"] if status == 200 else [])]
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {}).get(case.media_type, {})
    if case.media_type in FORMS:
        found += ["positive_data_acceptance"] if "encoding" in content else []  # it knows no maps and JSON texts there
    return CHECKS.get_by_names(found)


def can_be_wrong(operation: Any) -> bool:
    """Tell whether a request can differ from what the document says; in a path or as raw bytes nothing is wrong."""
    content = operation.definition.raw.get("requestBody", {}).get("content", {})
    return bool(operation.query) or any(content.values())


def run(operation: Any, mode: GenerationMode) -> int:
    """Call an operation with many requests; give how many were made."""
    made = 0

    @settings(
        max_examples=EXAMPLES if mode is GenerationMode.POSITIVE else EXAMPLES // 2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Case) -> None:
        nonlocal made
        made += 1
        response = case.call()
        excluded = left_out(case, response.status_code, negative=mode is GenerationMode.NEGATIVE)
        case.validate_response(response, excluded_checks=excluded)

    call()
    return made


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_the_gateway_does_what_its_document_says(api: BaseSchema, mode: GenerationMode) -> None:
    failures: list[str] = []
    made = 0
    for found in api.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not can_be_wrong(operation):
            continue
        try:
            made += run(operation, mode)
        except BaseException as failure:
            failures.append(f"{operation.label}: {failure!r}".replace("\\n", "\n"))
    assert not failures, "\n\n".join(failures)
    assert made > 100
