"""Who starts, decided by the operator's planner or by an order that it is compared with.

All place alike: an order that is compared decides only whose turn it is, and asks the planner for the seats of that one
request alone. What it compares is the order, and not how well nodes are filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Protocol

from hostler.planning.admission import Snapshot, plan
from hostler.planning.resources import Resources, add, holds, subtract, times
from hostler.planning.verdicts import Admit, Preempt, Request, Seats, Workload


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one pass has decided."""

    starts: Mapping[Workload, Seats]
    leave: Mapping[Workload, Preempt] = field(default_factory=dict)
    """Who has to stop with a checkpoint, and for whom."""


class Order(Protocol):
    """Decides at each arrival and each end."""

    def decide(self, snapshot: Snapshot, line: Iterable[Request], now: float) -> Decision:
        """Who starts now. ``now`` is on the clock of ``snapshot.ending``."""


class Planner:
    """The operator's own."""

    def decide(self, snapshot: Snapshot, line: Iterable[Request], now: float) -> Decision:
        """One pass."""
        found = plan(snapshot, line, now)
        starts = {who: each.seats for who, each in found.verdicts.items() if isinstance(each, Admit)}
        return Decision(starts=starts, leave=found.preemptions)


class Fifo:
    """First come, first served: who does not fit keeps everybody behind it waiting."""

    def decide(self, snapshot: Snapshot, line: Iterable[Request], now: float) -> Decision:
        """From the head of the line as long as it fits."""
        room = _Room(snapshot)
        for request in sorted(line, key=attrgetter("since", "workload")):
            if not room.start(request, now):
                break
        return Decision(starts=room.starts)


class Shortest:
    """Exact shortest first, without preemption: who does not fit lets the longer ones pass."""

    def decide(self, snapshot: Snapshot, line: Iterable[Request], now: float) -> Decision:
        """By what is said of their time."""
        room = _Room(snapshot)
        for request in sorted(line, key=attrgetter("estimate", "since", "workload")):
            room.start(request, now)
        return Decision(starts=room.starts)


class Easy:
    """First come, first served with EASY backfill: the first that does not fit has a reservation, and those behind it
    start if they end before it begins or leave it enough (Lifka, "The ANL/IBM SP Scheduling System", 1995)."""

    def decide(self, snapshot: Snapshot, line: Iterable[Request], now: float) -> Decision:
        """The head of the line as long as it fits, then those that do not delay it."""
        room = _Room(snapshot)
        order = sorted(line, key=attrgetter("since", "workload"))
        behind = iter(order)
        head = next((request for request in behind if not room.start(request, now)), None)
        if head is None:
            return Decision(starts=room.starts)
        begins, beside = room.reserve(head, now)
        for request in behind:
            if not room.fits(request):
                continue
            if now + _said(request) <= begins:
                room.start(request, now)
            elif seats := room.seats(request, now, within=beside):
                room.take(request, seats, ends=now + _said(request))
                beside = _less(beside, seats, request.need)
        return Decision(starts=room.starts)


@dataclass
class _Room:
    """What is left in one pass."""

    snapshot: Snapshot
    starts: dict[Workload, Seats] = field(default_factory=dict)
    _free: dict[str, Resources] = field(init=False)
    _ends: list[tuple[float, Seats, Resources]] = field(init=False)
    _fit: dict[frozenset[tuple[str, int]], int] = field(default_factory=dict)
    """How many pods of a shape fit, since the last start."""

    def __post_init__(self) -> None:
        self._free = dict(self.snapshot.free)
        self._ends = [(ends, held.seats, held.need) for ends, held in self.snapshot.ending]

    def fits(self, request: Request) -> bool:
        """Whether enough is free now."""
        if request.shape not in self._fit:
            self._fit[request.shape] = _pods(self._free, request)
        return self._fit[request.shape] >= request.least

    def start(self, request: Request, now: float) -> bool:
        """Whether it does."""
        if not self.fits(request) or not (seats := self.seats(request, now)):
            return False
        self.take(request, seats, ends=now + _said(request))
        return True

    def seats(self, request: Request, now: float, *, within: Mapping[str, Resources] | None = None) -> Seats | None:
        """Where the planner puts a request that is alone, with no more of each node than that."""
        free = self._free
        if within is not None:
            free = {name: _smaller(each, within[name]) for name, each in free.items()}
            if _pods(free, request) < request.least:
                return None
        return self._placed(request, free, now)

    def take(self, request: Request, seats: Seats, *, ends: float) -> None:
        """It starts there."""
        self.starts[request.workload] = seats
        self._free = _less(self._free, seats, request.need)
        self._ends.append((ends, seats, request.need))
        self._fit.clear()

    def reserve(self, request: Request, now: float) -> tuple[float, dict[str, Resources]]:
        """When enough will have been given back, and what is free then beside the seats that the request has."""
        free = dict(self._free)
        for ends, seats, need in sorted(self._ends, key=lambda each: each[0]):
            for node, pods in seats.items():
                free[node] = add(free[node], times(pods, need))
            if _pods(free, request) >= request.least and (its := self._placed(request, free, now)):
                return ends, _less(free, its, request.need)
        raise RuntimeError(f"{request.workload} never fits")

    def _placed(self, request: Request, free: Mapping[str, Resources], now: float) -> Seats | None:
        alone = replace(self.snapshot, free=free, ending=(), pending=(), holders=(), shares={})
        found = plan(alone, [request], now).verdicts[request.workload]
        return found.seats if isinstance(found, Admit) else None


def _pods(free: Mapping[str, Resources], request: Request) -> int:
    return sum(holds(each, request.need) for each in free.values())


def _smaller(left: Resources, right: Resources) -> Resources:
    return {name: min(amount, right.get(name, 0)) for name, amount in left.items()}


def _less(free: Mapping[str, Resources], seats: Seats, need: Resources) -> dict[str, Resources]:
    left = dict(free)
    for node, pods in seats.items():
        left[node] = subtract(left[node], times(pods, need))
    return left


def _said(request: Request) -> float:
    if request.estimate is None:
        raise RuntimeError(f"{request.workload}: this order needs to know how long it runs")
    return request.estimate
