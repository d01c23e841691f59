"""What admission is asked and what it answers: the vocabulary between controllers and the planner.

    Request  -- plan -->  Admit | Wait
    Reservation  -- plan -->  TakeBack | Preempt
    Admit    -- status.placement -->  Reservation, which holds until the workload gives it back

A reservation is the seat of a workload: so many pods on each of these nodes. Its durable form is ``status.placement``
of the workload, which only its own controller writes and which a namespace's users may not: a label or an annotation
on a Job that anybody can create reserves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hostler.api.common import Topology
from hostler.api.inferenceservice import Spread
from hostler.planning.resources import Resources
from hostler.planning.volumes import Reach

Seats = Mapping[str, int]
"""Pods by node name."""


@dataclass(frozen=True, order=True)
class Workload:
    """A TrainingJob or an InferenceService."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Request:
    """Equal pods that want seats on a pool, all or none of the least."""

    workload: Workload
    pool: str
    least: int
    most: int
    need: Resources
    """Of each pod."""
    since: str
    """RFC 3339: from when its age counts. The order of the line, and kept when a seat is taken back."""
    holding: Seats = field(default_factory=dict)
    """Seats that it has and wants to keep: between two attempts, or while replicas are replaced."""
    held_need: Resources | None = None
    """What each pod of ``holding`` counts with, where that is not ``need``."""
    beside: Seats = field(default_factory=dict)
    """Seats that it has and that are not asked about: the answer comes on top of them."""
    surge: int = 0
    """Pods beyond ``most`` that it could use for a while, taken only where nobody waits for them."""
    spread: Spread | None = None
    """Over what its seats are spread; None packs them."""
    volumes: tuple[Reach, ...] = ()
    """Of the volumes that its pods mount, those that not every node can mount; sorted."""
    priority: int = 0
    """Value of its PriorityClass; the larger comes first."""
    preempts: bool = True
    """Whether those of lower priority may be stopped for it (the PriorityClass' preemptionPolicy)."""
    estimate: float | None = None
    """Seconds that what is left of its work takes once it has a seat; None where nobody knows."""
    topology: Topology | None = None
    """Whether its pods are to be in one domain of the pool's topology key."""
    told: Obstacle | None = field(default=None, compare=False)
    """What its status says that it waits for. Nothing that is asked: a process that has just started learns from it
    what an earlier one has said."""
    place: Place | None = field(default=None, compare=False)
    """What its status says of its place in line; likewise."""

    @property
    def serves(self) -> bool:
        """Whether it answers people who wait: then it comes before jobs of the same priority."""
        return self.workload.kind == "InferenceService"

    @property
    def shape(self) -> frozenset[tuple[str, int]]:
        """Requests with equal shapes need equal seats, on the nodes that their volumes leave."""
        return frozenset(self.need.items())


class Obstacle(StrEnum):
    """Why a request waits; the names are those of the reasons in the API."""

    POOL_NOT_READY = "PoolNotReady"
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    QUOTA_EXCEEDED = "QuotaExceeded"
    PREEMPTING = "Preempting"


class Loss(StrEnum):
    """Why a reservation is taken back; the names are those of the reasons in the API."""

    PODS_DID_NOT_COME = "PodsDidNotCome"
    """The deadline has passed, and not all of its pods are bound."""
    NODE_GONE = "NodeGone"
    """A node that it names is not there any more, and pods were still to come to it."""
    NODES_DID_NOT_COME = "NodesDidNotCome"
    """The deadline has passed, and the pool has not grown by the nodes that its pods wait for."""
    SEAT_TAKEN = "SeatTaken"
    """Somebody who does not ask us took what was reserved, before its pods came."""


@dataclass(frozen=True, kw_only=True)
class Admit:
    """Its pods may be made, on these nodes and nowhere else."""

    seats: Seats
    surge: Seats = field(default_factory=dict)
    """Seats beyond them, as far as the request could use them."""
    backfilled: bool = False
    """Whether it starts before somebody who comes before it in line, and does not delay them."""

    @property
    def pods(self) -> int:
        """How many pods have a seat, without surge."""
        return sum(self.seats.values())


@dataclass(frozen=True, kw_only=True)
class PoolFigures:
    """A pool after a pass, in its own unit."""

    free: int
    allocatable: int
    largest_free_block: int
    held: int
    largest_free_node: str = ""
    """A node with that many free; empty where there is none."""
    quota: int | None = None
    trouble: str = ""
    """A sentence about a pool that has nothing to offer."""


@dataclass(frozen=True, kw_only=True)
class QuotaFigures:
    """What the quota of a namespace lets it hold of a pool, in its unit."""

    limit: int
    """Nominal and borrowed."""
    held: int
    """By all namespaces of that quota."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """When a request is expected to start, in seconds from the pass."""

    earliest: float
    """If those before it end as early as jobs do that are estimated like them."""
    expected: float
    latest: float
    """If they end as late."""


@dataclass(frozen=True, kw_only=True)
class ToldForecast:
    """A forecast as it was told: moments in RFC 3339, coarse enough to be said to people."""

    at: str
    """When it was told."""
    expected: str
    earliest: str
    latest: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """What somebody in line was told of its place; ``status.queue`` of the workload is its durable form."""

    position: int
    """In the pool's line, from 1; rounded up to tens after the first ten, and to hundreds after the first hundred."""
    waiting: int
    """How many there were in it, likewise."""
    forecast: ToldForecast | None = None
    """The newest one; None where nobody can know."""
    first: ToldForecast | None = None
    """The first one that was told, against which is judged what came."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What would let a request start now. Each is one alone that would be enough; what is None would not."""

    fewer_pods: int | None = None
    """Pods that would fit now, where that is less than the least."""
    less_per_pod: int | None = None
    """Units of the pool for its only pod that would fit on one node."""
    pools: tuple[str, ...] = ()
    """Pools of the same accelerator type that have room, and nobody in line."""
    priority_above: int | None = None
    """With a priority above this it could have others leave for it."""
    more_quota: int | None = None
    """Units by which the pool's quota would have to be raised."""
    more_borrowing: int | None = None
    """Units by which the borrowing limit of its namespace would have to be raised."""
    done_before: str | None = None
    """There is room until somebody before it in line is to have it: the moment (RFC 3339) before which it would have to
    be done."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """The next seats that are given back and matter to a request."""

    workload: Workload
    seconds: float
    """From the pass, as expected."""
    pods: int
    """How many it gives back."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """There is no seat now."""

    obstacle: Obstacle
    position: int
    """In the pool's line, from 1."""
    waiting: int
    """Requests in that line."""
    figures: PoolFigures
    quota: QuotaFigures | None = None
    """Of its namespace, where that is what it waits for."""
    fit: int = 0
    """Pods of this shape that would fit now."""
    fit_by_units: int = 0
    """Pods of this shape that would fit if only the pool's own unit counted."""
    within_reach: int | None = None
    """Nodes that take its pods and can mount all of its volumes; None where every node can."""
    forecast: Forecast | None = None
    """When it is expected to start; None where nobody can know."""
    next_release: Release | None = None
    """Whose end it waits for next."""
    preempting: tuple[Workload, ...] = ()
    """Who is leaving for it."""
    at: str = ""
    """RFC 3339: the moment of the pass; empty until it is told to anybody."""
    place: Place | None = None
    """What is told of its place in line; likewise None."""
    ways: Ways | None = None
    """What would let it start now; likewise None."""

    @property
    def expected_seconds(self) -> float | None:
        """From the pass until it is expected to start; None where nobody can know."""
        return None if self.forecast is None else self.forecast.expected


class Preemption(StrEnum):
    """Why a workload has to leave; the names are those of the reasons in the API."""

    PRIORITY = "LowerPriority"
    """Somebody of higher priority needs its seats."""
    QUOTA = "QuotaReclaimed"
    """Its namespace has borrowed them, and whose they are needs them."""
    OVERDUE = "PastItsEstimate"
    """It has said that it would need less time than it took, and others wait."""
    REPLICA = "ReplicaNeeded"
    """A service of the same priority that runs needs another replica."""
    ROOM = "RoomToGrow"
    """Nobody waits, and it could go on with more pods."""


@dataclass(frozen=True, kw_only=True)
class Preempt:
    """A workload has to leave for another one, with a checkpoint; it is in line again with its age."""

    by: Workload
    """For whom."""
    why: Preemption
    keeps: Seats = field(default_factory=dict)
    """Seats that it may go on with, where it can do with fewer; empty where it has to stop."""

    @property
    def leaves(self) -> bool:
        """Whether anybody else gets seats by it."""
        return self.why is not Preemption.ROOM


@dataclass(frozen=True, kw_only=True)
class TakeBack:
    """A seat that is lost: pods of it that exist go, and the workload is in line again with its age."""

    loss: Loss
    nodes: tuple[str, ...] = ()
    """Where the pods were still to come."""


Verdict = Admit | Wait | TakeBack


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """Seats that are held."""

    workload: Workload
    pool: str
    need: Resources
    seats: Seats
    deadline: float | None = None
    """Seconds on the planner's clock by which all its pods must be bound; None once they were."""
    instead_of: Reservation | None = None
    """What is still written down of it, and holds until this is."""
    priority: int = 0
    """As :attr:`Request.priority`."""
    least: int | None = None
    """Pods that it could shrink to and go on; None where it cannot shrink."""
    most: int | None = None
    """Pods that it could grow to; None where it cannot grow."""
    since: str = ""
    """RFC 3339: from when its age counts, which it keeps when it has to leave."""
    started: float | None = None
    """On the planner's clock: since when its pods run; None where they do not yet."""
    placed: str | None = None
    """RFC 3339: the same moment as status has it."""
    saved: float | None = None
    """On the planner's clock: when its newest checkpoint was complete. What came after is lost if it has to leave."""
    due: float | None = None
    """On the planner's clock: when it is done by what its user has said; None where the user has said nothing."""
    leaving_for: Workload | None = None
    """For whom it leaves; None where it may stay."""
    leaving_since: float | None = None
    """On the planner's clock: when it was told to leave; None where that is not written down yet."""
    keeps: Seats = field(default_factory=dict)
    """Seats that it goes on with when it has left."""
    volumes: tuple[Reach, ...] | None = None
    """As :attr:`Request.volumes`; None where nobody has heard it ask, so that nobody knows where more pods could be."""

    @property
    def pods(self) -> int:
        """How many seats."""
        return sum(self.seats.values())

    @property
    def given_up(self) -> Seats:
        """Seats that others can have when it has left."""
        if self.leaving_for is None:
            return {}
        return {node: left for node, pods in self.seats.items() if (left := pods - self.keeps.get(node, 0)) > 0}
