"""EASY backfill on named nodes: when the first that does not fit will fit, and what the others must leave to it.

The first in line that does not fit gets a reservation: the earliest moment at which enough is expected to have been
given back (its shadow time), and seats on nodes that are free then. Another one may pass it if by its estimate it has
ended before, or if it takes only what the reservation does not need, of nodes and of quota (D. Lifka, "The ANL/IBM SP
scheduling system", 1995; A. Mu'alem and D. Feitelson, IEEE TPDS 12(6), 2001). The reservation is made anew in each
pass, so that one that ends early, or a node that comes, moves it forward.

A job that is past its estimate is expected to take twice as long as was said, then four times: durations of jobs are
heavy-tailed, so what is left grows with what has passed, and an estimate that is put right in growing steps is put
right few times (D. Tsafrir, Y. Etsion and D. Feitelson, IEEE TPDS 18(6), 2007, for corrections that grow).
"""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostler.planning.order import Durations
from hostler.planning.poolgrowth import Growth
from hostler.planning.quotas import Accounts
from hostler.planning.resources import Resources, add, holds, subtract, times
from hostler.planning.room import Room
from hostler.planning.snapshot import Snapshot
from hostler.planning.verdicts import Request, Reservation, Seats, Workload

LEAVING_SECONDS = 60.0
"""Within which who was told to leave is expected to have left."""
_SAME = 0.01
"""Two ends that differ by this part of the whole are the same."""
_SOON_SECONDS = 60.0
"""The least that is expected of a job that is past its estimate."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Seats that are given back at a moment, on the planner's clock."""

    at: float
    workload: Workload
    pool: str
    need: Resources
    seats: Seats
    known: bool = True
    """Whether anything is known of how long such jobs take."""


def endings(snapshot: Snapshot, durations: Durations, now: float, *, factor: float = 1.0) -> list[Ending]:
    """Everything held that is expected to be given back, by when, if jobs take ``factor`` times as long as was said."""
    foretold = {reservation.workload: ends for ends, reservation in snapshot.ending}
    holders = {r.workload: r for r in (*snapshot.holders, *(r for _, r in snapshot.ending))}
    found = []
    for workload, held in holders.items():
        at = _end(held, foretold.get(workload), durations, now, factor)
        if not math.isinf(at):
            known = workload in foretold or held.leaving_for is not None or durations.knows(held.pool)
            found.append(
                Ending(at=at, workload=workload, pool=held.pool, need=held.need, seats=held.seats, known=known)
            )
    found.sort(key=_moment)
    return found


def _end(held: Reservation, foretold: float | None, durations: Durations, now: float, factor: float) -> float:
    if held.leaving_for is not None:
        since = now if held.leaving_since is None else held.leaving_since
        return now + max(LEAVING_SECONDS, now - since)
    if foretold is None:
        if held.workload.kind == "InferenceService":
            return math.inf
        foretold = (now if held.started is None else held.started) + factor * durations.typical(held.pool)
    elif held.started is not None and _is_said(held, foretold):
        # What was said of all of it is wrong as a whole, what its progress says of the rest only of the rest.
        foretold = held.started + factor * (foretold - held.started)
    else:
        foretold = now + factor * (foretold - now)
    if foretold > now:
        return foretold
    if factor < 1:
        return now
    if held.started is None or foretold <= held.started:
        return now + max(_SOON_SECONDS, now - foretold)
    said, passed = foretold - held.started, now - held.started
    doublings = math.floor(math.log2(passed / said)) + 1
    return max(held.started + said * 2.0**doublings, now + _SOON_SECONDS)


def _is_said(held: Reservation, foretold: float) -> bool:
    """Whether its end is known from what its user has said, and not from its progress."""
    return (
        held.due is not None
        and held.started is not None
        and (abs(foretold - held.due) <= 1 + _SAME * max(0.0, held.due - held.started))
    )


def _moment(ending: Ending) -> tuple[float, str, str, str]:
    who = ending.workload
    return ending.at, who.namespace, who.name, who.kind


@dataclass(kw_only=True)
class Booking:
    """The reservation of a request that waits: from when on, and where."""

    request: Request
    at: float
    """Its shadow time."""
    seats: Seats
    spare: dict[str, Resources]
    """What its nodes have beyond its seats at that moment; less, the more others take who are there then."""
    spare_units: int | None
    """Likewise of its pool's quota; None where there is none."""
    known: bool
    """Whether anything is known of how long those take who have to end before."""
    account: str | None = None
    """Whose limit it waits for, and no nodes: then it binds those of the same account alone."""
    new: Seats = field(default_factory=dict)
    """Seats beside these on nodes that are still to come."""
    promised: bool = False
    """Whether others leave for it: then nobody takes what it needs meanwhile, however shortly, because another one
    would have to leave in their place."""
    borrows: bool = False
    """Whether it would be more than what is its account's own: then it keeps nothing from whose that is."""

    def binds(self, ends: float) -> bool:
        """Whether somebody who ends then is in its way."""
        return self.promised or ends > self.at

    def leaves(self, pool: str, count: int, units: int) -> int:
        """Of so many pods with so many units each, those that the pool's quota has room for beside it."""
        if self.spare_units is None or pool != self.request.pool:
            return count
        return min(count, max(0, self.spare_units) // max(1, units))

    def passed_by(self, request: Request, seats: Seats, units: int) -> None:
        """Somebody who is still there at that moment has taken these seats."""
        for node, pods in seats.items():
            if node in self.spare:
                self.spare[node] = subtract(self.spare[node], times(pods, request.need))
        if self.spare_units is not None and request.pool == self.request.pool:
            self.spare_units -= units * sum(seats.values())


@dataclass
class Timeline:
    """What is given back when, of those who hold seats, those whom this pass admits, and those who have a booking."""

    _sorted: list[Ending]
    _new: list[Ending] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)

    @property
    def endings(self) -> Sequence[Ending]:
        """In order of time."""
        for new in self._new:
            insort(self._sorted, new, key=_moment)
        self._new.clear()
        return self._sorted

    def admit(self, request: Request, seats: Seats, ends: float, *, known: bool) -> None:
        """These seats are given, until then."""
        if seats and not math.isinf(ends):
            who, pool, need = request.workload, request.pool, request.need
            self._new.append(Ending(at=ends, workload=who, pool=pool, need=need, seats=seats, known=known))

    def book(
        self,
        room: Room,
        request: Request,
        free: Mapping[str, Resources],
        durations: Durations,
        now: float,
        *,
        growth: Growth | None = None,
    ) -> bool:
        """Give the request the earliest booking that takes nothing from those that there are; False where it would not
        fit even after everybody has ended who ever does, with all that the pool may grow by for it."""
        beyond = 0 if growth is None else sum(growth.seats(request.need, request.least).values())
        booking = self._earliest(room, request, free, now, beyond=beyond)
        if booking is None:
            return False
        if growth is not None:
            booking.new = growth.seats(request.need, request.least - sum(booking.seats.values()))
        self.bookings.append(booking)
        known = booking.known and durations.knows_of(request)
        self.admit(request, booking.seats, booking.at + durations.of(request), known=known)
        return True

    def book_account(self, room: Room, request: Request, accounts: Accounts, now: float) -> None:
        """Give the request a booking of what its namespace may hold, where others of its account hold that."""
        account, units = accounts.account(request.workload.namespace), room.units(request.need)
        left, wanted = accounts.left(request.workload.namespace), request.least * units
        known = True
        for ending in self.endings:
            if ending.pool != room.pool.name or accounts.account(ending.workload.namespace) != account:
                continue
            left += sum(ending.seats.values()) * room.units(ending.need)
            known = known and ending.known
            if left >= wanted:
                spare = left - wanted
                self.bookings.append(
                    Booking(
                        request=request,
                        at=ending.at,
                        seats={},
                        spare={},
                        spare_units=spare,
                        known=known,
                        account=account,
                    )
                )
                return

    def _earliest(
        self, room: Room, request: Request, free: Mapping[str, Resources], now: float, *, beyond: int
    ) -> Booking | None:
        base = {node: free[node] for node in room.levels}
        held = room.held
        for booking in self.bookings:
            if booking.account is not None:
                continue
            # As if it were there already: then it is not delayed, whatever this one is given.
            for node, pods in booking.seats.items():
                if node in base:
                    base[node] = subtract(base[node], times(pods, booking.request.need))
            if booking.request.pool == room.pool.name:
                held += sum(booking.seats.values()) * room.units(booking.request.need)
        fit, units = _Fit(room, request, base, beyond=beyond), room.units(request.need)
        at, known = now, True
        for ending in (*self.endings, None):
            if ending is None or ending.at > at:
                if fit.enough and room.within_quota(request.least, units, held=held) >= request.least:
                    return self._booked(room, request, base, held, at, known=known)
                if ending is None:
                    break
                at = ending.at
            if ending.pool == room.pool.name:
                held -= sum(ending.seats.values()) * room.units(ending.need)
            for node, pods in ending.seats.items():
                if node in base:
                    known = known and ending.known
                    base[node] = fit.moved(node, base[node], add(base[node], times(pods, ending.need)))
        return None

    def _booked(
        self, room: Room, request: Request, base: Mapping[str, Resources], held: int, at: float, *, known: bool
    ) -> Booking:
        seats = room.as_if(base).find(request, request.least, base, beside=request.beside)
        spare = {node: subtract(base[node], times(pods, request.need)) for node, pods in seats.items()}
        units = request.least * room.units(request.need)
        spare_units = None if room.quota is None else room.quota - held - units
        return Booking(request=request, at=at, seats=seats, spare=spare, spare_units=spare_units, known=known)

    def caps(self, free: Mapping[str, Resources], binding: Iterable[Booking]) -> dict[str, Resources]:
        """Of the nodes of these bookings, what they and the moment leave."""
        found: dict[str, Resources] = {}
        for booking in binding:
            for node, spare in booking.spare.items():
                found[node] = _smaller(found.get(node, free[node]), spare)
        return found


class _Fit:
    """How many pods of a request fit, where it may have them together, while seats are given back."""

    def __init__(self, room: Room, request: Request, free: Mapping[str, Resources], *, beyond: int) -> None:
        """``beyond`` is how many fit on nodes that are to come."""
        self._need, self._least = request.need, request.least - beyond
        self._domains = room.domains_for(request)
        self._bound = room.bound_to(request)
        self._counts: Counter[str] = Counter()
        for node, amount in free.items():
            self._counts[self._domain(node)] += holds(amount, self._need)

    def _domain(self, node: str) -> str:
        return "" if self._domains is None else self._domains.get(node, node)

    @property
    def enough(self) -> bool:
        counts = (count for domain, count in self._counts.items() if not self._bound or domain in self._bound)
        return max(counts, default=0) >= self._least

    def moved(self, node: str, before: Resources, after: Resources) -> Resources:
        """Count a node anew."""
        self._counts[self._domain(node)] += holds(after, self._need) - holds(before, self._need)
        return after


def _smaller(left: Mapping[str, int], right: Mapping[str, int]) -> Resources:
    return {name: min(left.get(name, 0), right.get(name, 0)) for name in {**left, **right}}


def first_release(timeline: Iterable[Ending], room: Room, need: Resources) -> Ending | None:
    """The next seats on a pool's nodes that are given back with something of what is needed, where anything is known
    of that."""
    wanted = {name for name, amount in need.items() if amount > 0} - {"pods"}
    key = room.pool.resource
    for ending in timeline:
        useful = ending.need.get(key, 0) > 0 if key in wanted else not wanted.isdisjoint(ending.need)
        if useful and ending.known and any(node in room.levels for node in ending.seats):
            return ending
    return None
