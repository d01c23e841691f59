"""Which jobs go on with more pods, where nobody waits: the other half of ``pods.min..max``.

A job that has begun with fewer pods than it could use takes more in its next attempt. Ending an attempt for that costs
the time until it trains again, so it is done seldom, for one job of a pool at a time, and where it pays: what is saved
of the remaining time is more than what the change costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hostler.planning.verdicts import Preempt, Preemption, Reservation, Workload
from hostler.planning.victims import RESTART_SECONDS

LEAST_SECONDS = 600.0
"""Between two starts of a job that are made for its size."""


def can_grow(held: Reservation) -> bool:
    """Whether it could use more pods than it has, and runs."""
    if held.most is None or held.started is None or held.volumes is None:
        return False
    return held.pods < held.most and held.deadline is None and held.leaving_for is None


def grows_at(held: Reservation) -> float | None:
    """The moment from which on it may grow; None where it cannot."""
    return held.started + LEAST_SECONDS if can_grow(held) and held.started is not None else None


def growth(
    holders: Iterable[Reservation],
    *,
    room_for: Callable[[Reservation, int], int],
    ends: Mapping[Workload, float],
    now: float,
) -> dict[Workload, Preempt]:
    """The one that gains most by going on with more pods; ``room_for`` tells how many of so many more would fit."""
    best: tuple[float, Reservation] | None = None
    for held in sorted(holders, key=lambda each: each.workload):
        at = grows_at(held)
        if at is None or held.most is None or now < at:
            continue
        more = room_for(held, held.most - held.pods)
        gain = _gain(held, more, left=ends[held.workload] - now if held.workload in ends else None)
        if gain > 0 and (best is None or gain > best[0]):
            best = gain, held
    if best is None:
        return {}
    held = best[1]
    return {held.workload: Preempt(by=held.workload, why=Preemption.ROOM, keeps=held.seats)}


def _gain(held: Reservation, more: int, *, left: float | None) -> float:
    """Seconds by which it is done sooner. Of one of which nobody knows how long it takes, as much as the change costs
    for each pod that comes on top, so that the most pods win."""
    if more <= 0:
        return 0.0
    if left is None:
        return RESTART_SECONDS * more
    return left * more / (held.pods + more) - RESTART_SECONDS
