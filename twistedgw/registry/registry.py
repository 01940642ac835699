"""The one mutable cell: which snapshot serves now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from twistedgw.registry.snapshot import Snapshot

__all__ = ["Generation", "Registry"]


class Generation:
    """A snapshot and the requests that hold it. Reactor thread only."""

    __slots__ = ("_registry", "leases", "retired", "snapshot")

    def __init__(self, snapshot: Snapshot, registry: Registry) -> None:
        self.snapshot = snapshot
        self.leases = 0
        self.retired = False
        self._registry = registry

    def release(self) -> None:
        """Give a lease back."""
        self.leases -= 1
        self._registry.in_flight -= 1
        if self.retired and not self.leases:
            self._registry.drop(self)


class Registry:
    """Holds the current generation, and those before it that are still in use. Reactor thread only.

    Attributes:
        in_flight: leases that are out, over all generations.
    """

    def __init__(self, retired: Callable[[Snapshot], None] = lambda _: None) -> None:
        """Make an empty one.

        Args:
            retired: called once for each snapshot that nothing will use again.
        """
        self._retired = retired
        self._current: Generation | None = None
        self._older: list[Generation] = []
        self.in_flight = 0

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot. There is one from the start of service on."""
        assert self._current is not None, "no snapshot has been published"
        return self._current.snapshot

    @property
    def live(self) -> list[Snapshot]:
        """Every snapshot that may still serve, the current one last."""
        current = [self._current] if self._current is not None else []
        return [generation.snapshot for generation in (*self._older, *current)]

    def lease(self) -> Generation:
        """Take the current generation for one request; every lease is released once."""
        generation = self._current
        assert generation is not None, "no snapshot has been published"
        generation.leases += 1
        self.in_flight += 1
        return generation

    def swap(self, snapshot: Snapshot) -> Generation | None:
        """Publish a snapshot. Cannot fail.

        Returns:
            the generation before, if it is still in use.
        """
        old, self._current = self._current, Generation(snapshot, self)
        if old is None:
            return None
        old.retired = True
        self._older.append(old)
        if not old.leases:
            self.drop(old)
            return None
        return old

    def drop(self, generation: Generation) -> None:
        """Retire a generation for good, whoever still holds it. Idempotent."""
        if generation in self._older:
            self._older.remove(generation)
            self._retired(generation.snapshot)

    def close(self) -> None:
        """Retire every generation, the current one included; there is no other after it."""
        for generation in tuple(self._older):
            self.drop(generation)
        current, self._current = self._current, None
        if current is not None:
            self._retired(current.snapshot)
