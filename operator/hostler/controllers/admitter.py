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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from hostler.api.placement import Placement
from hostler.cluster.store import Change
from hostler.controllers.answers import Grant, Shown, reserved, shown_seats
from hostler.controllers.forecasting import LongForecasts
from hostler.controllers.linenews import LineNews, judged
from hostler.controllers.passpace import PassPace
from hostler.controllers.ports import AdmissionMetrics, Clock
from hostler.controllers.preempting import Preempting
from hostler.controllers.reservations import chapter, estimate_ratio, past_use, read_reservation
from hostler.controllers.usagefeed import UsageFeed
from hostler.controllers.workloads import WORKLOADS, placement_of, seats_of, seconds_left
from hostler.planning import moments
from hostler.planning.acceptance import PoolChoice
from hostler.planning.admission import plan
from hostler.planning.estimateerrors import EstimateErrors
from hostler.planning.poolgrowth import growth_seconds
from hostler.planning.pools import PoolView
from hostler.planning.shares import PastUse
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import (
    Admit,
    Loss,
    Preempt,
    Request,
    Reservation,
    TakeBack,
    Verdict,
    Wait,
    Workload,
)
from hostler.planning.volumes import Reach

Object = dict[str, Any]
_log = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""How long a grant is held for a workload that does not write it down."""
_LEAST_GRACE_SECONDS = 60.0
"""For pods of a seat that an earlier process has written down, whatever the time is."""
RETURN_SECONDS = 5.0
"""After the first pass, how long who comes into line may have been there before this process: a look at it may have
waited for the API server."""
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
        self.usage = PoolUsage(touched=wake_pool, clock=clock.monotonic)
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
        self._preempting = Preempting()
        self._volumes: dict[Workload, tuple[Reach, ...]] = {}
        """Of those that have asked and have not gone since."""
        self._errors = EstimateErrors()
        self._past: list[PastUse] = []
        """What was used before this process has watched, until the pools are known."""
        self._news = asyncio.Event()
        self._began: float | None = None
        """When the first pass was."""
        self._forecasts = LongForecasts(made=self._news.set, stopwatch=stopwatch)
        self._pace: PassPace | None = None
        """Of the passes that this process makes by itself; None while it does not lead, or does not yet know all."""
        self._line_news = LineNews(clock=clock, usage=self.usage)
        self._asking: Workload | None = None
        """Who is answered by the pass under way, and so need not be woken for its answer."""

    # -- what the store tells --------------------------------------------------------------------------------------

    def changed(self, change: Change) -> None:
        """Take in one change."""
        obj = change.new or change.old
        assert obj is not None
        match change.kind:
            case kind if kind in WORKLOADS:
                if change.old is None and change.new is not None:
                    self._past += past_use(obj, placement_of(obj), clock=self._clock)
                self._workload(Workload(kind, obj["metadata"]["namespace"], obj["metadata"]["name"]), change.new)
            case _ if self._feed.changed(change):
                self._news.set()

    def _workload(self, workload: Workload, obj: Object | None) -> None:
        placement = placement_of(obj) if obj is not None else None
        if obj is None:
            self.withdraw(workload)
            self._volumes.pop(workload, None)
        before = self._durable.pop(workload, None)
        after = None
        if placement is not None:
            assert obj is not None  # as it has a placement
            after = self._reservation(obj, placement, before)
        if before is not None:
            self._preempting.left(before, after, now=self._clock.monotonic())
        self._preempting.changed(workload, None if obj is None or placement is None else chapter(obj))
        if after is not None:
            self._durable[workload] = after
            if (before is None or before.seats != after.seats) and self._is_news(after):
                # Of an earlier leader. The workload is looked at because of this change, and asks anew.
                self.withdraw(workload)
        if obj is not None and workload.kind == "TrainingJob" and (known := estimate_ratio(obj)) is not None:
            self._errors.put(workload, pool=known[0], ratio=known[1])
        left = seconds_left(obj, now=self._clock.now()) if obj is not None and placement is not None else None
        self.usage.foretell(workload, None if left is None else self._clock.monotonic() + left)
        self._hold(workload)

    def _is_news(self, durable: Reservation) -> bool:
        """Whether a seat is written down that was not known when its workload asked or was answered."""
        grant, request = self._grants.get(durable.workload), self._requests.get(durable.workload)
        if grant is not None:
            return durable.seats != reserved(grant.request, grant.admit)
        return request is not None and not request.holding and not request.beside

    def _reservation(self, obj: Object, placement: Placement, before: Reservation | None) -> Reservation:
        held = read_reservation(
            obj,
            placement,
            deadline=self._deadline(placement, before),
            before=before,
            pool=self.usage.pool(placement.pool),
            clock=self._clock,
        )
        return replace(held, volumes=self._volumes.get(held.workload))

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
            self.usage.put_reservation(self._preempting.applied(durable))
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
        self._volumes[workload] = request.volumes
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

    def preempted(self, workload: Workload) -> Preempt | None:
        """Why a workload has to leave its seats, or some of them, and status does not say so yet."""
        return self._preempting.of(workload)

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
        return Counter(request.pool for request, _ in self.in_line())

    def in_line(self) -> Iterator[tuple[Request, Wait]]:
        """Who waits for a seat, with what it was told."""
        for workload, request in self._requests.items():
            shown = self._shown.get(workload)
            if shown is not None and isinstance(shown.verdict, Wait):
                yield request, shown.verdict

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
            self._forecasts.stop()

    def _paced_pass(self, pace: PassPace) -> None:
        began = self._stopwatch()
        self.run_pass()
        pace.passed(now=_loop_time(), took=self._stopwatch() - began)

    async def _until_due(self) -> None:
        now = self._clock.monotonic()
        due = [self.usage.next_moment(now, waiting=bool(self._requests))]
        due += [reservation.deadline for reservation in self.usage.pending()]
        deadline = min((moment for moment in due if moment is not None), default=None)
        left = None if deadline is None else max(0.0, deadline - now)
        try:
            async with asyncio.timeout(left):
                await self._news.wait()
        except TimeoutError:
            return

    def run_pass(self) -> None:
        """One look at everything that waits or is to be fulfilled, without any await."""
        self._news.clear()
        requests = list(self._requests.values())
        now = self._clock.monotonic()
        for workload in self._preempting.drop_unwanted(self._requests):
            self._hold(workload)
        growing = self.usage.growing(now)
        if not requests and not self.usage.has_pending and not growing:
            return
        self._began = now if self._began is None else self._began
        while self._past:
            self.usage.remember(self._past.pop())
        volumes = {request.volumes for request in requests} | {held.volumes or () for held in growing}
        pools = {request.pool for request in requests} | {held.pool for held in growing}
        wall, foretold = moments.epoch(self._clock.now()), self._forecasts.given
        snapshot = replace(
            self.usage.snapshot(pools, volumes),
            wall=wall,
            foretold=foretold,
            ratios=self._errors.of(pools),
            promised=self._preempting.promised(now),
        )
        decided = plan(snapshot, requests, now)
        if self._pace is not None:
            self._forecasts.look(snapshot, requests, now)
        waiting: list[tuple[Workload, Wait]] = []
        for workload, verdict in decided.verdicts.items():
            match verdict:
                case Admit() if not verdict.seats and not verdict.surge:
                    # It asked only for what it could do without, and there is none: the question stands.
                    self._show(workload, verdict, now)
                case Admit():
                    self._grant(workload, verdict, now)
                case TakeBack():
                    self.take_back(workload, verdict, now)
                case Wait():
                    waiting.append((workload, verdict))
        for workload, preempt in decided.preemptions.items():
            self._preempt(workload, preempt)
        self._tell(waiting, now)
        self._metrics.passed(self._clock.monotonic() - now)

    def _preempt(self, workload: Workload, preempt: Preempt) -> None:
        """Tell a workload to leave. Its seats are held until it has left, and then are the other one's."""
        if not self._preempting.tell(workload, preempt):
            return
        kept = shown_seats(preempt.keeps)
        what = "told to leave" if preempt.leaves else "told to grow"
        _log.info(what, extra={"key": str(workload), "by": str(preempt.by), "why": preempt.why.value, "keeps": kept})
        if preempt.leaves:
            self._metrics.preempted(preempt.why.value)
            self._hold(workload)
            # Whoever waits is to be told that room is being made.
            self._news.set()
        self._wake(workload)

    def _grant(self, workload: Workload, admit: Admit, now: float) -> None:
        request, shown = self._requests.pop(workload), self._shown.pop(workload, None)
        self._metrics.admitted(workload.kind, now - self._in_line_since.pop(workload, now))
        if admit.backfilled:
            self._metrics.backfilled()
        place = (shown.place if shown is not None else None) or request.place
        for which, error in judged(place, started=self._clock.now()):
            self._metrics.forecast(workload.kind, which, error)
        self._grants[workload] = Grant(request, admit)
        self._preempting.has_got(workload)
        self.usage.put_reservation(
            Reservation(
                workload=workload,
                pool=request.pool,
                need=request.need,
                seats=reserved(request, admit),
                deadline=now + WRITE_SECONDS,
                instead_of=self._durable.get(workload),
                priority=request.priority,
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
            if grant.lost is None:
                # Its deadline was for writing it down, not for pods. What else ends it is as it would be with a seat.
                loss = NOT_WRITTEN if lost.loss is Loss.PODS_DID_NOT_COME else lost.loss.value
                self._metrics.lost(loss)
                _log.warning("a grant was not used", extra={"key": str(workload), "loss": loss})
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

    def _tell(self, waiting: list[tuple[Workload, Wait]], now: float) -> None:
        """Remember each verdict where its workload is to say it, and wake whoever has something new to say."""
        returning = self._began is not None and now < self._began + RETURN_SECONDS
        news = self._line_news.of_pass(waiting, self._requests)
        for workload, shown, is_news in news.answers(self._shown, now=now, returning=returning):
            self._shown[workload] = shown
            if is_news:
                self._answer(workload)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
