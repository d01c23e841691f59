"""What is told to those in line, and how many of them are told anew at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hostler.controllers.answers import Shown
from hostler.controllers.ports import Clock
from hostler.planning.forecasterror import ForecastError, judge
from hostler.planning.telling import interval, is_news, place_of
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Place, Request, Wait, Workload
from hostler.planning.ways import WaysFinder

BURST = 20
"""Requests that are woken at once only because their place in line has changed."""
PER_SECOND = 2.0
"""And how many of them later on: each is a look and a write, of a few milliseconds together."""


class LineNews:
    """Words for each pass, and the allowance for those that only change a place."""

    def __init__(self, *, clock: Clock, usage: PoolUsage) -> None:
        self._clock = clock
        self._usage = usage
        self._left = float(BURST)
        self._counted = clock.monotonic()

    def of_pass(self, waiting: Sequence[tuple[Workload, Wait]], requests: Mapping[Workload, Request]) -> PassNews:
        """The words of one pass; its pools are looked at only when somebody is told something."""
        return PassNews(self, waiting, requests, now=self._clock.now(), usage=self._usage)

    def allow(self) -> bool:
        """Whether one more may be woken for its place alone."""
        now = self._clock.monotonic()
        self._left = min(float(BURST), self._left + (now - self._counted) * PER_SECOND)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class PassNews:
    """What is told after one pass."""

    def __init__(
        self,
        news: LineNews,
        waiting: Sequence[tuple[Workload, Wait]],
        requests: Mapping[Workload, Request],
        *,
        now: str,
        usage: PoolUsage,
    ) -> None:
        self._news = news
        self._waiting = waiting
        self._requests = requests
        self._now = now
        self._ways = WaysFinder(
            snapshot=lambda: usage.snapshot(usage.names()),
            holders=usage.reservations,
            lines=Counter(requests[workload].pool for workload, _ in waiting),
        )
        self._firsts = {
            requests[workload].pool: place.forecast.expected
            for workload, wait in waiting
            if wait.position == 1 and (place := place_of(wait, now=now, before=None)) is not None and place.forecast
        }
        """When the first of each line is expected to start."""

    def answers(
        self, shown: Mapping[Workload, Shown], *, now: float, returning: bool
    ) -> Iterator[tuple[Workload, Shown, bool]]:
        """What is remembered of each answer, and whether its workload is to be woken for it: where it waits for another
        reason than ``shown`` before, and where its place has changed, as many as may be woken for that.

        ``returning`` is whether who comes may have been in line before this process: what its status says stands.
        """
        standing: list[tuple[Workload, Wait]] = []
        for workload, wait in self._waiting:
            known = shown.get(workload)
            if known is not None and isinstance(known.verdict, Wait) and known.verdict.obstacle is wait.obstacle:
                standing.append((workload, wait))
                continue
            request = self._requests[workload]
            place = (known.place if known is not None else None) or request.place
            if returning and request.told is wait.obstacle:
                yield workload, Shown(replace(wait, place=place), now, earlier=True), False
            else:
                yield workload, Shown(self._told(workload, wait, before=place), now), True
        yield from self._moved(standing, shown, now=now)

    def _told(self, workload: Workload, wait: Wait, *, before: Place | None) -> Wait:
        """The verdict with everything that people are told, after they were told ``before``."""
        request = self._requests[workload]
        ways = self._ways.of(request, wait, first_starts=self._firsts.get(request.pool), now=self._now)
        return replace(wait, at=self._now, place=place_of(wait, now=self._now, before=before), ways=ways)

    def _moved(
        self, standing: Sequence[tuple[Workload, Wait]], shown: Mapping[Workload, Shown], *, now: float
    ) -> Iterator[tuple[Workload, Shown, bool]]:
        """Of those who wait for what they waited for: those whose last word is oldest come first, as many as may be
        woken now; the rest comes with the next pass. Who has nothing new to say is not looked at for a while."""
        news: list[tuple[Workload, Wait]] = []
        for workload, wait in standing:
            known = shown[workload]
            if now < known.at + interval(wait.position):
                continue
            if is_news(known.place, place_of(wait, now=self._now, before=known.place)):
                news.append((workload, wait))
            else:
                yield workload, replace(known, at=now), False
        news.sort(key=lambda each: (shown[each[0]].at, each[1].position, each[0]))
        for workload, wait in news[:BURST]:
            if not self._news.allow():
                return
            yield workload, Shown(self._told(workload, wait, before=shown[workload].place), now), True


def judged(place: Place | None, *, started: str) -> Iterator[tuple[str, ForecastError]]:
    """How right the ``first`` and the ``last`` forecast were, of who was told any."""
    if place is None:
        return
    for which, forecast in (("first", place.first), ("last", place.forecast)):
        if forecast is not None:
            yield which, judge(forecast, started=started)
