"""Admission in one place: what the store tells becomes usage, controllers ask, one planner answers all at once.

    store changes -> PoolUsage        O(1) each, also on a standby, so that a new leader begins with the truth
    ask(request)  -> the line         answered by a pass at once where passes are cheap, else with the next one
    pass          -> verdicts         one for many changes where it is expensive; who has another verdict is woken

A seat that was granted is held from that moment, before anybody has written it down; it becomes durable when the
workload's status names it (see ``hostler.planning.verdicts``). A grant that nobody writes down within a minute is
dropped: the workload could not use it.

Who is in line is in :mod:`waitingline <hostler.controllers.waitingline>`, who holds what in :mod:`heldseats
<hostler.controllers.heldseats>`, and what happens in a pass in :mod:`passes <hostler.controllers.passes>`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hostler.cluster.store import Change
from hostler.controllers.answers import reserved
from hostler.controllers.estimates import judged_now
from hostler.controllers.outlooks import Outlooks
from hostler.controllers.passes import Passes
from hostler.controllers.ports import AdmissionMetrics, Clock
from hostler.controllers.preempting import Preempting
from hostler.controllers.reservations import estimate_ratio, past_use
from hostler.controllers.usagefeed import UsageFeed
from hostler.controllers.waitingline import WaitingLine
from hostler.controllers.workloads import WORKLOADS, placement_of, seconds_left
from hostler.planning.acceptance import PoolChoice
from hostler.planning.pools import PoolView
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Preempt, Request, Reservation, TakeBack, Verdict, Wait, Workload

Object = dict[str, Any]


class Admitter:
    """The ``Admission`` of ``hostler.controllers.ports``. :meth:`changed` is called with every change of the store, in
    order; :meth:`run` only where this replica leads."""

    def __init__(
        self,
        *,
        clock: Clock,
        wake: Callable[[Workload], None],
        wake_granted: Callable[[Workload], None],
        wake_pool: Callable[[str], None],
        grace: float,
        metrics: AdmissionMetrics,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``grace`` is the seconds within which the pods of a reservation must come."""
        self.usage = PoolUsage(touched=wake_pool, clock=clock.monotonic)
        self._clock = clock
        self._feed = UsageFeed(self.usage)
        self._line = WaitingLine()
        self._preempting = Preempting()
        self._passes = Passes(
            usage=self.usage,
            line=self._line,
            preempting=self._preempting,
            clock=clock,
            wake=wake,
            wake_granted=wake_granted,
            grace=grace,
            metrics=metrics,
            stopwatch=stopwatch,
        )
        self._held = self._passes.held
        self._outlooks = Outlooks(usage=self.usage, line=self._line, errors=self._passes.errors, clock=clock)
        self._metrics = metrics

    # -- what the store tells --------------------------------------------------------------------------------------

    def changed(self, change: Change) -> None:
        """Take in one change."""
        obj = change.new or change.old
        assert obj is not None
        match change.kind:
            case kind if kind in WORKLOADS:
                if change.old is None and change.new is not None:
                    self._passes.past += past_use(obj, placement_of(obj), clock=self._clock)
                judged = judged_now(change.old, change.new) if change.old and change.new else None
                if judged is not None:
                    self._metrics.estimated(judged)
                self._workload(Workload(kind, obj["metadata"]["namespace"], obj["metadata"]["name"]), change.new)
            case _ if self._feed.changed(change):
                self._passes.notice()

    def _workload(self, workload: Workload, obj: Object | None) -> None:
        if obj is None:
            self.withdraw(workload)
        written = self._held.read(workload, obj)
        if written is not None and self._is_news(written):
            # Of an earlier leader. The workload is looked at because of this change, and asks anew.
            self.withdraw(workload)
        if obj is not None and workload.kind == "TrainingJob" and (known := estimate_ratio(obj)) is not None:
            self._passes.errors.put(workload, pool=known[0], ratio=known[1])
        holds = obj is not None and placement_of(obj) is not None
        left = seconds_left(obj, now=self._clock.now()) if obj is not None and holds else None
        self.usage.foretell(workload, None if left is None else self._clock.monotonic() + left)
        self._held.settle(workload)

    def _is_news(self, durable: Reservation) -> bool:
        """Whether a seat is written down that was not known when its workload asked or was answered."""
        grant, request = self._held.grant(durable.workload), self.request(durable.workload)
        if grant is not None:
            return durable.seats != reserved(grant.request, grant.admit)
        return request is not None and not request.holding and not request.beside

    # -- what controllers ask --------------------------------------------------------------------------------------

    def pool(self, name: str) -> PoolChoice:
        """What a pool has, whatever is free of it."""
        return self._feed.pool(name)

    def view(self, name: str) -> PoolView | None:
        """A pool as it is now, node by node; None where there is none that can be read."""
        return self.usage.view(name)

    def outlook(self, request: Request) -> float | None:
        """Seconds until a workload would have its seats if it asked for them; None where nobody can know. It does not
        come into line by this."""
        return self._outlooks.of(request)

    def ask(self, request: Request) -> Verdict | None:
        """Come into line, or stay there; the standing verdict, or None before the first pass has seen the request, and
        while what an earlier process has told stands."""
        workload = request.workload
        self._held.mounts(request)
        grant = self._held.grant(workload)
        if grant is not None and (grant.request != request or grant.lost is not None):
            # One look at a workload follows the other: nothing of the last one is on its way any more.
            self._held.drop(workload)
            grant = None
        if grant is None:
            if self._line.put(request, now=self._clock.monotonic()):
                self._passes.answer(workload)
            grant = self._held.grant(workload)
        return self._line.standing(workload) if grant is None else self._held.tell(grant)

    def lost(self, workload: Workload) -> TakeBack | None:
        """Why the seats of a workload are taken back, where they are."""
        return self._line.lost(workload)

    def preempted(self, workload: Workload) -> Preempt | None:
        """Why a workload has to leave its seats, or some of them, and status does not say so yet."""
        return self._preempting.of(workload)

    def withdraw(self, workload: Workload) -> None:
        """The workload wants nothing more: out of line, and what was granted and not written down is free again."""
        self._line.leave(workload, now=self._clock.monotonic())
        if self._held.grant(workload) is not None:
            self._held.drop(workload)

    # -- the line --------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._line)

    def request(self, workload: Workload) -> Request | None:
        """What a workload in line has asked for."""
        return self._line.requests.get(workload)

    def line(self) -> Mapping[str, int]:
        """Workloads that wait for a seat, by pool."""
        return self._line.by_pool()

    def in_line(self) -> Iterator[tuple[Request, Wait]]:
        """Who waits for a seat, with what it was told."""
        return self._line.waiting()

    # -- passes ----------------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether something has changed since the last pass."""
        return self._passes.due

    async def run(self) -> None:
        """Passes for ever: after every change, but where they are expensive one for many; and at each deadline."""
        await self._passes.run()

    def run_pass(self) -> None:
        """One look at everything that waits or is to be fulfilled, without any await."""
        self._passes.make()

    def take_back(self, workload: Workload, lost: TakeBack, now: float) -> None:
        """Tell a workload that its seats are lost; what was only granted, and not told, is free at once."""
        self._passes.take_back(workload, lost, now)
