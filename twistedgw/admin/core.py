"""What every method of the API does in the same way: reads off the reactor, and changes that are whole or none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.threads import deferToThreadPool

from twistedgw.admin.changing import Draft, version_number
from twistedgw.admin.refusal import RefusalError
from twistedgw.admin.view import View
from twistedgw.config.paths import shown_path
from twistedgw.errors import ConfigError
from twistedgw.registry.store import FOLDERS, StoreError
from twistedgw.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from twisted.python.threadpool import ThreadPool

    from twistedgw.admin.audit import AuditLog
    from twistedgw.admin.world import Types
    from twistedgw.registry.snapshot import Snapshot
    from twistedgw.registry.store import Store
    from twistedgw.registry.store_text import Stored
    from twistedgw.schema.cache import SchemaCache

__all__ = ["Asked", "Core", "RunningGateway"]

T = TypeVar("T")

_STATES = ("transient_failure", "connecting", "ready", "idle", "shutdown")
"""What is told of a backend where workers differ: the first of these that one of them sees."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what.

    Attributes:
        method: the RPC's name.
        actor: the client's address, and the name that it gave.
        request_id: of the request.
    """

    method: str
    actor: str
    request_id: str


@dataclass(frozen=True, slots=True)
class _Stopping:
    """The outcome of a reload that will not come."""

    generation: int
    accepted: bool = False
    message: str = "the gateway is stopping"
    seconds: float = 0.0


class _Reading(Protocol):
    @property
    def snapshot(self) -> Snapshot: ...


class _Assembly(Protocol):
    @property
    def cache(self) -> SchemaCache: ...

    @property
    def bridge(self) -> object: ...

    def load(self, previous: Snapshot | None = None, texts: Mapping[Path, str] = ...) -> _Reading: ...


class RunningGateway(Protocol):
    """What the API asks of the gateway; `twistedgw.gateway.Gateway` is one."""

    @property
    def assembly(self) -> _Assembly:
        """Reads a configuration off to the side; its `load` blocks."""
        ...

    @property
    def started(self) -> float:
        """When it was started, in seconds since 1970."""
        ...

    @property
    def listeners(self) -> Any:
        """The ports (`twistedgw.web.listeners.Listeners`)."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """The generation that serves now."""
        ...

    @property
    def ready(self) -> bool:
        """Whether requests are answered."""
        ...

    @property
    def history(self) -> Sequence[Any]:
        """The last reloads, the oldest first."""
        ...

    def reload(self, by: str = "") -> Deferred[Any]:
        """Ask for a reload; gives its outcome, and never fails."""
        ...

    def in_flight(self) -> Deferred[int]:
        """Count the requests on their way."""
        ...

    def backends(self) -> Deferred[list[Any]]:
        """Tell the state of each backend in each process."""
        ...

    def workers(self) -> Deferred[list[Any]]:
        """Tell the state of each process."""
        ...

    def metrics(self) -> Deferred[bytes]:
        """Give all metrics as text."""
        ...


class Core:
    """Reads and changes the configuration of a running gateway. Reactor thread only; what blocks runs in the pool."""

    def __init__(
        self, gateway: RunningGateway, store: Store, types: Types, audit: AuditLog, pool: ThreadPool, reactor: Any
    ) -> None:
        """Take what it works with; starts nothing."""
        self.gateway = gateway
        self.store = store
        self.types = types
        self.audit = audit
        self.pool = pool
        self.reactor = reactor
        self._changing = DeferredLock()
        self._view: View | None = None
        self._waiting: set[Deferred[Any]] = set()
        self._stopping = False

    def in_thread(self, function: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """Run what blocks."""
        return deferToThreadPool(self.reactor, self.pool, function, *arguments)

    # -- reading

    async def read(self, make: Callable[[View], T]) -> T:
        """Make an answer of what is served now, in a thread."""
        snapshot = self.gateway.snapshot
        return await self.in_thread(lambda: make(self.view_of(snapshot)))

    def view_of(self, snapshot: Snapshot) -> View:
        """Give the view of a generation. Any thread.

        Raises:
            RefusalError: the store's file cannot be read.
        """
        try:
            stored = self.store.read()
        except StoreError as error:
            raise unusable(error) from None
        known = self._view
        if known is None or known.snapshot is not snapshot or known.stored is not stored:
            known = self._view = self._make_view(snapshot, stored)
        return known

    def _make_view(self, snapshot: Snapshot, stored: Mapping[str, Stored]) -> View:
        return View(snapshot, self.types, self.store, stored, shown_path(self.store.file))

    async def backend_states(self) -> dict[str, tuple[str, int]]:
        """Give the state of each backend's channel and the number of its calls, over all processes."""
        found: dict[str, tuple[str, int]] = {}
        for each in await self.gateway.backends():
            state, count = found.get(each.backend, (each.state, 0))
            worse = min(state, each.state, key=lambda word: _STATES.index(word) if word in _STATES else len(_STATES))
            found[each.backend] = (worse, count + each.in_flight)
        return found

    # -- changing

    async def change(
        self,
        asked: Asked,
        request: Any,
        resource: str,
        plan: Callable[[Draft], None],
        answer: Callable[[View], Any] | None,
    ) -> Any:
        """Change the store: planned, checked, written, served by all workers, and only then acknowledged.

        Args:
            request: has ``validate_only``.
            resource: what it is about, for the audit trail.
            plan: puts the change into a draft, in a thread.
            answer: makes the answer of what is served afterwards, in a thread; an empty message where None.

        Raises:
            RefusalError: it cannot be done; everything is as it was.
        """
        await self._changing.acquire()
        try:
            if self._stopping:
                raise RefusalError(Code.UNAVAILABLE, "the gateway is stopping", reason="GATEWAY_STOPPING")
            return await self._change(asked, request, resource, plan, answer or _nothing)
        finally:
            self._changing.release()

    async def reload(self) -> Any:
        """Reload, and give the outcome; that of a refusal where the gateway stops before."""
        waiting: Deferred[Any] = Deferred()
        self._waiting.add(waiting)

        def told(outcome: Any) -> None:
            if not waiting.called:
                waiting.callback(outcome)

        self.gateway.reload("admin").addBoth(told)
        try:
            return await waiting
        finally:
            self._waiting.discard(waiting)

    async def stop(self) -> None:
        """Give up reloads that will not come any more, and wait until no change is on its way."""
        self._stopping = True
        for waiting in tuple(self._waiting):
            if not waiting.called:
                waiting.callback(_Stopping(self.gateway.snapshot.generation))
        await self._changing.acquire()
        self._changing.release()

    async def _change(
        self,
        asked: Asked,
        request: Any,
        resource: str,
        plan: Callable[[Draft], None],
        answer: Callable[[View], Any],
    ) -> Any:
        snapshot = self.gateway.snapshot
        try:
            draft, text = await self.in_thread(self._prepare, snapshot, asked, plan, request.validate_only)
        except RefusalError as refusal:
            if not request.validate_only:
                await self.in_thread(self.audit.add, asked, resource, None, refusal, snapshot.generation)
            raise
        if request.validate_only:
            return await self.in_thread(self._only_checked, draft, answer)
        if draft.changed:
            try:
                await self._commit(draft, text)
            except RefusalError as refusal:
                await self.in_thread(self.audit.add, asked, resource, draft, refusal, snapshot.generation)
                raise
        snapshot = self.gateway.snapshot
        return await self.in_thread(self._acknowledged, snapshot, asked, resource, draft, answer)

    def _prepare(
        self, snapshot: Snapshot, asked: Asked, plan: Callable[[Draft], None], only_check: bool
    ) -> tuple[Draft, str]:
        draft = Draft(self.view_of(snapshot), only_check=only_check, actor=asked.actor)
        try:
            if not only_check:
                self.store.prepare()
            plan(draft)
            text = self._check(draft)
        except StoreError as error:
            draft.discard()
            raise unusable(error) from None
        except BaseException:
            draft.discard()
            raise
        return draft, text

    def _check(self, draft: Draft) -> str:
        view = draft.view
        text = self.store.text(draft.sections.values())
        if not draft.changed:
            draft.meet(view)
            return text
        try:
            made = self.gateway.assembly.load(view.snapshot, {self.store.file: text})
        except ConfigError as error:
            raise draft.refused(error) from None
        if made.snapshot.config.gateway.state_dir != self.store.folder:
            raise RefusalError(
                Code.FAILED_PRECONDITION,
                "state_dir of [gateway] has changed: restart the gateway before anything is changed here",
                reason="STORE_UNUSABLE",
            )
        draft.meet(self._make_view(made.snapshot, draft.sections))
        return text

    def _only_checked(self, draft: Draft, answer: Callable[[View], Any]) -> Any:
        assert draft.after is not None
        try:
            return answer(draft.after)
        finally:
            draft.discard()

    async def _commit(self, draft: Draft, text: str) -> None:
        try:
            before = await self.in_thread(self.store.commit, text)
        except StoreError as error:
            await self.in_thread(draft.discard)
            raise unusable(error) from None
        outcome = await self.reload()
        if outcome.accepted:
            return
        await self.in_thread(self._put_back, draft, before)
        raise RefusalError(
            Code.FAILED_PRECONDITION,
            f"the gateway could not serve it, and serves what it served before: {outcome.message}",
            reason="RELOAD_REFUSED",
        )

    def _put_back(self, draft: Draft, before: bytes | None) -> None:
        try:
            self.store.put_back(before)
        except StoreError as error:
            raise unusable(error) from None
        draft.discard()

    def _acknowledged(
        self, snapshot: Snapshot, asked: Asked, resource: str, draft: Draft, answer: Callable[[View], Any]
    ) -> Any:
        view = self.view_of(snapshot)
        draft.clean()
        if draft.changed:
            self.audit.add(asked, resource, draft, None, snapshot.generation)
            self.store.sweep(current_versions(self.store, view.stored))
        return answer(view)

    def open(self) -> None:
        """Become the one writer of the store, and sweep what a crash may have left. Blocks for a moment.

        Raises:
            StoreError: another gateway is that, or the folder cannot be written.
        """
        self.store.begin()
        with contextlib.suppress(StoreError):
            self.store.sweep(current_versions(self.store, self.store.read()))


def current_versions(store: Store, stored: Mapping[str, Stored]) -> dict[tuple[str, str], int]:
    """Give the version that each section names, of those that have files."""
    found = {}
    for section in stored.values():
        kind, _, name = section.name.partition(":")
        if kind in FOLDERS:
            found[kind, name] = version_number(store, section)
    return {key: number for key, number in found.items() if number}


def unusable(error: StoreError) -> RefusalError:
    """Refuse what the store cannot do."""
    return RefusalError(
        Code.FAILED_PRECONDITION,
        str(error),
        reason="STORE_UNUSABLE",
        problems=[(problem, "") for problem in error.problems],
    )


def _nothing(view: View) -> Any:
    return view.types.of("google.protobuf.Empty")()
