"""What a controller needs from the cluster, as protocols; ``hostler.cluster`` has the real ones, tests their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from hostler.cluster.store import Change
from hostler.planning.acceptance import PoolChoice
from hostler.planning.forecasterror import ForecastError
from hostler.planning.pools import PoolView
from hostler.planning.verdicts import Preempt, Request, TakeBack, Verdict, Workload
from hostler_contract import Progress
from hostler_contract.importing import ImportProgress

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

    def referring(self, kind: str, value: str) -> Sequence[Object]:
        """Cached objects of a kind that refer to ``value`` (``hostler.controllers.references``), likewise sorted."""

    async def live(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        """A read from the API server, for kinds that are not watched and before a destructive step."""

    async def config_map_keys(self, *, namespace: str, name: str, key: str) -> Sequence[str] | None:
        """Keys of a ConfigMap, sorted; None where there is none. ConfigMaps are not watched, which would keep every one
        of the cluster in memory; what is told of one that has ``key`` may be ten seconds old."""

    async def volume(self, name: str) -> Object | None:
        """A PersistentVolume; None where there is none. It cannot move, so what is told may be ten minutes old."""

    async def events(self, about: Object) -> Sequence[Object]:
        """Events about exactly this object, by whomever, read from the API server: a bounded number, in no order.

        Raises ``hostler.cluster.errors.ApiError``.
        """


Applied = Literal["created", "changed"]
"""What an apply did."""


class Writer(Protocol):
    """The one write path. Every call is a no-op where nothing would change."""

    async def apply(self, wanted: Object) -> Applied | None:
        """Server-side apply with our field manager, skipped (None) where the cached child already is as wanted.

        Raises ``hostler.cluster.errors.ApiError`` with the server's own sentence.
        """

    async def patch_status(self, kind: str, *, namespace: str = "", name: str, uid: str, status: Object) -> bool:
        """Replace the status subresource; False where the cached status is equal, or the object has vanished."""

    async def delete(self, child: Object) -> bool:
        """Delete exactly this object (uid and resourceVersion as preconditions); background propagation.

        False where it is gone already.
        """

    async def bind(self, pod: Object, *, node: str) -> None:
        """Give a pod with our scheduling gate its node. A pod that has gone or has its node is no error."""

    async def event(self, about: Object, *, reason: str, message: str, warning: bool = False) -> None:
        """Record a state change as an Event; repeated ones are counted up, and a failure to record is no failure."""


class Admission(Protocol):
    """Where seats are asked for; ``hostler.controllers.admitter`` has the real one. Nothing here waits."""

    def pool(self, name: str) -> PoolChoice:
        """What a pool has, whatever is free of it."""

    def view(self, name: str) -> PoolView | None:
        """A pool as it is now, node by node; None where there is none that can be read."""

    def outlook(self, request: Request) -> float | None:
        """Seconds until a workload would have its seats if it asked for them; None where nobody can know."""

    def ask(self, request: Request) -> Verdict | None:
        """Come into line, or stay there; the standing verdict, or None where there is none yet, or none that differs
        from what an earlier process has told. Whoever's verdict changes is woken."""

    def lost(self, workload: Workload) -> TakeBack | None:
        """Why the seats of a workload are taken back, where they are."""

    def preempted(self, workload: Workload) -> Preempt | None:
        """Why a workload has to leave its seats, or some of them, where it has to. Whoever is told is woken."""

    def withdraw(self, workload: Workload) -> None:
        """Want nothing more: out of line, and what was granted and not written into a status is free again."""


@dataclass(frozen=True, kw_only=True)
class JudgedEstimate:
    """What an estimate was worth."""

    basis: str
    ratio: float
    """The time that the job took by the expected one."""
    covered: bool
    """Whether it was between low and high."""


class AdmissionMetrics(Protocol):
    """What admission reports of itself."""

    def passed(self, seconds: float) -> None:
        """One look at everybody in line has taken this long."""

    def admitted(self, kind: str, waited: float) -> None:
        """A workload of this kind has a seat, so many seconds after it came into line."""

    def lost(self, reason: str) -> None:
        """A workload has lost its seats."""

    def backfilled(self) -> None:
        """A workload starts before one that comes before it in line."""

    def preempted(self, reason: str) -> None:
        """A workload was told to leave for another one."""

    def forecast(self, kind: str, which: str, error: ForecastError) -> None:
        """A workload has a seat, and this is how right its ``first`` or ``last`` forecast was."""

    def estimated(self, judged: JudgedEstimate) -> None:
        """A job has succeeded, and this is how right its estimate was."""


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

        A published snapshot stays the same for at least two readings (ten seconds by default), so whoever copies it
        into a status writes no more often than that.
        """

    def importing(self, pod_uid: str) -> ImportProgress | None:
        """The same of a pod that imports a model."""

    def age(self, pod_uid: str) -> float | None:
        """Seconds since this pod last answered; None where it never did."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a reconcile asks of the queue."""

    requeue_after: float | None = None
    """Seconds until the key is looked at again without an event; None waits for the next event."""


@runtime_checkable
class Seeded(Protocol):
    """A controller whose keys are no objects: it says itself with which ones a process begins."""

    def seeds(self) -> Iterable[Key]:
        """Every key that there is."""


class Controller(Protocol):
    """One kind's loop body."""

    kind: str

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the world closer to the spec. Level-triggered: safe to repeat and to crash at any await."""

    def affected(self, change: Change) -> Iterable[Key]:
        """Keys of this controller's kind that a change of any watched object may concern."""
