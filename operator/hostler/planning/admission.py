"""Who gets which nodes: a pure function from a snapshot and the requests in line to a verdict for each of them.

    plan(snapshot, waiting, now) -> verdicts (Admit | Wait | TakeBack) and preemptions, by workload

The line is put in :mod:`order <hostler.planning.order>`. The first of a pool that does not fit gets a booking, and
those behind it pass it where they do not delay it (:mod:`backfill <hostler.planning.backfill>`). Where the pods of one
request go is the :mod:`room <hostler.planning.room>`'s to say. What happens in a pass is in :mod:`passstate
<hostler.planning.passstate>`, :mod:`allocator <hostler.planning.allocator>`, :mod:`bookings
<hostler.planning.bookings>` and :mod:`waits <hostler.planning.waits>`, in this order of who knows whom.

Everything is deterministic: equal snapshots and requests give equal verdicts, whatever the order they came in. Time is
only compared, so tests and replays run in virtual time.

Cost: building the rooms is linear in the nodes of the pools asked for; a request whose shape has failed already is
answered without looking at any node; a request that fits looks at the levels of free units, not at the nodes. Who ends
when is looked at once somebody has to wait, once for each booking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostler.planning.allocator import Allocator
from hostler.planning.bookings import Bookings
from hostler.planning.order import arrange
from hostler.planning.passstate import PassState
from hostler.planning.poolgrowth import is_new
from hostler.planning.snapshot import Pending as Pending
from hostler.planning.snapshot import Snapshot as Snapshot
from hostler.planning.turnover import Turnover
from hostler.planning.verdicts import Admit, Loss, Obstacle, Preempt, Request, TakeBack, Verdict, Wait, Workload
from hostler.planning.waits import NO_FIGURES, Waits


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one pass has decided."""

    verdicts: Mapping[Workload, Verdict]
    """One for every request, and one for every reservation that is lost."""
    preemptions: Mapping[Workload, Preempt] = field(default_factory=dict)
    """Who has to leave and was not told so before."""
    unsettled: bool = False
    """Whether the next pass may decide more although nothing has happened meanwhile: somebody has borrowed in this one,
    and somebody waits for what is its own."""


def plan(snapshot: Snapshot, waiting: Iterable[Request], now: float) -> Plan:
    """Decide about everybody in line and everybody who holds a seat. ``now`` is seconds on the clock of the
    reservations' deadlines."""
    requests = sorted(waiting, key=lambda request: (request.since, request.workload))
    state = PassState(snapshot, requests, now)
    bookings = Bookings(state)
    allocator, waits = Allocator(state, bookings), Waits(state, bookings)
    verdicts: dict[Workload, Verdict] = {}
    for pending in snapshot.pending:
        if lost := _lost(pending, now):
            verdicts[pending.reservation.workload] = lost
    # Whoever holds a seat keeps it: nobody in line may take the nodes of a job between two attempts.
    for request in (request for request in requests if request.holding):
        verdicts[request.workload] = allocator.keep(request) or Wait(
            obstacle=Obstacle.WAITING_FOR_CAPACITY, position=0, waiting=0, figures=NO_FIGURES
        )
    line = [
        request
        for request in arrange(snapshot, requests, state.durations)
        if not isinstance(verdicts.get(request.workload), Admit)
    ]
    for request in _promised_first(state, line):
        if (found := allocator.admit(request) or allocator.release(request)) is None:
            bookings.refuse(request)
        else:
            verdicts[request.workload] = found
    refused: dict[str, list[Request]] = {}
    for request in line:
        if not isinstance(verdicts.get(request.workload), Admit):
            refused.setdefault(request.pool, []).append(request)
    for pool, those in refused.items():
        verdicts |= waits.of(pool, those)
    for request in requests:
        # Last, because a pod that one could do without comes after everybody who waits.
        standing = verdicts[request.workload]
        if isinstance(standing, Admit) and request.holding and request.pool not in refused:
            standing = verdicts[request.workload] = allocator.enlarge(request, standing)
        if isinstance(standing, Admit) and request.surge:
            verdicts[request.workload] = allocator.surge(request, standing)
    return Plan(verdicts=verdicts, preemptions=_leaving(state, refused), unsettled=_unsettled(state, refused))


def _promised_first(state: PassState, line: Sequence[Request]) -> list[Request]:
    """The line, and before it those for whom others have left, and then those for whom others leave: that room is
    theirs alone, and what is free already is of the former."""
    left, leaving = state.snapshot.promised, state.leaving
    return sorted(line, key=lambda request: (request.workload not in left, request.workload not in leaving))


def _unsettled(state: PassState, refused: Mapping[str, Sequence[Request]]) -> bool:
    for pool in state.borrowed & refused.keys():
        room = state.stock.room(pool)
        if room is not None and any(state.is_due(room, request) for request in refused[pool]):
            return True
    return False


def _leaving(state: PassState, refused: Mapping[str, Sequence[Request]]) -> Mapping[Workload, Preempt]:
    """Who has to leave for those in line, and who goes on with more pods where nobody waits."""
    turnover = Turnover(state.snapshot, state.stock, state.accounts, now=state.now)
    return turnover.preempt(refused) | turnover.grow(refused)


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
