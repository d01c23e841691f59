"""The jobs of a trace in virtual time, started by the operator's own planner or by another order.

Every arrival and every end is followed by one pass on a snapshot of ``PoolUsage``, as in the operator. There is no
cluster, no clock and no waiting.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster import BEGINNING, Cluster, workload_of
from jobs import Job, Node
from orders import Order, Planner

from hostler.planning.verdicts import Preempt, Request, Reservation, Seats, Workload

_GRACE = 30.0
"""Seconds for a checkpoint, in which who has to leave still holds its seats and does not get on."""
_RESTART = 60.0
"""Seconds until it is as far as it was, once it runs again."""


@dataclass(kw_only=True)
class Run:
    """What came of a trace."""

    devices: int
    started: dict[str, float] = field(default_factory=dict)
    """When each job first got its devices."""
    ended: dict[str, float] = field(default_factory=dict)
    """When it was done."""
    preemptions: int = 0
    passes: list[float] = field(default_factory=list)
    """Seconds of processor time of each pass, its snapshot included."""
    longest_line: int = 0
    seconds: float = 0.0
    """From the first arrival to the last end."""
    busy: float = 0.0
    """Device seconds that jobs held."""
    line_seconds: float = 0.0
    """While somebody waited."""
    line_free: float = 0.0
    """Device seconds that were free meanwhile: nobody in line could use them."""
    line_crumbs: float = 0.0
    """Those of them on nodes of which a part was in use."""

    def count(self, elapsed: float, *, free: Mapping[str, int], whole: Mapping[str, int], line: int) -> None:
        """So many seconds with so many devices free on each node, of so many, and so many in line."""
        left = sum(free.values())
        self.busy += elapsed * (self.devices - left)
        if line:
            self.line_seconds += elapsed
            self.line_free += elapsed * left
            self.line_crumbs += elapsed * sum(each for name, each in free.items() if each < whole[name])


@dataclass(kw_only=True)
class _Held:
    """A job on its seats."""

    request: Request
    since: float
    left: float
    """Seconds of work when it began there."""
    until: float
    """When it gives them back."""
    stopped: float | None = None
    """When it was told to leave."""


class Replay:
    """One trace on one cluster."""

    def __init__(
        self,
        jobs: Iterable[Job],
        *,
        nodes: Sequence[Node],
        order: Order | None = None,
        estimates: Mapping[str, float] | None = None,
    ) -> None:
        """``estimates`` are seconds by the name of a job; nobody says anything about the others."""
        self._cluster = Cluster(jobs, nodes=nodes)
        self._order = order or Planner()
        self._estimates = estimates or {}
        self._whole = {node.name: node.devices for node in nodes}
        self._line: dict[Workload, Request] = {}
        self._held: dict[Workload, _Held] = {}
        self._left = {workload_of(job): job.seconds for job in self.jobs}
        self._ends: list[tuple[float, Workload]] = []
        self._run = Run(devices=self._cluster.devices)
        self._now = 0.0

    @property
    def jobs(self) -> list[Job]:
        """What is replayed."""
        return list(self._cluster.jobs.values())

    @property
    def too_large(self) -> list[Job]:
        """What the empty cluster could not hold, and is left out."""
        return self._cluster.too_large

    def run(self) -> Run:
        """All of it. Raises ``RuntimeError`` where a job never starts or a device is given away twice."""
        arrivals = sorted(self.jobs, key=lambda job: (job.arrives, job.name))
        coming = 0
        while coming < len(arrivals) or self._ends:
            moments = [job.arrives for job in arrivals[coming : coming + 1]] + [at for at, _ in self._ends[:1]]
            self._let_pass(min(moments))
            while self._ends and self._ends[0][0] <= self._now:
                self._end(*heapq.heappop(self._ends))
            while coming < len(arrivals) and arrivals[coming].arrives <= self._now:
                job = arrivals[coming]
                request = self._cluster.request(job, estimate=self._estimates.get(job.name))
                self._line[request.workload] = request
                coming += 1
            self._pass()
        if self._line:
            raise RuntimeError(f"{len(self._line)} jobs never started: {sorted(map(str, self._line))[:3]}")
        self._run.seconds = self._now
        return self._run

    def _let_pass(self, now: float) -> None:
        """Count what was held and what was free since the last moment."""
        elapsed, self._now, self._cluster.now = now - self._now, now, now
        free = self._cluster.free_devices()
        self._run.count(elapsed, free=free, whole=self._whole, line=len(self._line))

    def _end(self, at: float, workload: Workload) -> None:
        """It is done, or has left with its checkpoint, unless that was for an earlier turn of it."""
        held = self._held.get(workload)
        if held is None or at != held.until:
            return
        del self._held[workload]
        self._cluster.usage.remove_reservation(workload)
        self._cluster.usage.foretell(workload, None)
        if held.stopped is None:
            self._run.ended[workload.name] = at
            return
        self._left[workload] = held.left - (held.stopped - held.since) + _RESTART
        said = self._estimates.get(workload.name)
        rest = None if said is None else self._left[workload] * said / self._cluster.jobs[workload.name].seconds
        self._line[workload] = replace(held.request, estimate=rest)

    def _pass(self) -> None:
        if not self._line:
            return
        run, usage = self._run, self._cluster.usage
        run.longest_line = max(run.longest_line, len(self._line))
        began = time.process_time()
        pools = {each.pool for each in self._line.values()}
        snapshot = replace(usage.snapshot(pools), wall=BEGINNING.timestamp() + self._now)
        decision = self._order.decide(snapshot, self._line.values(), self._now)
        run.passes.append(time.process_time() - began)
        for workload, seats in decision.starts.items():
            self._start(self._line.pop(workload), seats)
        for workload, told in decision.leave.items():
            self._stop(workload, told)

    def _start(self, request: Request, seats: Seats) -> None:
        workload = request.workload
        self._run.started.setdefault(workload.name, self._now)
        left = self._left[workload]
        self._held[workload] = _Held(request=request, since=self._now, left=left, until=self._now + left)
        self._cluster.usage.put_reservation(
            Reservation(
                workload=workload,
                pool=request.pool,
                need=request.need,
                seats=seats,
                since=request.since,
                started=self._now,
                due=None if request.estimate is None else self._now + request.estimate,
            )
        )
        if request.estimate is not None:
            self._cluster.usage.foretell(workload, self._now + request.estimate)
        heapq.heappush(self._ends, (self._now + left, workload))

    def _stop(self, workload: Workload, told: Preempt) -> None:
        held, before = self._held[workload], self._cluster.usage.reservation(workload)
        if held.stopped is not None or before is None:
            raise RuntimeError(f"{workload} was told to leave twice")
        held.stopped, held.until = self._now, self._now + _GRACE
        self._run.preemptions += 1
        self._cluster.usage.put_reservation(replace(before, leaving_for=told.by))
        heapq.heappush(self._ends, (held.until, workload))
