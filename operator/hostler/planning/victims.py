"""Who may be stopped for somebody in line, and what that costs. Of jobs of the same pool, never of services:

1. who is past what its user has said that it takes, for anybody of the same or a higher priority: the first to go;
2. whose priority is lower, where the class of the one in line preempts;
3. who has borrowed, for a request that is within its own nominal amount;
4. who has the same priority as a service that runs and needs another replica: jobs use what a service leaves idle, and
   give it back.

Where the request is of another account than the victim, it takes only what that one has borrowed, down to what is its
own; but where nobody has borrowed, because quotas add up to more than the pool has, what is due to the request.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hostler.planning.quotas import Accounts
from hostler.planning.resources import Resources
from hostler.planning.room import Room
from hostler.planning.verdicts import Preemption, Request, Reservation, Workload

RESTART_SECONDS = 120.0
"""Until a victim trains again once it has a seat, as assumed for its cost: to start, and to load a checkpoint."""
TURN_SECONDS = 1800.0
"""Who is past its estimate is left alone for so long after each start, so that two of them who push each other out
still get on."""
LEAVING_PATIENCE_SECONDS = 300.0
"""Who was told to leave so long ago and is still there is not counted on any more: its pods hang on a node that cannot
end them."""
NEARLY_DONE_SECONDS = 300.0
"""Who says that it is done within this is waited for, rather than be stopped for being past its estimate."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the search looks at."""

    room: Room
    """The nodes that the request can use."""
    free: Mapping[str, Resources]
    holders: Sequence[Reservation]
    accounts: Accounts
    now: float
    ends: Mapping[Workload, float]
    """When holders are expected to be done, where that is known."""
    nobodys: Container[Workload | None] = frozenset()
    """For whom others leave though they do not wait any more: that room is whose turn it is."""


@dataclass(frozen=True, kw_only=True)
class Victim:
    """Somebody who could leave."""

    held: Reservation
    why: Preemption
    lost: float
    """Seconds since its newest checkpoint."""
    units: int
    """Of the pool, that it holds."""
    borrows: bool
    """Whether only what its account has borrowed may be taken from it."""

    @property
    def cost(self) -> float:
        """Device seconds."""
        return self.units * (self.lost + RESTART_SECONDS)

    @property
    def order(self) -> tuple[bool, int, float, float, Workload]:
        """Who goes first: past its estimate, of low priority, cheap, young."""
        started = self.held.started if self.held.started is not None else float("inf")
        late = self.why is Preemption.OVERDUE
        return not late, self.held.priority, self.cost, -started, self.held.workload


def candidates_for(request: Request, scene: Scene) -> Iterable[Victim]:
    """Everybody who may be stopped for a request, and for what reason."""
    pool, units = scene.room.pool, scene.room.units(request.need)
    ours = request.workload.namespace
    due = scene.accounts.is_due(ours, request.least * units)
    account = scene.accounts.account(ours)
    known: dict[str, tuple[bool, bool]] = {}
    """By namespace: there are thousands of holders and few of these."""
    for held in scene.holders:
        if held.workload.kind != "TrainingJob" or held.pool != pool.name or held.leaving_for is not None:
            continue
        if held.workload == request.workload or scene.room.levels.keys().isdisjoint(held.seats):
            continue
        theirs = held.workload.namespace
        if theirs not in known:
            equal = scene.accounts.account(theirs) == account
            known[theirs] = equal, not equal and scene.accounts.borrowed(theirs) > 0
        same, lends = known[theirs]
        if not (same or due or lends):
            continue
        why = _why(request, held, scene, reclaims=due and lends)
        if why is not None:
            lost = max(0.0, scene.now - _safe_since(held, scene.now))
            yield Victim(held=held, why=why, lost=lost, units=held.pods * pool.units(held.need), borrows=lends)


def _why(request: Request, held: Reservation, scene: Scene, *, reclaims: bool) -> Preemption | None:
    if held.priority <= request.priority and _is_overdue(held, scene):
        return Preemption.OVERDUE
    if request.preempts and held.priority < request.priority:
        return Preemption.PRIORITY
    if reclaims:
        return Preemption.QUOTA
    if request.preempts and request.serves and request.beside and held.priority == request.priority:
        return Preemption.REPLICA
    return None


def makes_room(held: Reservation, request: Request, scene: Scene) -> bool:
    """Whether it leaves already, so that nobody else need leave for the request."""
    if held.leaving_for is None or (held.leaving_for != request.workload and held.leaving_for not in scene.nobodys):
        return False
    until = given_up_at(held)
    return until is None or scene.now < until


def given_up_at(held: Reservation) -> float | None:
    """From when on it is not counted on that it leaves; None of who may stay, or was told just now."""
    if held.leaving_for is None or held.leaving_since is None:
        return None
    return held.leaving_since + LEAVING_PATIENCE_SECONDS


def overdue_at(held: Reservation) -> float | None:
    """From when on it may be stopped for being past its estimate; None where that never is."""
    if held.due is None or held.started is None or held.leaving_for is not None:
        return None
    return max(held.due, held.started + TURN_SECONDS)


def _is_overdue(held: Reservation, scene: Scene) -> bool:
    at = overdue_at(held)
    if at is None or scene.now < at:
        return False
    ends = scene.ends.get(held.workload)
    return ends is None or not scene.now <= ends <= scene.now + NEARLY_DONE_SECONDS


def _safe_since(held: Reservation, now: float) -> float:
    """Since when work is lost if it has to leave; this moment, where it has not begun."""
    if held.started is None:
        return now
    return held.started if held.saved is None else max(held.started, held.saved)
