"""Admission in one place: what the store tells becomes usage, controllers ask, one planner answers all at once.

    store changes -> PoolUsage        O(1) each, also on a standby, so that a new leader begins with the truth
    ask(request)  -> the line         answered by a pass at once where passes are cheap, else with the next one
    pass          -> verdicts         one for many changes where it is expensive; who has another verdict is woken

A seat that was granted is held from that moment, before anybody has written it down; it becomes durable when the
workload's status names it (see ``hostler.planning.verdicts``). A grant that nobody writes down within a minute is
dropped: the workload could not use it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hostler.api.placement import Placement
from hostler.cluster.store import Change
from hostler.controllers.answers import Grant, Shown, reserved, shown_seats, told
from hostler.controllers.passpace import PassPace
from hostler.controllers.ports import AdmissionMetrics, Clock
from hostler.controllers.usagefeed import UsageFeed
from hostler.controllers.workloads import WORKLOADS, need_of, placement_of, seats_of, seconds_left
from hostler.planning import moments
from hostler.planning.acceptance import PoolChoice
from hostler.planning.admission import plan
from hostler.planning.growth import growth_seconds
from hostler.planning.pools import PoolView
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Reservation, TakeBack, Verdict, Wait, Workload

Object = dict[str, Any]
_log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""How long a grant is held for a workload that does not write it down."""
_LEAST_GRACE_SECONDS = 60.0
"""For pods of a seat that an earlier process has written down, whatever the time is."""
REFRESH_SECONDS = 60.0
"""Between two looks at a request whose place in line has changed and nothing else."""
RETURN_SECONDS = 5.0
"""After the first pass, how long who comes into line may have been there before this process: a look at it may have
waited for the API server."""
REFRESHED_PER_PASS = 20
"""Requests that are woken in one pass only to say that their place has changed."""
NOT_WRITTEN = "NotWritten"
"""Why a seat was lost that nobody has written down, beside the names of :class:`Loss`."""


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
        self.usage = PoolUsage(touched=wake_pool)
        self._clock = clock
        self._wake = wake
        self._wake_granted = wake_granted
        self._grace = grace
        """Seconds within which the pods of a reservation must come."""
        self._metrics = metrics
        self._stopwatch = stopwatch
        self._in_line_since: dict[Workload, float] = {}
        """On the monotonic clock, by this process's own experience."""
        self._requests: dict[Workload, Request] = {}
        self._shown: dict[Workload, Shown] = {}
        self._grants: dict[Workload, Grant] = {}
        self._durable: dict[Workload, Reservation] = {}
        """What the statuses say."""
        self._feed = UsageFeed(self.usage)
        self._news = asyncio.Event()
        self._began: float | None = None
        """When the first pass was."""
        self._pace: PassPace | None = None
        """Of the passes that this process makes by itself; None while it does not lead, or does not yet know all."""
        self._asking: Workload | None = None
        """Who is answered by the pass under way, and so need not be woken for its answer."""

    # -- what the store tells --------------------------------------------------------------------------------------

    def changed(self, change: Change) -> None:
        """Take in one change."""
        obj = change.new or change.old
        assert obj is not None
        match change.kind:
            case kind if kind in WORKLOADS:
                self._workload(Workload(kind, obj["metadata"]["namespace"], obj["metadata"]["name"]), change.new)
            case _ if self._feed.changed(change):
                self._news.set()

    def _workload(self, workload: Workload, obj: Object | None) -> None:
        placement = placement_of(obj) if obj is not None else None
        if obj is None:
            self.withdraw(workload)
        before = self._durable.pop(workload, None)
        if placement is not None:
            durable = self._durable[workload] = self._reservation(workload, placement, before)
            if (before is None or before.seats != durable.seats) and self._is_news(durable):
                # Of an earlier leader. The workload is looked at because of this change, and asks anew.
                self.withdraw(workload)
        left = seconds_left(obj, now=self._clock.now()) if obj is not None and placement is not None else None
        self.usage.foretell(workload, None if left is None else self._clock.monotonic() + left)
        self._hold(workload)

    def _is_news(self, durable: Reservation) -> bool:
        """Whether a seat is written down that was not known when its workload asked or was answered."""
        grant, request = self._grants.get(durable.workload), self._requests.get(durable.workload)
        if grant is not None:
            return durable.seats != reserved(grant.request, grant.admit)
        return request is not None and not request.holding and not request.beside

    def _reservation(self, workload: Workload, placement: Placement, before: Reservation | None) -> Reservation:
        return Reservation(
            workload=workload,
            pool=placement.pool,
            need=need_of(placement),
            seats=seats_of(placement),
            deadline=self._deadline(placement, before),
        )

    def _deadline(self, placement: Placement, before: Reservation | None) -> float | None:
        """On the monotonic clock: a wall clock that jumps must neither end a reservation nor let it stand for ever."""
        if placement.deadline is None:
            return None
        if before is not None and before.deadline is not None:
            return before.deadline
        # What another process has written can only be read by the wall clock, which may have jumped in between.
        left = max(moments.elapsed(self._clock.now(), now=placement.deadline), _LEAST_GRACE_SECONDS)
        grace = self._grace + growth_seconds(self.usage.pool(placement.pool), seats_of(placement))
        return self._clock.monotonic() + min(left, grace)

    def _hold(self, workload: Workload) -> None:
        """Let usage hold what is granted, or else what is written down."""
        durable, grant = self._durable.get(workload), self._grants.get(workload)
        if grant is not None and durable is not None and durable.seats == reserved(grant.request, grant.admit):
            del self._grants[workload]
            grant = None
        if grant is not None:
            return
        if durable is not None:
            self.usage.put_reservation(durable)
        elif self.usage.reservation(workload) is not None:
            self.usage.remove_reservation(workload)
            self._news.set()

    # -- what controllers ask --------------------------------------------------------------------------------------

    def pool(self, name: str) -> PoolChoice:
        """What a pool has, whatever is free of it."""
        return self._feed.pool(name)

    def view(self, name: str) -> PoolView | None:
        """A pool as it is now, node by node; None where there is none that can be read."""
        return self.usage.view(name)

    def ask(self, request: Request) -> Verdict | None:
        """Come into line, or stay there; the standing verdict, or None before the first pass has seen the request, and
        while what an earlier process has told stands."""
        workload = request.workload
        grant = self._grants.get(workload)
        if grant is not None and (grant.request != request or grant.lost is not None):
            # One look at a workload follows the other: nothing of the last one is on its way any more.
            self._drop_grant(workload)
            grant = None
        if grant is None:
            self._come_into_line(request)
            grant = self._grants.get(workload)
        if grant is not None:
            self._grants[workload] = replace(grant, told=True)
            return grant.admit
        shown = self._shown.get(workload)
        return shown.verdict if shown and not shown.earlier else None

    def _come_into_line(self, request: Request) -> None:
        workload = request.workload
        self._in_line_since.setdefault(workload, self._clock.monotonic())
        if self._requests.get(workload) == request:
            return
        self._requests[workload] = request
        self._shown.pop(workload, None)
        self._news.set()
        if self._pace is not None and not self._pace.wait(_loop_time()):
            self._asking = workload
            try:
                self._paced_pass(self._pace)
            finally:
                self._asking = None

    def lost(self, workload: Workload) -> TakeBack | None:
        """Why the seats of a workload are taken back, where they are."""
        shown = self._shown.get(workload)
        return shown.verdict if shown is not None and isinstance(shown.verdict, TakeBack) else None

    def withdraw(self, workload: Workload) -> None:
        """The workload wants nothing more: out of line, and what was granted and not written down is free again."""
        self._requests.pop(workload, None)
        self._shown.pop(workload, None)
        self._in_line_since.pop(workload, None)
        if workload in self._grants:
            self._drop_grant(workload)

    def _drop_grant(self, workload: Workload) -> None:
        del self._grants[workload]
        self.usage.remove_reservation(workload)
        self._hold(workload)
        self._news.set()

    # -- passes ----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._requests)

    def line(self) -> Mapping[str, int]:
        """Workloads that wait for a seat, by pool."""
        shown = {workload: found.verdict for workload, found in self._shown.items()}
        return Counter(r.pool for workload, r in self._requests.items() if isinstance(shown.get(workload), Wait))

    @property
    def due(self) -> bool:
        """Whether something has changed since the last pass."""
        return self._news.is_set()

    async def run(self) -> None:
        """Passes for ever: after every change, but where they are expensive one for many; and at each deadline."""
        pace = self._pace = PassPace()
        try:
            while True:
                await self._until_due()
                if pause := pace.wait(_loop_time()):
                    await asyncio.sleep(pause)
                    continue
                self._paced_pass(pace)
                # Whoever was woken goes first.
                await asyncio.sleep(0)
        finally:
            self._pace = None

    def _paced_pass(self, pace: PassPace) -> None:
        began = self._stopwatch()
        self.run_pass()
        pace.passed(now=_loop_time(), took=self._stopwatch() - began)

    async def _until_due(self) -> None:
        deadline = min((r.deadline for r in self.usage.pending() if r.deadline is not None), default=None)
        left = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
        try:
            async with asyncio.timeout(left):
                await self._news.wait()
        except TimeoutError:
            return

    def run_pass(self) -> None:
        """One look at everything that waits or is to be fulfilled, without any await."""
        self._news.clear()
        requests = list(self._requests.values())
        if not requests and not self.usage.has_pending:
            return
        now = self._clock.monotonic()
        self._began = now if self._began is None else self._began
        snapshot = self.usage.snapshot(
            {request.pool for request in requests}, {request.volumes for request in requests}
        )
        budget = REFRESHED_PER_PASS
        for workload, verdict in plan(snapshot, requests, now).verdicts.items():
            match verdict:
                case Admit() if not verdict.seats and not verdict.surge:
                    # It asked only for what it could do without, and there is none: the question stands.
                    self._show(workload, verdict, now)
                case Admit():
                    self._grant(workload, verdict, now)
                case TakeBack():
                    self.take_back(workload, verdict, now)
                case Wait():
                    budget -= self._let_wait(workload, verdict, now, may_refresh=budget > 0)
        self._metrics.passed(self._clock.monotonic() - now)

    def _grant(self, workload: Workload, admit: Admit, now: float) -> None:
        request = self._requests.pop(workload)
        self._shown.pop(workload, None)
        self._metrics.admitted(workload.kind, now - self._in_line_since.pop(workload, now))
        self._grants[workload] = Grant(request, admit)
        self.usage.put_reservation(
            Reservation(
                workload=workload,
                pool=request.pool,
                need=request.need,
                seats=reserved(request, admit),
                deadline=now + WRITE_SECONDS,
                instead_of=self._durable.get(workload),
            )
        )
        _log.info(
            "admitted",
            extra={"key": str(workload), "pool": request.pool, "seats": shown_seats(admit.seats)},
        )
        if workload != self._asking:
            self._wake_granted(workload)

    def take_back(self, workload: Workload, lost: TakeBack, now: float) -> None:
        """Tell a workload that its seats are lost; what was only granted, and not told, is free at once."""
        grant = self._grants.get(workload)
        if grant is not None:
            self._metrics.lost(NOT_WRITTEN)
            _log.warning("a grant was not used", extra={"key": str(workload), "loss": lost.loss.value})
            if grant.told:
                self._await_answer(grant, lost)
            else:
                self._drop_grant(workload)
            self._wake(workload)
            return
        if self.lost(workload) != lost:
            self._metrics.lost(lost.loss.value)
            _log.warning(
                "seats taken back",
                extra={"key": str(workload), "loss": lost.loss.value, "nodes": ",".join(lost.nodes)},
            )
            self._shown[workload] = Shown(lost, now)
            self._wake(workload)

    def _await_answer(self, grant: Grant, lost: TakeBack) -> None:
        """Hold a lost grant until its workload has come back: it may have written it down this very moment, and whoever
        was given these seats meanwhile would be the second one."""
        workload = grant.request.workload
        self._grants[workload] = replace(grant, lost=lost)
        held = self.usage.reservation(workload)
        assert held is not None
        self.usage.put_reservation(replace(held, deadline=None))

    def _answer(self, workload: Workload) -> None:
        if workload != self._asking:
            self._wake(workload)

    def _show(self, workload: Workload, verdict: Verdict, now: float) -> None:
        shown = self._shown.get(workload)
        if shown is None or shown.verdict != verdict:
            self._shown[workload] = Shown(verdict, now)
            self._answer(workload)

    def _let_wait(self, workload: Workload, wait: Wait, now: float, *, may_refresh: bool) -> bool:
        """Remember the verdict where its workload is to say it; whether that was only for its place in line."""
        shown = self._shown.get(workload)
        before = shown.verdict if shown is not None else None
        if isinstance(before, Wait) and before.obstacle is wait.obstacle:
            assert shown is not None
            moved = shown.earlier or told(before) != told(wait)
            if not moved or not may_refresh or now < shown.at + REFRESH_SECONDS:
                return False
            self._shown[workload] = Shown(wait, now)
            self._answer(workload)
            return True
        returning = self._began is not None and now < self._began + RETURN_SECONDS
        earlier = returning and self._requests[workload].told is wait.obstacle
        self._shown[workload] = Shown(wait, now, earlier)
        if not earlier:
            self._answer(workload)
        return False


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
