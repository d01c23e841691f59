"""What a controller needs from the cluster, as protocols; ``hostler.cluster`` has the real ones, tests their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hostler_contract import Progress

Object = dict[str, Any]
"""A Kubernetes object as plain JSON types. Whoever reads one from a cache must not change it."""


@dataclass(frozen=True, order=True)
class Key:
    """What the work queue holds: one object of one of our kinds."""

    kind: str
    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


class Reader(Protocol):
    """Cached reads, kept current by watches."""

    def get(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        """The cached object, or None."""

    def list(self, kind: str, *, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Cached objects that carry all of these labels, sorted by namespace and name."""

    async def live(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        """A read from the API server, for kinds that are not watched and before a destructive step."""

    async def events(self, about: Object) -> Sequence[Object]:
        """Events about exactly this object, by whomever, read from the API server: a bounded number, in no order.

        Raises ``hostler.cluster.errors.ApiError``.
        """


class Writer(Protocol):
    """The one write path. Every call is a no-op where nothing would change."""

    async def apply(self, wanted: Object) -> bool:
        """Server-side apply with our field manager; False where it was skipped, because the child is as it should be.

        Raises ``hostler.cluster.errors.ApiError`` with the server's own sentence.
        """

    async def patch_status(self, kind: str, *, namespace: str = "", name: str, uid: str, status: Object) -> None:
        """Replace the status subresource, skipped where the cached status is equal. A vanished object is no error."""

    async def delete(self, child: Object) -> None:
        """Delete exactly this object (uid and resourceVersion as preconditions); background propagation."""

    async def event(self, about: Object, *, reason: str, message: str, warning: bool = False) -> None:
        """Record a state change as an Event; repeated ones are counted up, and a failure to record is no failure."""


class Clock(Protocol):
    """Time, injected, so that tests do not wait."""

    def now(self) -> str:
        """RFC 3339, UTC, whole seconds."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""


class Facts(Protocol):
    """What pods have answered, kept in memory by whoever asks them. Reading it never waits for a pod."""

    def progress(self, pod_uid: str) -> Progress | None:
        """The last published snapshot of this pod; None where it has not answered yet.

        A published snapshot stays the same for at least ten seconds, so whoever copies it into a status writes no
        more often than that.
        """

    def age(self, pod_uid: str) -> float | None:
        """Seconds since this pod last answered; None where it never did."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a reconcile asks of the queue."""

    requeue_after: float | None = None
    """Seconds until the key is looked at again without an event; None waits for the next event."""


class Controller(Protocol):
    """One kind's loop body."""

    kind: str

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the world closer to the spec. Level-triggered: safe to repeat and to crash at any await."""

    def affected(self, kind: str, changed: Object) -> Iterable[Key]:
        """Keys of this controller's kind that a change of any watched object may concern."""
