"""A pool and its line in virtual time: requests come, the planner decides, jobs run and end, some are told to leave.

Nothing but ``plan`` is under test; what the operator does between two passes is imitated: who is admitted holds its
seats, who is told to leave gives them back after a while and is in line again with its age.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from floor import need, usage

from hostler.controllers.preempting import PROMISE_SECONDS
from hostler.planning.admission import Plan, Snapshot, plan
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Reservation, Workload

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86400.0
LEAVING = 60.0
"""Seconds from being told to leave until the seats are given back."""


def job(
    name: str, *, at: float, seconds: float, pods: int = 1, devices: int = 1, namespace: str = "a", priority: int = 0
) -> Request:
    """A gang that says truly how long it takes."""
    since = (BEGINNING + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Request(
        workload=Workload("TrainingJob", namespace, name),
        pool="gpu",
        least=pods,
        most=pods,
        need=need(devices, cpu=100),
        since=since,
        estimate=seconds,
        priority=priority,
    )


def arrives(request: Request) -> float:
    """Seconds after the beginning."""
    return (datetime.fromisoformat(request.since) - BEGINNING).total_seconds()


@dataclass
class World:
    """One pool named ``gpu``."""

    usage: PoolUsage
    shares: dict[str, float] = field(default_factory=dict)
    """What each namespace has used of the pool lately; fixed, unless ``counts``."""
    counts: bool = False
    """Whether ``shares`` follow what is used, with a half-life of a day."""
    now: float = 0.0
    line: dict[Workload, Request] = field(default_factory=dict)
    started: dict[Workload, float] = field(default_factory=dict)
    held: dict[Workload, tuple[Request, float]] = field(default_factory=dict)
    """Who runs, and until when."""
    promised: dict[Workload, float] = field(default_factory=dict)
    """For whom others have left, and until when that room is kept for it."""
    after: Callable[[World, Snapshot, Plan], None] = lambda _world, _snapshot, _plan: None
    """Called after each pass, before what it decided is done."""
    _events: list[tuple[float, int, Workload]] = field(default_factory=list)
    _number: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def devices(self) -> int:
        """Of the pool."""
        view = self.usage.shape("gpu")
        assert view is not None
        return view.capacity

    def run(self, requests: Iterable[Request], *, until: float = float("inf")) -> None:
        """Let them come when they come, with a pass after each arrival and end, to the end of all or to a moment."""
        coming = sorted(requests, key=lambda each: (each.since, each.workload))
        while coming or self._events:
            at = min([arrives(each) for each in coming[:1]] + [each[0] for each in self._events[:1]])
            if at > until:
                return
            self._pass_time(at)
            while self._events and self._events[0][0] <= at:
                self._give_back(heapq.heappop(self._events)[2])
            while coming and arrives(coming[0]) <= at:
                request = coming.pop(0)
                self.line[request.workload] = request
            while self.decide().unsettled:
                pass

    def snapshot(self) -> Snapshot:
        """What the planner is shown."""
        return replace(
            self.usage.snapshot({"gpu"}),
            wall=BEGINNING.timestamp() + self.now,
            holders=tuple(self.usage.reservations()),
            shares={"gpu": self.shares},
            promised=frozenset(who for who, until in self.promised.items() if self.now < until),
        )

    def decide(self) -> Plan:
        """One pass, and what it decided is done."""
        snapshot = self.snapshot()
        found = plan(snapshot, self.line.values(), self.now)
        self.after(self, snapshot, found)
        for workload, verdict in found.verdicts.items():
            if isinstance(verdict, Admit):
                self._start(self.line.pop(workload), verdict)
        for workload, told in found.preemptions.items():
            before = self.usage.reservation(workload)
            assert before is not None
            assert before.leaving_for is None, f"{workload} is told to leave twice"
            self.usage.put_reservation(replace(before, leaving_for=told.by))
            heapq.heappush(self._events, (self.now + LEAVING, next(self._number), workload))
        return found

    def _start(self, request: Request, verdict: Admit) -> None:
        assert request.estimate is not None
        ends = self.now + request.estimate
        self.started.setdefault(request.workload, self.now)
        self.promised.pop(request.workload, None)
        self.held[request.workload] = request, ends
        self.usage.put_reservation(
            Reservation(
                workload=request.workload,
                pool=request.pool,
                need=request.need,
                seats=verdict.seats,
                priority=request.priority,
                since=request.since,
                started=self.now,
            )
        )
        self.usage.foretell(request.workload, ends)
        heapq.heappush(self._events, (ends, next(self._number), request.workload))
        for node in verdict.seats:
            assert min(self.usage.free(node).values()) >= 0, f"{node} is given away twice"

    def _give_back(self, workload: Workload) -> None:
        known = self.held.get(workload)
        if known is None:
            return
        request, ends = known
        reservation = self.usage.reservation(workload)
        assert reservation is not None
        if ends > self.now and reservation.leaving_for is None:
            return  # An end of an earlier turn.
        del self.held[workload]
        if reservation.leaving_for is not None:
            self.promised[reservation.leaving_for] = self.now + PROMISE_SECONDS
        self.usage.remove_reservation(workload)
        self.usage.foretell(workload, None)
        if ends > self.now:
            self.line[workload] = replace(request, estimate=ends - self.now + LEAVING)

    def _pass_time(self, at: float) -> None:
        elapsed, self.now = at - self.now, at
        if not self.counts:
            return
        kept = 0.5 ** (elapsed / DAY)
        used: dict[str, float] = {}
        for request, _ in self.held.values():
            units = request.least * request.need["nvidia.com/gpu"]
            used[request.workload.namespace] = used.get(request.workload.namespace, 0.0) + units / self.devices
        for namespace in {*self.shares, *used}:
            self.shares[namespace] = kept * self.shares.get(namespace, 0.0) + (1 - kept) * used.get(namespace, 0.0)


def world(*devices: int, **spec: object) -> World:
    """A pool with one node for each count of devices."""
    return World(usage=usage(*devices, **spec))
