"""Who was told to leave, from the pass that decided it until a status says so.

Nothing here is needed after a crash: what a status does not say has not begun, and the next pass decides it anew.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from hostler.planning.verdicts import Preempt, Reservation, Workload

PROMISE_SECONDS = 60.0
"""How long room that others have left is kept for the one for whom they left. It is looked at at once, and only pods
that outlive their job make it wait."""
Chapter = tuple[int, int]
"""See ``hostler.controllers.reservations.chapter``."""


@dataclass(frozen=True, kw_only=True)
class _Told:
    preempt: Preempt
    chapter: Chapter | None


class Preempting:
    """In memory, by workload."""

    def __init__(self) -> None:
        self._chapters: dict[Workload, Chapter] = {}
        self._told: dict[Workload, _Told] = {}
        self._promised: dict[Workload, float] = {}
        """For whom others have left, and until when that counts."""

    def of(self, workload: Workload) -> Preempt | None:
        """Why it has to leave."""
        found = self._told.get(workload)
        return None if found is None else found.preempt

    def tell(self, workload: Workload, preempt: Preempt) -> bool:
        """Tell it; whether that is news."""
        if workload in self._told:
            return False
        self._told[workload] = _Told(preempt=preempt, chapter=self._chapters.get(workload))
        return True

    def changed(self, workload: Workload, chapter: Chapter | None) -> None:
        """Its status is another one: what it was told is written down, or over; None where it holds nothing."""
        if chapter is None:
            self._chapters.pop(workload, None)
            self._told.pop(workload, None)
            return
        self._chapters[workload] = chapter
        found = self._told.get(workload)
        if found is not None and found.chapter != chapter:
            del self._told[workload]

    def drop_unwanted(self, in_line: Container[Workload]) -> list[Workload]:
        """Whoever leaves for one that waits no more may stay, as long as nothing is written down."""
        gone = [w for w, told in self._told.items() if told.preempt.leaves and told.preempt.by not in in_line]
        for workload in gone:
            del self._told[workload]
        return gone

    def left(self, before: Reservation, after: Reservation | None, *, now: float) -> None:
        """A workload holds something else than before. Without this, whoever comes first in line would have what was
        left for another one, who would have the next one stopped for itself, and so on for ever."""
        whom = self.applied(before).leaving_for
        if whom is not None and (after is None or after.seats != before.seats):
            self._promised[whom] = now + PROMISE_SECONDS

    def has_got(self, workload: Workload) -> None:
        """It has its seats."""
        self._promised.pop(workload, None)

    def promised(self, now: float) -> frozenset[Workload]:
        """For whom others have left lately, and who has not got anything yet."""
        self._promised = {who: until for who, until in self._promised.items() if now < until}
        return frozenset(self._promised)

    def applied(self, held: Reservation) -> Reservation:
        """The reservation as the planner is to see it."""
        told = self.of(held.workload)
        if told is None or not told.leaves:
            return held
        return replace(held, leaving_for=told.by, keeps=told.keeps)
