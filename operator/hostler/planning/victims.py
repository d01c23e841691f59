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

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

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


Order = tuple[int, float, float, Workload]
"""Priority, cost, how young it is, and who it is."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the search looks at."""

    room: Room
    """The nodes that the request can use."""
    free: Mapping[str, Resources]
    """Now, on the nodes of all rooms."""
    holders: Sequence[Reservation]
    accounts: Accounts
    now: float
    ends: Mapping[Workload, float]
    """When holders are expected to be done, where that is known."""
    nobodys: Container[Workload | None] = frozenset()
    """For whom others leave though they do not wait any more: that room is whose turn it is."""
    expected: Mapping[str, Resources] = field(default_factory=dict)
    """What is to be counted as free of some nodes instead: those before in line have their seats there."""

    def free_of(self, node: str) -> Resources:
        """Of one node."""
        return self.expected.get(node) or self.free[node]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A job that holds seats, as every search looks at it."""

    reservation: Reservation
    account: str
    """Whose quota counts what it holds."""
    units: int
    """Of the pool, that it holds."""
    lost: float
    """Seconds since its newest checkpoint."""
    overdue: bool
    """Whether it may be stopped for being past its estimate."""

    @cached_property
    def cost(self) -> float:
        """Device seconds."""
        return self.units * (self.lost + RESTART_SECONDS)

    @cached_property
    def order(self) -> Order:
        """Which of those who are stopped for the same reason goes first."""
        held = self.reservation
        started = held.started if held.started is not None else float("inf")
        return held.priority, self.cost, -started, held.workload


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


@dataclass(frozen=True, kw_only=True)
class Stance:
    """What a request may take from an account."""

    lends: bool
    """Whether that is another account, which holds more than its own."""
    below: float
    """Of those who are not past their estimate, whoever has a priority below this."""


class Claim:
    """What one request may have others stopped for."""

    def __init__(self, request: Request, scene: Scene) -> None:
        ours = request.workload.namespace
        self.request = request
        self.shape = request.shape
        self.account = scene.accounts.account(ours)
        self.due = scene.accounts.is_due(ours, request.least * scene.room.units(request.need))
        """Whether it would be its own account's, so that it may be taken back from who has borrowed."""
        self.replica = request.preempts and request.serves and bool(request.beside)
        """Whether jobs of the same priority make room for it."""
        self._accounts = scene.accounts
        self._levels = scene.room.levels
        self._stances: dict[str, Stance | None] = {}

    def stance(self, account: str, namespace: str) -> Stance | None:
        """What may be taken from an account, of which this is a namespace; None for nothing."""
        if account not in self._stances:
            lends = account != self.account and self._accounts.borrowed(namespace) > 0
            if account == self.account or self.due or lends:
                self._stances[account] = Stance(lends=lends, below=self._below(reclaims=self.due and lends))
            else:
                self._stances[account] = None
        return self._stances[account]

    def _below(self, *, reclaims: bool) -> float:
        if reclaims:
            return math.inf
        if not self.request.preempts:
            return -math.inf
        return self.request.priority + 1 if self.replica else self.request.priority

    def may_stop(self, holding: Holding, stance: Stance) -> bool:
        """Whether a holding may be stopped for the request, if it is on its nodes."""
        held = holding.reservation
        if holding.account == self.account and held.workload == self.request.workload:
            return False
        return held.priority < stance.below or self.is_late(holding)

    def is_late(self, holding: Holding) -> bool:
        """Whether it may be stopped for being past its estimate."""
        return holding.overdue and holding.reservation.priority <= self.request.priority

    def victim(self, holding: Holding) -> Victim | None:
        """A holding as a victim; None where it may not be stopped for the request."""
        held = holding.reservation
        stance = self.stance(holding.account, held.workload.namespace)
        if stance is None or not self.may_stop(holding, stance) or self._levels.keys().isdisjoint(held.seats):
            return None
        why = self._why(holding, reclaims=self.due and stance.lends)
        return Victim(held=held, why=why, lost=holding.lost, units=holding.units, borrows=stance.lends)

    def _why(self, holding: Holding, *, reclaims: bool) -> Preemption:
        if self.is_late(holding):
            return Preemption.OVERDUE
        if self.request.preempts and holding.reservation.priority < self.request.priority:
            return Preemption.PRIORITY
        return Preemption.QUOTA if reclaims else Preemption.REPLICA


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


def is_overdue(held: Reservation, scene: Scene) -> bool:
    """Whether it may be stopped for being past its estimate."""
    at = overdue_at(held)
    if at is None or scene.now < at:
        return False
    ends = scene.ends.get(held.workload)
    return ends is None or not scene.now <= ends <= scene.now + NEARLY_DONE_SECONDS


def safe_since(held: Reservation, now: float) -> float:
    """Since when work is lost if it has to leave; this moment, where it has not begun."""
    if held.started is None:
        return now
    return held.started if held.saved is None else max(held.started, held.saved)
