"""The source that asks a running server: gRPC server reflection, v1 and then v1alpha.

The one file of this room that knows gRPC. It is given opened channels, so that TLS stays with the backends.
"""

from __future__ import annotations

import contextlib
import queue
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from twistedgw.errors import ConfigError, Problem
from twistedgw.schema.reflection_messages import request_class, response_class
from twistedgw.schema.source import Origin
from twistedgw.schema.standard import standard_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from twistedgw.schema.cache import SchemaCache
    from twistedgw.schema.schema import Schema

__all__ = ["Reflected", "ReflectionError", "ReflectionSource", "reflect"]

MAX_FILES = 10_000
"""The most files that a server may describe."""

MAX_TOTAL_SIZE = 64 * 1_048_576
"""The most bytes of descriptors that a server may send."""

_METHOD = "/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
_VERSIONS = ("v1", "v1alpha")
_ITSELF = "grpc.reflection."


class ReflectionError(Exception):
    """A server that does not describe itself; the text says why."""


class _NotOfferedError(Exception):
    """The server does not know this version of the service."""


@dataclass(frozen=True, slots=True)
class Reflected:
    """What a server said about itself.

    Attributes:
        file_set: the files of its services, reflection's own left out, with their imports, sorted by name.
        undescribed: services that it lists but does not describe, each with the reason.
    """

    file_set: FileDescriptorSet
    undescribed: tuple[tuple[str, str], ...] = ()


def reflect(open_channel: Callable[[], grpc.Channel], timeout_seconds: float) -> Reflected:
    """Ask a server for the files of all its services.

    Blocks: runs in a worker.

    Args:
        open_channel: opens a blocking channel; it is closed at the end.
        timeout_seconds: for all questions together.

    Raises:
        ReflectionError: no answer, or one that is of no use.
    """
    deadline = time.monotonic() + timeout_seconds
    with open_channel() as channel:
        try:
            for version in _VERSIONS:
                with contextlib.suppress(_NotOfferedError):
                    return _Conversation(channel, _METHOD.format(version=version), deadline).run()
        except grpc.RpcError as error:
            raise ReflectionError(_told(error, timeout_seconds)) from None
    raise ReflectionError("it offers neither grpc.reflection.v1 nor v1alpha")


class ReflectionSource:
    """The backend of a plugin's ``reflection`` option."""

    def __init__(
        self,
        ask: Callable[[float], Reflected],
        backend: str,
        *,
        cache: SchemaCache,
        origin: Origin | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        """Remember whom to ask; opens nothing.

        Args:
            ask: does what `reflect` does within so many seconds, in this process or in another.
            backend: its name, for messages.
            cache: holds the schemas that were built before.
            origin: which plugin asks.
            timeout_seconds: for all questions together.
        """
        self._ask = ask
        self._backend = backend
        self._cache = cache
        self._origin = origin or Origin()
        self._timeout_seconds = timeout_seconds

    def load(self) -> Schema:
        """Ask again; an answer equal to an earlier one gives the same schema.

        Blocks: runs in a worker.

        Raises:
            ConfigError: the backend does not answer, or not with descriptors that fit together.
        """
        try:
            reflected = self._ask(self._timeout_seconds)
        except ReflectionError as error:
            message = f"backend '{self._backend}' does not answer reflection: {error}"
            raise ConfigError([self._origin.problem("reflection", message)]) from None
        known = standard_files()
        own = frozenset(file.name for file in reflected.file_set.file if file.name not in known)
        notes = tuple(
            self._problem(f"backend '{self._backend}' lists {service} but does not describe it: {why}")
            for service, why in reflected.undescribed
        )
        try:
            return self._cache.share(reflected.file_set, own, notes=notes)
        except ConfigError as error:
            said = (f"backend '{self._backend}' describes itself badly: {p.message}" for p in error.problems)
            raise ConfigError(map(self._problem, said)) from None

    def _problem(self, message: str) -> Problem:
        return self._origin.problem("reflection", message)


@dataclass(slots=True)
class _Conversation:
    """One stream of questions and answers."""

    channel: grpc.Channel
    method: str
    deadline: float
    files: dict[str, FileDescriptorProto] = field(default_factory=dict)
    size: int = 0

    def run(self) -> Reflected:
        questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        ask: Any = self.channel.stream_stream(self.method, request_serializer=None, response_deserializer=None)
        call: Any = ask(iter(questions.get, None), timeout=max(self.deadline - time.monotonic(), 0))
        try:
            return self._talk(questions, call)
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNIMPLEMENTED and not self.files:
                raise _NotOfferedError from None
            raise
        except DecodeError:
            raise ReflectionError("its answer cannot be read") from None
        finally:
            questions.put(None)  # ends the thread in which gRPC waits for the next question

    def _talk(self, questions: queue.SimpleQueue[bytes | None], answers: Iterator[bytes]) -> Reflected:
        def ask(names: Sequence[str], what: str) -> Iterator[tuple[str, Any]]:
            for name in names:
                questions.put(request_class()(**{what: name}).SerializeToString())
            for name in names:
                yield name, _next(answers)

        services: list[str] = []
        for _, answer in ask(["*"], "list_services"):
            if answer.WhichOneof("message_response") != "list_services_response":
                raise ReflectionError(_refusal(answer) or "it does not list its services")
            services = sorted({service.name for service in answer.list_services_response.service})
        wanted = [service for service in services if not service.startswith(_ITSELF)]
        if not wanted:
            raise ReflectionError("it lists no service")
        undescribed = tuple(
            (service, fault)
            for service, answer in ask(wanted, "file_containing_symbol")
            if (fault := self._take(answer))
        )
        if not self.files:
            raise ReflectionError(f"it does not describe {undescribed[0][0]}: {undescribed[0][1]}")
        asked: set[str] = set()
        while missing := sorted(self._missing() - asked):
            asked.update(missing)
            for _, answer in ask(missing, "file_by_filename"):
                self._take(answer)  # what it does not have, the bundle may
        return Reflected(FileDescriptorSet(file=[self.files[name] for name in sorted(self.files)]), undescribed)

    def _take(self, answer: Any) -> str:
        """Keep the files of an answer, or say why there are none."""
        if answer.WhichOneof("message_response") != "file_descriptor_response":
            return _refusal(answer) or "it gave no descriptor"
        for data in answer.file_descriptor_response.file_descriptor_proto:
            self.size += len(data)
            file = FileDescriptorProto.FromString(data)
            self.files.setdefault(file.name, file)
        if len(self.files) > MAX_FILES or self.size > MAX_TOTAL_SIZE:
            raise ReflectionError(f"it describes more than {MAX_FILES:,} files or {MAX_TOTAL_SIZE:,} bytes")
        return ""

    def _missing(self) -> set[str]:
        return {name for file in self.files.values() for name in _imports(file)} - self.files.keys()


def _next(answers: Iterator[bytes]) -> Any:
    data = next(answers, None)
    if data is None:
        raise ReflectionError("it ended the conversation early")
    return response_class().FromString(data)


def _imports(file: FileDescriptorProto) -> Iterable[str]:
    return [*file.dependency, *getattr(file, "option_dependency", ())]


def _refusal(answer: Any) -> str:
    if answer.WhichOneof("message_response") != "error_response":
        return ""
    error = answer.error_response
    return f"{error.error_message or 'no reason given'} (code {error.error_code})"


def _told(error: grpc.RpcError, timeout_seconds: float) -> str:
    if not isinstance(error, grpc.Call):
        return str(error)
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer within {timeout_seconds:g} seconds"
    details = error.details() or ""
    return f"{error.code().name}: {details}" if details else error.code().name
