"""All workers of a gateway: started, kept on one generation, replaced where one is lost, and ended together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, TimeoutError, inlineCallbacks  # noqa: A004
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedgw.errors import ConfigError, Problem
from twistedgw.gateway import WorkerState
from twistedgw.metrics import Tally, merge
from twistedgw.workers.commands import Refused
from twistedgw.workers.member import Cargo, Member

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from twisted.python.failure import Failure

    from twistedgw.gateway import BackendState

__all__ = ["Crew"]

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 30.0
_LIVED_LONG = 30.0
"""Seconds: a worker that has served as long is replaced as quickly as if it were the first that is lost."""

_KILL_AFTER = 10.0
"""Seconds beyond the time for draining that a worker has to end."""


_LAST_WORDS = 0.2
"""Seconds for the log events of a worker that failed to arrive."""


class _Berth:
    """The place of one worker: whoever has it now, and what became of those before."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.member: Member | None = None
        self.restarts = 0
        self.delay = _FIRST_DELAY
        self.retry: Any = None


class Crew:
    """The workers. Reactor thread only.

    A reload has two phases. `prepare` lets each worker build the new generation beside the old one, and fails if one of
    them cannot: then the old one goes on everywhere. `commit` lets all of them swap; it cannot fail, since a worker
    that is lost there is replaced by one that starts with the new generation.
    """

    _log = Logger(namespace="twistedgw.workers")

    def __init__(self, count: int, reactor: Any) -> None:
        """Make it; starts nothing.

        Args:
            count: how many workers there shall be.
            reactor: the one that runs.
        """
        self._count = count
        self._reactor = reactor
        self._berths = [_Berth(number) for number in range(1, count + 1)]
        self._leaving: set[Member] = set()
        self._cargo: Cargo | None = None
        self._prepared: tuple[Cargo, list[Member]] | None = None
        self._deciding: list[Deferred[None]] | None = None
        self._stopping = False
        self._complete: Deferred[None] = Deferred()
        self._closing: list[Member] = []
        self._past = Tally()

    @property
    def members(self) -> list[Member]:
        """The workers that serve."""
        return [berth.member for berth in self._berths if berth.member is not None and berth.member.serving]

    @property
    def _alive(self) -> list[Member]:
        return [*self._leaving, *(berth.member for berth in self._berths if berth.member is not None)]

    # -- start

    def start(self, generation: int, data: bytes, ports: Mapping[str, Any]) -> Deferred[None]:
        """Start all workers with a first generation; after twistd has forked.

        Args:
            generation: its number.
            data: packed `twistedgw.material.Material`.
            ports: what they accept from, by endpoint description.

        Returns:
            fires once all of them serve.
        """
        self._cargo = Cargo(generation, data, ports)
        for berth in self._berths:
            self._hire(berth)
        return self._complete

    def _hire(self, berth: _Berth) -> None:
        berth.retry = None
        if self._stopping:
            return
        try:
            member = berth.member = Member(
                berth.number, self._count, self._reactor, lambda member: self._leave(berth, member)
            )
        except Exception as error:  # noqa: BLE001 - no process, no memory, no descriptors: it is tried again
            self._log.error("worker {worker} cannot be started: {error}", worker=berth.number, error=error)
            self._retry(berth)
            return
        member.ended.addCallback(self._lost, berth, member)
        self._join(member).addErrback(self._cannot_join, member)

    @inlineCallbacks
    def _join(self, member: Member) -> Generator[Deferred[Any], Any, None]:
        """Bring a new worker to the generation that serves, however often that changes meanwhile."""
        while True:
            cargo = self._cargo
            assert cargo is not None
            cargo.hold()
            try:
                yield member.prepare(cargo)
            except Exception:
                if cargo is self._cargo or self._cargo is None:
                    raise
            finally:
                cargo.release()
            while self._deciding is not None:
                decided: Deferred[None] = Deferred()
                self._deciding.append(decided)
                yield decided
            if cargo is self._cargo:
                break
            yield member.abandon()
        yield member.commit(cargo)
        self._log.debug("worker {worker} serves (process {pid})", worker=member.number, pid=member.pid)
        if len(self.members) == self._count and not self._complete.called:
            self._complete.callback(None)

    def _cannot_join(self, failure: Failure, member: Member) -> None:
        if not self._stopping:
            reason = _reason(failure)
            self._log.error("worker {worker} cannot serve: {reason}", worker=member.number, reason=reason)
        self._reactor.callLater(_LAST_WORDS, member.kill)

    # -- loss

    def _leave(self, berth: _Berth, member: Member) -> None:
        """Put another in the place of a worker that was told to end, while that one drains."""
        if self._stopping or berth.member is not member:
            return
        berth.member = None
        self._leaving.add(member)
        berth.restarts += 1
        self._log.info("worker {worker} (process {pid}) ends; replaced", worker=member.number, pid=member.pid)
        self._retry(berth)

    def _lost(self, how: str, berth: _Berth, member: Member) -> None:
        merge(self._past, member.last.tally)
        self._past.streams -= member.last.tally.streams
        left = member in self._leaving
        self._leaving.discard(member)
        if berth.member is member:
            berth.member = None
        if self._stopping or left:
            return
        if member.started is not None and time.time() - member.started > _LIVED_LONG:
            berth.delay = _FIRST_DELAY
        self._log.error(
            "worker {worker} (process {pid}) is lost: {how}; replaced in {delay:.1f} s",
            worker=berth.number,
            pid=member.pid,
            how=how,
            delay=berth.delay,
        )
        berth.restarts += 1
        self._retry(berth)

    def _retry(self, berth: _Berth) -> None:
        berth.retry = self._reactor.callLater(berth.delay, self._hire, berth)
        berth.delay = min(berth.delay * 2, _LONGEST_DELAY)

    # -- reload

    @inlineCallbacks
    def prepare(self, generation: int, data: bytes, ports: Mapping[str, Any]) -> Generator[Deferred[Any], Any, None]:
        """Let every worker that serves build a generation. One that joins meanwhile waits for the decision.

        Raises:
            ConfigError: one of them could not, or was lost; all have forgotten it again.
        """
        cargo = Cargo(generation, data, ports)
        self._deciding = []
        members = self.members
        results = yield DeferredList([member.prepare(cargo) for member in members], consumeErrors=True)
        reasons = []
        for member, (success, result) in zip(members, results, strict=True):
            if not success:
                reasons.append(f"worker {member.number}: {_reason(result)}")
                if not isinstance(result.value, Refused):
                    member.kill()  # whatever it does, it does not listen
        if not reasons:
            self._prepared = (cargo, members)
            return
        yield DeferredList([member.abandon() for member in members], consumeErrors=True)
        cargo.release()
        self._decided()
        raise ConfigError([Problem("", 0, message=reason) for reason in reasons])

    @inlineCallbacks
    def commit(self) -> Generator[Deferred[Any], Any, None]:
        """Let every worker serve what was prepared. Cannot fail; fires when all that are left have done so."""
        assert self._prepared is not None
        (cargo, members), self._prepared = self._prepared, None
        old, self._cargo = self._cargo, cargo
        asked = [member.commit(cargo) for member in members if member.serving]
        waiting = [member for member in members if member.serving]
        results = yield DeferredList(asked, consumeErrors=True)
        for member, (success, _) in zip(waiting, results, strict=True):
            if not success:
                member.kill()  # it is replaced by one that starts with this generation
        self._decided()
        if old is not None:
            old.release()

    def _decided(self) -> None:
        waiting, self._deciding = self._deciding or [], None
        for each in waiting:
            each.callback(None)

    # -- looking

    @inlineCallbacks
    def look(self) -> Generator[Deferred[Any], Any, None]:
        """Ask every worker what it knows of itself."""
        yield DeferredList([member.report() for member in self.members])
        for berth in self._berths:
            self._age(berth)

    def _age(self, berth: _Berth) -> None:
        member = berth.member
        if member is not None and member.started is not None and time.time() - member.started > _LIVED_LONG:
            berth.delay = _FIRST_DELAY

    def tally(self) -> Tally:
        """Give the sum of what was counted at the last look, by workers that are gone too."""
        total = Tally()
        for each in (self._past, *(member.last.tally for member in self._alive)):
            merge(total, each)
        return total

    def backends(self) -> list[BackendState]:
        """Give the state of each backend in each worker at the last look."""
        return [state for member in self.members for state in member.last.backends]

    def states(self) -> list[WorkerState]:
        """Give the state of each worker at the last look."""
        return [self._state(berth) for berth in self._berths]

    @staticmethod
    def _state(berth: _Berth) -> WorkerState:
        member = berth.member
        if member is None or not member.serving:
            pid = member.pid if member is not None else None
            return WorkerState(berth.number, pid, 0, None, berth.restarts, 0, 0)
        last = member.last
        return WorkerState(
            berth.number,
            member.pid,
            member.generation,
            member.started,
            berth.restarts,
            last.in_flight,
            last.connections,
        )

    def answered(self) -> dict[int, int]:
        """Give how many requests each living worker had answered at the last look, by its number."""
        return {member.number: member.last.tally.total for member in self.members}

    # -- stop

    @inlineCallbacks
    def close(self) -> Generator[Deferred[Any], Any, None]:
        """Start no more workers, and let those that serve accept no more connections."""
        self._stopping = True
        for berth in self._berths:
            if berth.retry is not None and berth.retry.active():
                berth.retry.cancel()
        if self._cargo is not None:
            self._cargo.release()
            self._cargo = None
        self._closing = [*self._leaving, *self.members]
        for member in self._alive:
            if member not in self._closing:
                member.kill()
        yield DeferredList([member.close() for member in self._closing], consumeErrors=True)

    @inlineCallbacks
    def drain(self, timeout: float) -> Generator[Deferred[Any], Any, int]:
        """Let all workers drain for so many seconds and end; gives how many requests were cut off."""
        alive = self._alive
        gone = [_copy(member.ended) for member in alive]
        asked = [member.drain(timeout) for member in self._closing]
        killing = self._reactor.callLater(timeout + _KILL_AFTER, _kill, alive)
        results = yield DeferredList(asked, consumeErrors=True)
        yield DeferredList(gone)
        if killing.active():
            killing.cancel()
        return sum(cut for success, cut in results if success)


def _kill(members: list[Member]) -> None:
    for member in members:
        member.kill()


def _copy(deferred: Deferred[Any]) -> Deferred[Any]:
    """Give a Deferred that fires when another does, and leaves that one's result as it is."""
    copy: Deferred[Any] = Deferred()

    def fired(result: Any) -> Any:
        copy.callback(None)
        return result

    deferred.addBoth(fired)
    return copy


def _reason(failure: Failure) -> str:
    error = failure.value
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return f"it was lost ({error})"
