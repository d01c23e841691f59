"""Who gets which nodes: a pure function from a snapshot and the requests in line to a verdict for each of them.

    plan(snapshot, waiting, now) -> verdicts (Admit | Wait | TakeBack) and preemptions, by workload

The line is put in :mod:`order <hostler.planning.order>`. The first of a pool that does not fit gets a booking, and
those behind it pass it where they do not delay it (:mod:`backfill <hostler.planning.backfill>`). Where the pods of one
request go is the :mod:`room <hostler.planning.room>`'s to say.

Everything is deterministic: equal snapshots and requests give equal verdicts, whatever the order they came in. Time is
only compared, so tests and replays run in virtual time.

Cost: building the rooms is linear in the nodes of the pools asked for; a request whose shape has failed already is
answered without looking at any node; a request that fits looks at the levels of free units, not at the nodes. Who ends
when is looked at once somebody has to wait, once for each booking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hostler.api.common import Topology
from hostler.planning.backfill import Booking, Timeline, endings, first_release
from hostler.planning.forecast import forecasts
from hostler.planning.order import Durations, arrange
from hostler.planning.poolgrowth import Growth, is_new
from hostler.planning.resources import Resources, holds
from hostler.planning.room import Room
from hostler.planning.seats import together
from hostler.planning.snapshot import Pending as Pending
from hostler.planning.snapshot import Snapshot as Snapshot
from hostler.planning.snapshot import Volumes
from hostler.planning.stock import Stock
from hostler.planning.turnover import AccountsByPool, Turnover
from hostler.planning.verdicts import (
    Admit,
    Forecast,
    Loss,
    Obstacle,
    PoolFigures,
    Preempt,
    QuotaFigures,
    Release,
    Request,
    Seats,
    TakeBack,
    Verdict,
    Wait,
    Workload,
)

MOST_BOOKINGS = 4
"""Of one pool, in one pass."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one pass has decided."""

    verdicts: Mapping[Workload, Verdict]
    """One for every request, and one for every reservation that is lost."""
    preemptions: Mapping[Workload, Preempt] = field(default_factory=dict)
    """Who has to leave and was not told so before."""


def plan(snapshot: Snapshot, waiting: Iterable[Request], now: float) -> Plan:
    """Decide about everybody in line and everybody who holds a seat. ``now`` is seconds on the clock of the
    reservations' deadlines."""
    requests = sorted(waiting, key=lambda request: (request.since, request.workload))
    planner = _Planner(snapshot, requests, now)
    verdicts: dict[Workload, Verdict] = {}
    for pending in snapshot.pending:
        if lost := _lost(pending, now):
            verdicts[pending.reservation.workload] = lost
    # Whoever holds a seat keeps it: nobody in line may take the nodes of a job between two attempts.
    for request in (request for request in requests if request.holding):
        verdicts[request.workload] = planner.keep(request) or Wait(
            obstacle=Obstacle.WAITING_FOR_CAPACITY, position=0, waiting=0, figures=_NO_FIGURES
        )
    line = [
        request
        for request in arrange(snapshot, requests, planner.durations)
        if not isinstance(verdicts.get(request.workload), Admit)
    ]
    for request in planner.promised_first(line):
        if (found := planner.admit(request) or planner.release(request)) is None:
            planner.refuse(request)
        else:
            verdicts[request.workload] = found
    refused: dict[str, list[Request]] = {}
    for request in line:
        if not isinstance(verdicts.get(request.workload), Admit):
            refused.setdefault(request.pool, []).append(request)
    for pool, those in refused.items():
        verdicts |= planner.wait(pool, those)
    for request in requests:
        # Last, because a pod that one could do without comes after everybody who waits.
        standing = verdicts[request.workload]
        if isinstance(standing, Admit) and request.holding and request.pool not in refused:
            standing = verdicts[request.workload] = planner.enlarge(request, standing)
        if isinstance(standing, Admit) and request.surge:
            verdicts[request.workload] = planner.surge(request, standing)
    return Plan(verdicts=verdicts, preemptions=planner.leaving(refused))


_NO_FIGURES = PoolFigures(free=0, allocatable=0, largest_free_block=0, held=0)
_Question = tuple[str, Volumes, frozenset[tuple[str, int]], bool]
"""The pool, the volumes and the shape of a request, and whether all its pods must be in one domain: what fits of one
fits of another with the same."""


def _question(request: Request) -> _Question:
    return request.pool, request.volumes, request.shape, request.topology is Topology.REQUIRED


def _lost(pending: Pending, now: float) -> TakeBack | None:
    if pending.gone:
        return TakeBack(loss=Loss.NODE_GONE, nodes=pending.gone)
    if pending.taken:
        return TakeBack(loss=Loss.SEAT_TAKEN, nodes=pending.taken)
    deadline = pending.reservation.deadline
    # Pods that have their nodes have come, however long their images take.
    if pending.awaited and deadline is not None and now >= deadline:
        if new := tuple(node for node in pending.awaited if is_new(node)):
            return TakeBack(loss=Loss.NODES_DID_NOT_COME, nodes=new)
        return TakeBack(loss=Loss.PODS_DID_NOT_COME, nodes=pending.awaited)
    return None


class _Planner:
    """The state of one pass: what is left after each admission."""

    def __init__(self, snapshot: Snapshot, requests: Sequence[Request], now: float) -> None:
        self._snapshot = snapshot
        self._requests = requests
        self.durations = Durations(snapshot, requests)
        self._now = now
        self._left: dict[tuple[Workload, ...], Mapping[str, Resources]] = {}
        """What bookings leave of what is free now."""
        self._stock = Stock(snapshot, changed=self._left.clear)
        self._growth = {name: room.growth for name, room in snapshot.pools.items() if room.growth is not None}
        self._refused: Counter[str] = Counter()
        """Requests of each pool that have to wait."""
        self._booked: Counter[str] = Counter()
        self._owing: set[tuple[str, str]] = set()
        """Accounts of pools of which somebody waits for the account's own limit."""
        self._tied: dict[str, bool] = {}
        """Whether all bookings of a pool are tied to the nodes of volumes."""
        self._never: set[tuple[_Question, int]] = set()
        """What would not fit even after everybody has ended who ever does, and how much of it."""
        self._capped: dict[tuple[_Question, tuple[Workload, ...]], int] = {}
        """How much would fit of what must leave these bookings alone."""
        self._releases: dict[_Question, Release | None] = {}
        self._accounts = AccountsByPool(snapshot)
        self._admitted: list[tuple[Request, Seats, float]] = []
        """By this pass, and not yet in the timeline; with their ends."""

    @cached_property
    def _timeline(self) -> Timeline:
        """Made when the first one has to wait: where all fit, nobody need know who ends when."""
        return Timeline(endings(self._snapshot, self.durations, self._now))

    @cached_property
    def _leaving(self) -> Mapping[Workload, tuple[Workload, ...]]:
        """Who leaves, by for whom."""
        found: dict[Workload, list[Workload]] = {}
        for each in self._snapshot.holders:
            if each.leaving_for is not None:
                found.setdefault(each.leaving_for, []).append(each.workload)
        return {workload: tuple(sorted(those)) for workload, those in found.items()}

    def promised_first(self, line: Sequence[Request]) -> list[Request]:
        """The line, and before it those for whom others leave or have left: that room is theirs alone."""
        promised = self._leaving.keys() | self._snapshot.promised
        return sorted(line, key=lambda request: request.workload not in promised)

    def keep(self, request: Request) -> Admit | None:
        """The seats that the request has, with others for those whose node is gone; all or nothing.

        What it gives up is nobody's until that is written down, which is told by another snapshot: after a crash
        before, two would have it.
        """
        room = self._stock.room(request.pool, request.volumes)
        if room is None:
            return None
        before = request.held_need or request.need
        had = sum(request.holding.values()) * room.units(before)
        self._stock.give_back(request.holding, before)
        room.held -= had
        allowed = room.allowed(request)
        kept: dict[str, int] = {}
        for node, pods in sorted(request.holding.items()):
            fit = min(pods, allowed - sum(kept.values()))
            if fit > 0 and node in room.levels and (here := min(fit, holds(self._stock.free[node], request.need))) > 0:
                kept[node] = here
        self._stock.take(kept, request.need)
        # More than it had only after everybody who waits; but replicas come before jobs.
        wanted = request.most if request.serves else max(request.least, sum(request.holding.values()))
        more = room.find(request, min(wanted, allowed) - sum(kept.values()), self._stock.free, beside=kept)
        if sum(kept.values()) + sum(more.values()) < request.least:
            self._stock.give_back(kept, request.need)
            self._stock.withhold(request, {})
            room.held += had
            return None
        self._stock.take(more, request.need)
        seats = together(kept, more)
        self._stock.withhold(request, seats)
        now = sum(seats.values()) * room.units(request.need)
        room.held += max(had, now)
        self._accounts.of(room).take(request.workload.namespace, max(0, now - had))
        return Admit(seats=seats)

    def admit(self, request: Request) -> Admit | None:
        """As many seats as it can use and get, or None where that is less than the least.

        Who is still there when somebody before it is to start takes only what that one leaves.
        """
        room = self._stock.room(request.pool, request.volumes)
        if room is None or room.has_failed(request):
            return None
        found = self._seats(room, request, request.most, beside=request.beside, least=request.least)
        if sum(found.values()) < request.least:
            return None
        self._occupy(room, request, found)
        return Admit(seats=dict(sorted(found.items())), backfilled=self._refused[request.pool] > 0)

    def release(self, request: Request) -> Admit | None:
        """Seats on nodes that an autoscaler would add, beside those that it can have now; or None. Those with a booking
        have what they need of these nodes before it, as of others."""
        room, new_nodes = self._stock.room(request.pool), self._growth_for(request)
        if room is None or new_nodes is None:
            return None
        promised = new_nodes
        for booking in self._binding(request):
            if booking.request.pool == request.pool:
                new_nodes = new_nodes.with_seats(booking.request.need, booking.new)
        units = room.units(request.need)
        owed = self._accounts.of(room).within(request.workload.namespace, request.most, units=units)
        allowed = min(room.within_quota(request.most, units), owed)
        if allowed < request.least:
            return None
        here = self._seats(room, request, allowed, beside=request.beside, least=0)
        new = new_nodes.seats(request.need, allowed - sum(here.values()))
        if not new or sum(here.values()) + sum(new.values()) < request.least:
            return None
        self._growth[request.pool] = promised.with_seats(request.need, new)
        self._occupy(room, request, here)
        more = sum(new.values()) * units
        room.held += more
        self._accounts.of(room).take(request.workload.namespace, more)
        return Admit(seats=together(here, new), backfilled=self._refused[request.pool] > 0)

    def _growth_for(self, request: Request) -> Growth | None:
        """What an autoscaler may add for it. Not for a service, whose replicas start one by one, nor where only some
        nodes will do."""
        tied = request.serves or request.volumes or request.topology is Topology.REQUIRED
        return None if tied or request.workload in self._leaving else self._growth.get(request.pool)

    def enlarge(self, request: Request, standing: Admit) -> Admit:
        """The same with as many seats as it can use, where nobody waits for them."""
        room = self._stock.room(request.pool, request.volumes)
        if room is None or standing.pods >= request.most or request.topology is Topology.REQUIRED:
            return standing  # Of a domain, what it keeps may be full while another one has room.
        beside = together(request.beside, standing.seats)
        found = self._seats(room, request, request.most - standing.pods, beside=beside, least=0)
        self._occupy(room, request, found)
        return Admit(seats=together(standing.seats, found), backfilled=standing.backfilled)

    def surge(self, request: Request, standing: Admit) -> Admit:
        """The same with seats for a while, where there is room."""
        room = self._stock.room(request.pool, request.volumes)
        if room is None:
            return standing
        found = self._seats(room, request, request.surge, beside=together(request.beside, standing.seats), least=0)
        self._occupy(room, request, found)
        return Admit(seats=standing.seats, surge=found, backfilled=standing.backfilled)

    def _seats(self, room: Room, request: Request, count: int, *, beside: Seats, least: int) -> Seats:
        """Up to so many seats that delay nobody's booking; none where that is less than ``least``."""
        binding = self._binding(request)
        units = room.units(request.need)
        owed = self._accounts.of(room).within(request.workload.namespace, count, units=units)
        allowed = min(
            room.within_quota(count, units), owed, *(b.leaves(request.pool, count, units) for b in binding), count
        )
        if allowed < least:
            return {}
        if not binding:
            found = room.find(request, allowed, self._stock.free, beside=beside)
            if sum(found.values()) < least:
                room.fail(request, self._stock.free)
                return {}
            return found
        bound = tuple(booking.request.workload for booking in binding)
        if self._capped.get((_question(request), bound), least) < least:
            return {}
        free = self._left_by(binding, bound)
        found = room.find(request, allowed, free, beside=beside)
        if sum(found.values()) < least:
            # What is free and what is spare only shrinks in a pass.
            self._capped[_question(request), bound] = room.count(request, free)
            return {}
        return found

    def _left_by(self, binding: Sequence[Booking], bound: tuple[Workload, ...]) -> Mapping[str, Resources]:
        """What is free and not needed by these bookings; the same until somebody takes something of it."""
        if bound not in self._left:
            self._left[bound] = {**self._stock.free, **self._timeline.caps(self._stock.free, binding)}
        return self._left[bound]

    def _binding(self, request: Request) -> list[Booking]:
        """Those before it that it would still be in the way of when they are to start."""
        if not self._booked and not self._owing:
            return []
        ends = self._now + self.durations.of(request)
        return [each for each in self._timeline.bookings if each.binds(ends) and self._concerns(each, request)]

    def _concerns(self, booking: Booking, request: Request) -> bool:
        if booking.account is None:
            return True
        room = self._stock.room(request.pool)
        same = room is not None and self._accounts.of(room).account(request.workload.namespace) == booking.account
        return same and request.pool == booking.request.pool

    def _occupy(self, room: Room, request: Request, seats: Seats) -> None:
        units = room.units(request.need)
        for booking in self._binding(request):
            booking.passed_by(request, seats, units)
        self._stock.take(seats, request.need)
        room.held += sum(seats.values()) * units
        self._accounts.of(room).take(request.workload.namespace, sum(seats.values()) * units)
        self._admitted.append((request, seats, self._now + self.durations.of(request)))

    def refuse(self, request: Request) -> None:
        """It has to wait. The first of a pool that can ever start gets a booking; so do the next ones, as long as those
        before them are tied to the nodes of their volumes: the pool's others would not leave them anything else. And so
        does everybody for whom others leave, whose room it is."""
        pool, promised = request.pool, request.workload in self._leaving
        room = self._stock.room(pool, request.volumes)
        if room is not None and not promised and self._owes(room, request):
            self._owe(room, request)
            return
        self._refused[pool] += 1
        most = MOST_BOOKINGS if promised or self._tied.get(pool) else 1
        if room is None or room.trouble or self._booked[pool] >= most:
            return
        question = (_question(request), request.least)
        if question in self._never:
            return
        self._note_admitted()
        growth = self._growth_for(request)
        if self._timeline.book(room, request, self._stock.free, self.durations, self._now, growth=growth):
            self._booked[pool] += 1
            self._tied[pool] = bool(request.volumes)
        else:
            self._never.add(question)

    def _owe(self, room: Room, request: Request) -> None:
        """It waits for its own namespace's limit. Nobody else is held up by that; the first of each account gets a
        booking of what the account gives back, so that the others of it do not pass it for ever."""
        owing = request.pool, self._accounts.of(room).account(request.workload.namespace)
        if owing not in self._owing:
            self._owing.add(owing)
            self._note_admitted()
            self._timeline.book_account(room, request, self._accounts.of(room), self._now)

    def _note_admitted(self) -> None:
        for other, seats, ends in self._admitted:
            self._timeline.admit(other, seats, ends, known=self.durations.knows_of(other))
        self._admitted.clear()

    def wait(self, pool: str, requests: Sequence[Request]) -> dict[Workload, Verdict]:
        """Why these do not start, in the order of the pool's line."""
        room = self._stock.room(pool)
        if room is None:
            return {
                request.workload: Wait(
                    obstacle=Obstacle.POOL_NOT_READY, position=place, waiting=len(requests), figures=_NO_FIGURES
                )
                for place, request in enumerate(requests, start=1)
            }
        figures = room.figures()
        found: dict[Workload, Verdict] = {}
        for place, request in enumerate(requests, start=1):
            part = self._stock.room(pool, request.volumes) or room
            fit, by_units = part.fits(request, self._stock.free)
            found[request.workload] = Wait(
                obstacle=self._obstacle(part, request),
                position=place,
                waiting=len(requests),
                figures=figures,
                quota=self._quota_of(part, request) if self._owes(part, request) else None,
                fit=fit,
                fit_by_units=by_units,
                within_reach=len(part.levels) if request.volumes else None,
                forecast=self._forecasts.get(request.workload),
                next_release=self._next_release(part, request),
                preempting=self._leaving.get(request.workload, ()),
            )
        return found

    def _obstacle(self, room: Room, request: Request) -> Obstacle:
        """Why it waits: those who leave for it before all that they leave behind."""
        if request.workload in self._leaving:
            return Obstacle.PREEMPTING
        return Obstacle.QUOTA_EXCEEDED if self._owes(room, request) else room.obstacle(request)

    def _owes(self, room: Room, request: Request) -> bool:
        """Whether its namespace may not take as much as it needs, however much there is."""
        units, least = room.units(request.need), request.least
        within = self._accounts.of(room).within(request.workload.namespace, least, units=units)
        return not room.trouble and within < least

    def _quota_of(self, room: Room, request: Request) -> QuotaFigures | None:
        accounts, namespace = self._accounts.of(room), request.workload.namespace
        limit = accounts.limit(namespace)
        return None if limit is None else QuotaFigures(limit=limit, held=accounts.held(namespace))

    def leaving(self, refused: Mapping[str, Sequence[Request]]) -> Mapping[Workload, Preempt]:
        """Who has to leave for those in line, and who goes on with more pods where nobody waits."""
        turnover = Turnover(self._snapshot, self._stock, self._accounts, now=self._now)
        return turnover.preempt(refused) | turnover.grow(refused)

    @cached_property
    def _forecasts(self) -> Mapping[Workload, Forecast]:
        """By workload. Those who have a booking are told that: it is counted on nodes and not on units."""
        booked = {each.request.workload: (each.request.pool, each.at) for each in self._timeline.bookings if each.known}
        return forecasts(self._snapshot, self._requests, self._now, booked=booked)

    def _next_release(self, room: Room, request: Request) -> Release | None:
        key = _question(request)
        if key not in self._releases:
            ending = first_release(self._timeline.endings, room, request.need)
            self._releases[key] = None
            if ending is not None:
                seconds, pods = ending.at - self._now, sum(ending.seats.values())
                self._releases[key] = Release(workload=ending.workload, seconds=seconds, pods=pods)
        return self._releases[key]
