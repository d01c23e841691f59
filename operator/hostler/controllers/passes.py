"""Passes of the planner: when one is made, what it is made of, and what becomes of its verdicts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from hostler.controllers.answers import Shown, shown_seats
from hostler.controllers.forecasting import LongForecasts
from hostler.controllers.heldseats import HeldSeats
from hostler.controllers.linenews import LineNews, judged
from hostler.controllers.passpace import PassPace
from hostler.controllers.ports import AdmissionMetrics, Clock
from hostler.controllers.preempting import Preempting
from hostler.controllers.waitingline import WaitingLine
from hostler.planning import moments
from hostler.planning.admission import Plan, plan
from hostler.planning.estimateerrors import EstimateErrors
from hostler.planning.shares import PastUse
from hostler.planning.snapshot import Snapshot
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Loss, Preempt, Request, TakeBack, Verdict, Wait, Workload

_log = logging.getLogger(__name__)

RETURN_SECONDS = 5.0
"""After the first pass, how long who comes into line may have been there before this process: a look at it may have
waited for the API server."""
NOT_WRITTEN = "NotWritten"
"""Why a seat was lost that nobody has written down, beside the names of :class:`Loss`."""


class Passes:
    """One look of the planner at everything for many changes, where passes are expensive; else one for each."""

    def __init__(
        self,
        *,
        usage: PoolUsage,
        line: WaitingLine,
        preempting: Preempting,
        clock: Clock,
        wake: Callable[[Workload], None],
        wake_granted: Callable[[Workload], None],
        grace: float,
        metrics: AdmissionMetrics,
        stopwatch: Callable[[], float],
    ) -> None:
        self.held = HeldSeats(usage=usage, preempting=preempting, clock=clock, grace=grace, freed=self.notice)
        self.errors = EstimateErrors()
        """How right the estimates of jobs were, for the bounds of forecasts."""
        self.past: list[PastUse] = []
        """What was used before this process has watched, until the pools are known."""
        self._usage = usage
        self._line = line
        self._preempting = preempting
        self._clock = clock
        self._wake = wake
        self._wake_granted = wake_granted
        self._metrics = metrics
        self._stopwatch = stopwatch
        self._news = asyncio.Event()
        self._began: float | None = None
        """When the first pass was."""
        self._forecasts = LongForecasts(made=self.notice, stopwatch=stopwatch)
        self._pace: PassPace | None = None
        """Of the passes that this process makes by itself; None while it does not lead, or does not yet know all."""
        self._line_news = LineNews(clock=clock, usage=usage)
        self._asking: Workload | None = None
        """Who is answered by the pass under way, and so need not be woken for its answer."""

    # -- when ------------------------------------------------------------------------------------------------------

    def notice(self) -> None:
        """Something has changed that a pass may answer in another way."""
        self._news.set()

    @property
    def due(self) -> bool:
        """Whether something has changed since the last pass."""
        return self._news.is_set()

    def answer(self, workload: Workload) -> None:
        """Make a pass for one who asks, where the pace allows one now; else it is answered by the next."""
        self.notice()
        if self._pace is not None and not self._pace.wait(_loop_time()):
            self._asking = workload
            try:
                self._paced(self._pace)
            finally:
                self._asking = None

    async def run(self) -> None:
        """Passes for ever: after every change, but where they are expensive one for many; and at each deadline."""
        pace = self._pace = PassPace()
        try:
            while True:
                await self._until_due()
                if pause := pace.wait(_loop_time()):
                    await asyncio.sleep(pause)
                    continue
                self._paced(pace)
                # Whoever was woken goes first.
                await asyncio.sleep(0)
        finally:
            self._pace = None
            self._forecasts.stop()

    def _paced(self, pace: PassPace) -> None:
        began = self._stopwatch()
        self.make()
        pace.passed(now=_loop_time(), took=self._stopwatch() - began)

    async def _until_due(self) -> None:
        now = self._clock.monotonic()
        due = [self._usage.next_moment(now, waiting=bool(self._line))]
        due += [reservation.deadline for reservation in self._usage.pending()]
        deadline = min((moment for moment in due if moment is not None), default=None)
        left = None if deadline is None else max(0.0, deadline - now)
        try:
            async with asyncio.timeout(left):
                await self._news.wait()
        except TimeoutError:
            return

    # -- one pass --------------------------------------------------------------------------------------------------

    def make(self) -> None:
        """One look at everything that waits or is to be fulfilled, without any await."""
        self._news.clear()
        requests, now = list(self._line.requests.values()), self._clock.monotonic()
        for workload in self._preempting.drop_unwanted(self._line.requests):
            self.held.settle(workload)
        snapshot = self._snapshot(requests, now)
        if snapshot is None:
            return
        self._began = now if self._began is None else self._began
        decided = plan(snapshot, requests, now)
        if self._pace is not None:
            self._forecasts.look(snapshot, requests, now)
        self._apply(decided, now)
        if decided.unsettled:
            self.notice()
        self._metrics.passed(self._clock.monotonic() - now)

    def _snapshot(self, requests: list[Request], now: float) -> Snapshot | None:
        """What the planner is to look at; None where nothing is to be decided."""
        growing = self._usage.growing(now)
        if not requests and not self._usage.has_pending and not growing:
            return None
        while self.past:
            self._usage.remember(self.past.pop())
        volumes = {request.volumes for request in requests} | {held.volumes or () for held in growing}
        pools = {request.pool for request in requests} | {held.pool for held in growing}
        wall, foretold = moments.epoch(self._clock.now()), self._forecasts.given
        return replace(
            self._usage.snapshot(pools, volumes),
            wall=wall,
            foretold=foretold,
            ratios=self.errors.of(pools),
            promised=self._preempting.promised(now),
        )

    def _apply(self, decided: Plan, now: float) -> None:
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

    def _grant(self, workload: Workload, admit: Admit, now: float) -> None:
        request, shown, waited = self._line.leave(workload, now=now)
        assert request is not None  # Only who asks is answered so.
        self._metrics.admitted(workload.kind, waited)
        if admit.backfilled:
            self._metrics.backfilled()
        place = (shown.place if shown is not None else None) or request.place
        for which, error in judged(place, started=self._clock.now()):
            self._metrics.forecast(workload.kind, which, error)
        self.held.give(request, admit, now=now)
        _log.info(
            "admitted",
            extra={"key": str(workload), "pool": request.pool, "seats": shown_seats(admit.seats)},
        )
        if workload != self._asking:
            self._wake_granted(workload)

    def take_back(self, workload: Workload, lost: TakeBack, now: float) -> None:
        """Tell a workload that its seats are lost; what was only granted, and not told, is free at once."""
        grant = self.held.grant(workload)
        if grant is not None:
            if grant.lost is None:
                # Its deadline was for writing it down, not for pods. What else ends it is as it would be with a seat.
                loss = NOT_WRITTEN if lost.loss is Loss.PODS_DID_NOT_COME else lost.loss.value
                self._metrics.lost(loss)
                _log.warning("a grant was not used", extra={"key": str(workload), "loss": loss})
            if grant.told:
                self.held.await_answer(grant, lost)
            else:
                self.held.drop(workload)
            self._wake(workload)
            return
        if self._line.lost(workload) != lost:
            self._metrics.lost(lost.loss.value)
            _log.warning(
                "seats taken back",
                extra={"key": str(workload), "loss": lost.loss.value, "nodes": ",".join(lost.nodes)},
            )
            self._line.show(workload, Shown(lost, now))
            self._wake(workload)

    def _preempt(self, workload: Workload, preempt: Preempt) -> None:
        """Tell a workload to leave. Its seats are held until it has left, and then are the other one's."""
        if not self._preempting.tell(workload, preempt):
            return
        kept = shown_seats(preempt.keeps)
        what = "told to leave" if preempt.leaves else "told to grow"
        _log.info(what, extra={"key": str(workload), "by": str(preempt.by), "why": preempt.why.value, "keeps": kept})
        if preempt.leaves:
            self._metrics.preempted(preempt.why.value)
            self.held.settle(workload)
            # Whoever waits is to be told that room is being made.
            self.notice()
        self._wake(workload)

    def _show(self, workload: Workload, verdict: Verdict, now: float) -> None:
        shown = self._line.shown.get(workload)
        if shown is None or shown.verdict != verdict:
            self._line.show(workload, Shown(verdict, now))
            self._answer(workload)

    def _tell(self, waiting: list[tuple[Workload, Wait]], now: float) -> None:
        """Remember each verdict where its workload is to say it, and wake whoever has something new to say."""
        returning = self._began is not None and now < self._began + RETURN_SECONDS
        news = self._line_news.of_pass(waiting, self._line.requests)
        for workload, shown, is_news in news.answers(self._line.shown, now=now, returning=returning):
            self._line.show(workload, shown)
            if is_news:
                self._answer(workload)

    def _answer(self, workload: Workload) -> None:
        if workload != self._asking:
            self._wake(workload)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
