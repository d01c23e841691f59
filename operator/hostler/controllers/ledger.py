"""Promises of this process that no cache shows yet.

Two workers decide about the same pool at the same time, and the Job that one of them creates reaches the cache only
later. A promise is noted without any await between the look at the pool and the note, so the second worker sees it.
After a restart the ledger is empty, and the caches are complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hostler.controllers.ports import Clock, Object, Reader
from hostler.planning.demand import Demand

_LIFETIME_SECONDS = 60.0
"""A promise whose child was refused must not hold devices for ever."""


@dataclass(frozen=True)
class Workload:
    """Whoever asks: its own pods, Jobs and promises count as free."""

    label: str
    """Label that its children carry."""
    namespace: str
    name: str

    def owns(self, candidate: Object) -> bool:
        """Whether a pod, Job or Deployment is one of its children."""
        metadata = candidate["metadata"]
        return (
            metadata.get("namespace") == self.namespace and (metadata.get("labels") or {}).get(self.label) == self.name
        )


@dataclass(frozen=True, kw_only=True)
class _Promise:
    workload: Workload
    kind: str
    namespace: str
    name: str
    demand: Demand
    until: float


class Ledger:
    """What was promised, until the child that keeps the promise is seen."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._promises: dict[tuple[str, str, str], _Promise] = {}

    def note(self, workload: Workload, kind: str, *, name: str, demand: Demand) -> None:
        """Remember that this child of a workload is about to be written."""
        until = self._clock.monotonic() + _LIFETIME_SECONDS
        promise = _Promise(
            workload=workload, kind=kind, namespace=workload.namespace, name=name, demand=demand, until=until
        )
        self._promises[kind, workload.namespace, name] = promise

    def drop(self, kind: str, *, namespace: str, name: str) -> None:
        """Take a promise back: the child was refused."""
        self._promises.pop((kind, namespace, name), None)

    def promised(self, kind: str, *, namespace: str, name: str) -> Demand | None:
        """What was promised to a child that is not seen yet."""
        self._forget()
        promise = self._promises.get((kind, namespace, name))
        return promise.demand if promise else None

    def open(self, pool: str, *, but: Workload) -> Iterator[Demand]:
        """Promises on a pool to others that no cached child stands for yet."""
        self._forget()
        for promise in self._promises.values():
            if promise.demand.pool == pool and promise.workload != but:
                yield promise.demand

    def _forget(self) -> None:
        now = self._clock.monotonic()
        kept = {key: p for key, p in self._promises.items() if p.until > now and not self._kept(p)}
        self._promises = kept

    def _kept(self, promise: _Promise) -> bool:
        child = self._reader.get(promise.kind, namespace=promise.namespace, name=promise.name)
        if child is None:
            return False
        spec = child.get("spec") or {}
        return int(spec.get("parallelism") or spec.get("replicas") or 0) >= promise.demand.pods
