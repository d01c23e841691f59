"""Who gets which nodes: a pure function from a snapshot and the requests in line to a verdict for each of them.

    plan(snapshot, waiting, now) -> verdicts (Admit | Wait | TakeBack) and preemptions, by workload

The line of a pool is first come, first served by age; a request that does not fit lets those behind it pass (the
queueing strategy that Kueue calls BestEffortFIFO). Seats go to the node with the least room that is enough for all of
them, so that whole nodes stay whole; a gang that no node can hold takes the nodes with the most room first, so that it
spans few. Replicas that are to be spread go to the node or zone with the fewest of them.

Everything is deterministic: equal snapshots and requests give equal verdicts, whatever the order they came in. Time is
only compared, so tests and replays run in virtual time.

Cost: building the rooms is linear in the nodes of the pools asked for; a request whose shape has failed already is
answered without looking at any node; a request that fits looks at the levels of free units, not at the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostler.planning.resources import Resources, add, excess, holds, subtract, times
from hostler.planning.room import PoolRoom, Room
from hostler.planning.seats import together
from hostler.planning.verdicts import (
    Admit,
    Loss,
    Obstacle,
    PoolFigures,
    Preempt,
    Request,
    Reservation,
    Seats,
    TakeBack,
    Verdict,
    Wait,
    Workload,
)
from hostler.planning.volumes import Reach

Volumes = tuple[Reach, ...]


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A reservation with a deadline, and how its nodes fare."""

    reservation: Reservation
    awaited: tuple[str, ...] = ()
    """Nodes to which pods are still to come."""
    gone: tuple[str, ...] = ()
    """Those of them that are not there any more."""
    taken: tuple[str, ...] = ()
    """Those of them on which somebody else took the seat."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The pools that somebody asks for, at one moment."""

    pools: Mapping[str, PoolRoom]
    free: Mapping[str, Resources]
    """What is left of each node, with everything reserved taken off. Nodes may belong to several pools."""
    pending: Sequence[Pending] = ()
    """Reservations with a deadline."""
    within: Mapping[Volumes, frozenset[str]] = field(default_factory=dict)
    """For the volumes of requests, the nodes that can mount all of them."""
    ending: Sequence[tuple[float, Reservation]] = ()
    """Reservations whose end can be foretold, with that moment."""
    wall: float = 0.0
    """Seconds since the epoch at the moment of the snapshot, on the clock of ``Request.since``."""
    holders: Sequence[Reservation] = ()
    """Every reservation on these pools."""
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By pool and namespace, the part of the pool that it has used lately, from 0 to 1: a mean that decays with the
    half-life of the pool's policy."""


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
    planner = _Planner(snapshot)
    verdicts: dict[Workload, Verdict] = {}
    for pending in snapshot.pending:
        if lost := _lost(pending, now):
            verdicts[pending.reservation.workload] = lost
    line = sorted(waiting, key=lambda request: (request.since, request.workload))
    # Whoever holds a seat keeps it: nobody in line may take the nodes of a job between two attempts.
    for request in (request for request in line if request.holding):
        verdicts[request.workload] = planner.keep(request) or Wait(
            obstacle=Obstacle.WAITING_FOR_CAPACITY, position=0, waiting=0, figures=_NO_FIGURES
        )
    refused: dict[str, list[Request]] = {}
    for request in line:
        standing = verdicts.get(request.workload)
        if isinstance(standing, Admit):
            continue
        if (found := planner.admit(request)) is None:
            refused.setdefault(request.pool, []).append(request)
        else:
            verdicts[request.workload] = found
    for pool, requests in refused.items():
        verdicts |= planner.wait(pool, requests, now)
    for request in line:
        # Last, because a pod that is only wanted for a while comes after everybody who waits.
        standing = verdicts[request.workload]
        if isinstance(standing, Admit) and request.surge:
            verdicts[request.workload] = planner.surge(request, standing)
    return Plan(verdicts=verdicts)


_Change = Callable[[Resources, int], Resources]
"""From what is free on a node and a number of pods to what is free then."""
_NO_FIGURES = PoolFigures(free=0, allocatable=0, largest_free_block=0, held=0)


def _lost(pending: Pending, now: float) -> TakeBack | None:
    if pending.gone:
        return TakeBack(loss=Loss.NODE_GONE, nodes=pending.gone)
    if pending.taken:
        return TakeBack(loss=Loss.SEAT_TAKEN, nodes=pending.taken)
    deadline = pending.reservation.deadline
    # Pods that have their nodes have come, however long their images take.
    if pending.awaited and deadline is not None and now >= deadline:
        return TakeBack(loss=Loss.PODS_DID_NOT_COME, nodes=pending.awaited)
    return None


class _Planner:
    """The state of one pass: what is left after each admission."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._free = dict(snapshot.free)
        self._rooms: dict[tuple[str, Volumes], Room] = {}
        """Each pool, and the part of it that some volumes leave."""
        self._rooms_of: dict[str, list[Room]] = {}

    def keep(self, request: Request) -> Admit | None:
        """The seats that the request has, with others for those whose node is gone; all or nothing.

        What it gives up is nobody's until that is written down, which is told by another snapshot: after a crash
        before, two would have it.
        """
        room = self._room(request.pool, request.volumes)
        if room is None:
            return None
        before = request.held_need or request.need
        had = sum(request.holding.values()) * room.units(before)
        self._give_back(request.holding, before)
        room.held -= had
        allowed = room.allowed(request)
        kept: dict[str, int] = {}
        for node, pods in sorted(request.holding.items()):
            fit = min(pods, allowed - sum(kept.values()))
            if fit > 0 and node in room.levels and (here := min(fit, holds(self._free[node], request.need))) > 0:
                kept[node] = here
        self._take(kept, request.need)
        more = self._find(room, request, min(request.most, allowed) - sum(kept.values()), beside=kept)
        if sum(kept.values()) + sum(more.values()) < request.least:
            self._give_back(kept, request.need)
            self._withhold(request, {})
            room.held += had
            return None
        self._take(more, request.need)
        seats = together(kept, more)
        self._withhold(request, seats)
        room.held += max(had, sum(seats.values()) * room.units(request.need))
        return Admit(seats=seats)

    def admit(self, request: Request) -> Admit | None:
        """As many seats as it can use and get, or None where that is less than the least."""
        room = self._room(request.pool, request.volumes)
        if room is None or room.has_failed(request):
            return None
        allowed = room.allowed(request)
        if allowed < request.least:
            return None
        seats = self._find(room, request, min(request.most, allowed), beside=request.beside)
        if sum(seats.values()) < request.least:
            room.fail(request, self._free)
            return None
        self._take(seats, request.need)
        room.held += sum(seats.values()) * room.units(request.need)
        return Admit(seats=dict(sorted(seats.items())))

    def surge(self, request: Request, standing: Admit) -> Admit:
        """The same with seats for a while, where there is room."""
        room = self._room(request.pool, request.volumes)
        if room is None:
            return standing
        left = room.quota - room.held if room.quota is not None else request.surge * room.units(request.need)
        allowed = min(request.surge, left // max(1, room.units(request.need)))
        seats = self._find(room, request, max(0, allowed), beside=together(request.beside, standing.seats))
        self._take(seats, request.need)
        room.held += sum(seats.values()) * room.units(request.need)
        return Admit(seats=standing.seats, surge=seats)

    def wait(self, pool: str, requests: Sequence[Request], now: float) -> dict[Workload, Verdict]:
        """Why these do not start, in the order of the pool's line."""
        room = self._room(pool)
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
            part = self._room(pool, request.volumes) or room
            fit, by_units = part.fits(request, self._free)
            found[request.workload] = Wait(
                obstacle=part.obstacle(request),
                position=place,
                waiting=len(requests),
                figures=figures,
                fit=fit,
                fit_by_units=by_units,
                # Only of the first can be said when it is its turn; who comes after it depends on how long it runs.
                expected_seconds=self._expected(part, request, now) if place == 1 else None,
                within_reach=len(part.levels) if request.volumes else None,
            )
        return found

    def _expected(self, room: Room, request: Request, now: float) -> float | None:
        """Seconds until enough of what is held is expected to be given back, were nobody else to come."""
        if room.trouble or room.allowed(request, held=0) < request.least:
            return None
        free, held = dict(self._free), room.held
        seats = sum(holds(free[node], request.need) for node in room.levels)
        for ends, reservation in sorted(self._snapshot.ending, key=lambda each: (each[0], each[1].workload)):
            if reservation.pool == room.pool.name:
                held -= reservation.pods * room.units(reservation.need)
            for node, pods in reservation.seats.items():
                if node in room.levels:
                    seats -= holds(free[node], request.need)
                    free[node] = add(free[node], times(pods, reservation.need))
                    seats += holds(free[node], request.need)
            if min(seats, room.allowed(request, held=held)) >= request.least:
                return max(0.0, ends - now)
        return None

    def _find(self, room: Room, request: Request, count: int, *, beside: Seats) -> Seats:
        if request.spread is None:
            return room.seats(request.need, count, self._free)
        return room.spread(request, count, self._free, beside=beside)

    def _room(self, pool: str, volumes: Volumes = ()) -> Room | None:
        if pool not in self._snapshot.pools:
            return None
        if (pool, volumes) not in self._rooms:
            found = self._snapshot.pools[pool]
            if volumes and (whole := self._room(pool)) is not None:
                room = whole.part(found, self._free, within=self._snapshot.within.get(volumes, frozenset()))
            else:
                room = Room(found, self._free)
            self._rooms[pool, volumes] = room
            for node in room.levels:
                self._rooms_of.setdefault(node, []).append(room)
        return self._rooms[pool, volumes]

    def _take(self, seats: Seats, need: Resources) -> None:
        self._change(seats, lambda free, pods: subtract(free, times(pods, need)))

    def _give_back(self, seats: Seats, need: Resources) -> None:
        self._change(
            {n: pods for n, pods in seats.items() if n in self._free}, lambda f, pods: add(f, times(pods, need))
        )
        for room in self._rooms.values():
            room.forget_failures()

    def _withhold(self, request: Request, seats: Seats) -> None:
        """Let nobody have what the request holds and is not to have any more."""
        before = request.held_need or request.need
        for node, pods in request.holding.items():
            if node in self._free:
                left = excess(times(pods, before), times(seats.get(node, 0), request.need))
                self._take({node: 1}, left)

    def _change(self, seats: Seats, change: _Change) -> None:
        for node, pods in seats.items():
            self._free[node] = change(self._free[node], pods)
            # A node of two pools has another level in each of them.
            for room in self._rooms_of.get(node, ()):
                room.move(node, self._free[node])
