"""A running server describes itself, in either version of the protocol."""

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection as served
from grpc_reflection.v1alpha import reflection_pb2 as alpha

from twistedgw.config.model import Place
from twistedgw.errors import ConfigError
from twistedgw.schema import reflection
from twistedgw.schema.cache import SchemaCache
from twistedgw.schema.protos import ProtoSource
from twistedgw.schema.reflection import ReflectionSource, reflect
from twistedgw.schema.reflection_messages import request_class, response_class
from twistedgw.schema.schema import Schema
from twistedgw.schema.source import Origin
from twistedgw.transcoding.rule import HttpRule

Answers = Callable[[Iterator[Any], Any], Iterator[Any]]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    folder = tmp_path_factory.mktemp("protos")
    (folder / "shop.proto").write_text(
        """syntax = "proto3"; package shop; import "google/api/annotations.proto"; import "types.proto";
        service Shop { rpc Get(Item) returns (Item) { option (google.api.http) = { get: "/v1/{name}" }; } }
        service Other {}"""
    )
    (folder / "types.proto").write_text('syntax = "proto3"; package shop; message Item { string name = 1; }')
    return ProtoSource([folder / "shop.proto"], cache=SchemaCache()).load()


@contextmanager
def serving(*answering: tuple[str, Answers]) -> Iterator[Callable[[], grpc.Channel]]:
    """Serve reflection in the versions given, each with its answers; yields what opens a channel."""
    server = grpc.server(ThreadPoolExecutor(2))
    for version, answers in answering:
        method = grpc.stream_stream_rpc_method_handler(
            answers,
            request_deserializer=alpha.ServerReflectionRequest.FromString,
            response_serializer=lambda answer: answer if isinstance(answer, bytes) else answer.SerializeToString(),
        )
        name = f"grpc.reflection.{version}.ServerReflection"
        handlers = {"ServerReflectionInfo": method}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield lambda: grpc.insecure_channel(f"127.0.0.1:{port}")
    finally:
        server.stop(None).wait()


def real(schema: Schema, *services: str) -> Answers:
    """The answers of grpcio-reflection itself."""
    names = [*services, "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
    return served.ReflectionServicer(names, pool=schema.pool).ServerReflectionInfo


def source(
    open_channel: Callable[[], grpc.Channel], cache: SchemaCache | None = None, timeout: float = 20.0
) -> ReflectionSource:
    origin = Origin(Place("gw.ini", "plugin:p", 1, {"reflection": 5}))
    return ReflectionSource(
        lambda seconds: reflect(open_channel, seconds),
        "shop",
        cache=cache or SchemaCache(),
        origin=origin,
        timeout_seconds=timeout,
    )


def refusal(open_channel: Callable[[], grpc.Channel], timeout: float = 20.0) -> str:
    with pytest.raises(ConfigError) as caught:
        source(open_channel, timeout=timeout).load()
    [problem] = caught.value.problems
    return str(problem).removeprefix("gw.ini:5: [plugin:p] reflection: ")


@pytest.mark.parametrize("versions", [("v1",), ("v1alpha",), ("v1", "v1alpha")])
def test_a_real_server_in_every_version(described: Schema, versions: tuple[str, ...]) -> None:
    answers = real(described, "shop.Shop")
    with serving(*((version, answers) for version in versions)) as open_channel:
        schema = source(open_channel).load()
    assert list(schema.services) == ["shop.Shop", "shop.Other"]
    assert schema.own_files == {"shop.proto", "types.proto"}
    assert schema.rules(schema.method("shop.Shop", "Get")) == (HttpRule("GET", "/v1/{name}"),)
    assert schema.place("shop.Shop") is None
    assert schema.problems == ()


def test_an_equal_answer_gives_the_same_schema(described: Schema) -> None:
    cache = SchemaCache()
    with serving(("v1", real(described, "shop.Shop"))) as open_channel:
        first = source(open_channel, cache).load()
        assert source(open_channel, cache).load() is first


def test_other_services_of_the_server_are_kept(described: Schema) -> None:
    with serving(("v1", real(described, "shop.Shop", "gone.Service"))) as open_channel:
        schema = source(open_channel).load()
    assert [str(problem) for problem in schema.problems] == [
        (
            "gw.ini:5: [plugin:p] reflection: backend 'shop' lists gone.Service but does not describe it:"
            " not found (code 5)"
        )
    ]


def test_an_answer_may_come_from_another_process(described: Schema) -> None:
    with serving(("v1", real(described, "shop.Shop", "gone.Service"))) as open_channel:
        answer = reflect(open_channel, 20)
    assert pickle.loads(pickle.dumps(answer)) == answer


def test_nothing_of_it_is_in_the_default_pool(described: Schema) -> None:
    with serving(("v1", real(described, "shop.Shop"))) as open_channel:
        source(open_channel).load()
    for name in ("grpc/reflection/v1/reflection.proto", "shop.proto", "types.proto"):
        with pytest.raises(KeyError):
            descriptor_pool.Default().FindFileByName(name)


def test_the_messages_agree_with_the_published_ones() -> None:
    for ours, theirs in (
        (request_class(), alpha.ServerReflectionRequest),
        (response_class(), alpha.ServerReflectionResponse),
    ):
        for field in ours.DESCRIPTOR.fields:
            other = theirs.DESCRIPTOR.fields_by_name[field.name]
            assert (field.number, field.type) == (other.number, other.type)
            for inner in field.message_type.fields if field.message_type else ():
                same = other.message_type.fields_by_name[inner.name]
                assert (inner.number, inner.type, inner.is_repeated) == (same.number, same.type, same.is_repeated)


class Scripted:
    """A server that sends one file at a time, and the files one asks for by name."""

    def __init__(self, *files: FileDescriptorProto, services: tuple[str, ...] = ("S",)) -> None:
        self.files = {file.name: file for file in files}
        self.services = services
        self.asked: list[str] = []

    def __call__(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        for request in requests:
            answer = alpha.ServerReflectionResponse()
            kind = request.WhichOneof("message_request")
            self.asked.append(getattr(request, kind))
            if kind == "list_services":
                answer.list_services_response.SetInParent()
                for service in self.services:
                    answer.list_services_response.service.add(name=service)
            else:
                name = "a" if kind == "file_containing_symbol" else request.file_by_filename
                if name in self.files:
                    data = self.files[name].SerializeToString()
                    answer.file_descriptor_response.file_descriptor_proto.append(data)
                else:
                    answer.error_response.error_code = 5
                    answer.error_response.error_message = f"no {name}"
            yield answer


def _file(name: str, *dependencies: str) -> FileDescriptorProto:
    file = FileDescriptorProto(name=name, dependency=dependencies, syntax="proto3")
    if name == "a":
        file.service.add(name="S")
    return file


def test_missing_files_are_asked_for_by_name_and_the_bundle_helps_out() -> None:
    server = Scripted(_file("a", "b", "google/type/date.proto"), _file("b", "c"), _file("c"))
    with serving(("v1", server)) as open_channel:
        schema = source(open_channel).load()
    assert schema.own_files == {"a", "b", "c"}
    assert schema.message("google.type.Date") is not None
    assert server.asked == ["*", "S", "b", "google/type/date.proto", "c"]


def test_a_file_that_is_nowhere() -> None:
    with serving(("v1", Scripted(_file("a", "b")))) as open_channel:
        assert refusal(open_channel) == ('backend \'shop\' describes itself badly: "a" imports "b", which is missing')


def _rule(answer: Any) -> Answers:
    def answers(requests: Iterator[Any], context: Any) -> Iterator[Any]:
        for _ in requests:
            yield answer

    return answers


def _empty(requests: Iterator[Any], context: Any) -> Iterator[Any]:
    return iter(())


def _error(requests: Iterator[Any], context: Any) -> Iterator[Any]:
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
    yield


REFUSED = alpha.ServerReflectionResponse(error_response=alpha.ErrorResponse(error_code=7, error_message="no"))
LISTED = alpha.ServerReflectionResponse(
    list_services_response=alpha.ListServiceResponse(service=[alpha.ServiceResponse(name="S")])
)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Scripted(services=()), "it lists no service"),
        (Scripted(services=("grpc.reflection.v1.ServerReflection",)), "it lists no service"),
        (Scripted(), "it does not describe S: no a (code 5)"),
        (_rule(REFUSED), "no (code 7)"),
        (_rule(LISTED), "it does not describe S: it gave no descriptor"),
        (_rule(alpha.ServerReflectionResponse()), "it does not list its services"),
        (_rule(b"\xff\xff"), "its answer cannot be read"),
        (_empty, "it ended the conversation early"),
        (_error, "PERMISSION_DENIED: not you"),
    ],
)
def test_useless_answers(answers: Answers, said: str) -> None:
    with serving(("v1", answers)) as open_channel:
        assert refusal(open_channel) == f"backend 'shop' does not answer reflection: {said}"


def test_a_server_without_reflection() -> None:
    with serving() as open_channel:
        assert refusal(open_channel) == (
            "backend 'shop' does not answer reflection: it offers neither grpc.reflection.v1 nor v1alpha"
        )


def test_no_server_at_all() -> None:
    with serving() as open_channel:
        pass
    assert refusal(open_channel).startswith("backend 'shop' does not answer reflection: UNAVAILABLE: ")


def test_a_server_that_says_nothing() -> None:
    released = threading.Event()

    def silent(requests: Iterator[Any], context: Any) -> Iterator[Any]:
        context.add_callback(released.set)
        released.wait()
        yield from ()

    with serving(("v1", silent)) as open_channel:
        said = refusal(open_channel, timeout=0.3)
        assert released.wait(20)  # the call was given up
    assert said == "backend 'shop' does not answer reflection: no answer within 0.3 seconds"


def test_a_server_that_never_stops_describing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflection, "MAX_FILES", 3)
    server = Scripted(_file("a", "b"), _file("b", "c"), _file("c", "d"), _file("d", "e"))
    with serving(("v1", server)) as open_channel:
        assert refusal(open_channel) == (
            "backend 'shop' does not answer reflection: it describes more than 3 files or 67,108,864 bytes"
        )


def test_the_channel_is_closed_at_the_end(described: Schema) -> None:
    opened: list[grpc.Channel] = []
    with serving(("v1", real(described, "shop.Shop"))) as open_channel:

        def remember() -> grpc.Channel:
            opened.append(open_channel())
            return opened[-1]

        source(remember).load()
        [channel] = opened
        with pytest.raises(ValueError, match="closed channel"):
            channel.unary_unary("/a/b")(b"")
