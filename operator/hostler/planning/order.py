"""Who comes first in line.

The key of a pool's line, the earlier part first:

1. whether a namespace is within its nominal quota, where the pool has quotas: who borrows would have to leave again;
2. the value of the PriorityClass, the larger first;
3. services before jobs, because somebody waits for their answers;
4. how far a namespace is beyond the part of the pool that is due to it, in coarse steps (:func:`beyond`): weighted
   max-min fairness (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011) of use that decays, of which a part is
   compared with that of those alone who compete now (as Slurm's fair share normalizes use);
5. the remaining time softly aged, ``remaining / (1 + waited / 1 day)``, the shortest first;
6. the time of coming into line.

A pool whose policy says ``order: fifo`` leaves out the parts 1, 4 and 5. Steps of fairness are coarse so that within
one step the shortest comes first whosever it is; of one namespace alone, nobody is beyond anything.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median

from hostler.planning import moments
from hostler.planning.policy import Policy, policy_of
from hostler.planning.room import PoolRoom
from hostler.planning.snapshot import Snapshot
from hostler.planning.verdicts import Request, Reservation, Workload

ASSUMED_SECONDS = 3600.0
"""For a job of a pool in which nobody's time is known."""
AGEING_SECONDS = 86400.0
"""Who has waited for so long counts as if half were left. Ageing by a hard limit loses most of what shortest first
gains; this keeps it (docs/benchmarks/planner.md)."""
TOLERANCE = 1.1
"""How many times its due part a namespace may have used and still be within it."""
COUNTED_SHARE = 0.01
"""Use of a pool that is too little to be unfair: below it in sum, parts are taken of this."""

Key = tuple[bool, int, bool, int, float, str, Workload]


class Durations:
    """How long requests and reservations run: estimates, and where nobody knows, the median of their pool."""

    def __init__(self, snapshot: Snapshot, waiting: Iterable[Request]) -> None:
        known: dict[str, list[float]] = defaultdict(list)
        for request in waiting:
            if request.estimate is not None and not request.serves:
                known[request.pool].append(request.estimate)
        for ends, reservation in snapshot.ending:
            if reservation.started is not None and ends > reservation.started:
                known[reservation.pool].append(ends - reservation.started)
        self._typical = {pool: median(sorted(found)) for pool, found in known.items()}

    def typical(self, pool: str) -> float:
        """Seconds of a job about which nobody has said anything."""
        return self._typical.get(pool, ASSUMED_SECONDS)

    def knows(self, pool: str) -> bool:
        """Whether anybody has said anything."""
        return pool in self._typical

    def knows_of(self, request: Request) -> bool:
        """Whether its time is more than :data:`ASSUMED_SECONDS`."""
        return request.estimate is not None or request.serves or self.knows(request.pool)

    def of(self, request: Request) -> float:
        """Seconds until it gives its seats back, once it has them. A service never does by itself."""
        if request.serves:
            return math.inf
        return self.typical(request.pool) if request.estimate is None else request.estimate


def arrange(snapshot: Snapshot, waiting: Iterable[Request], durations: Durations) -> list[Request]:
    """The line: each pool's in its own order, and those of several pools merged by the same key."""
    by_pool: dict[str, list[Request]] = defaultdict(list)
    for request in waiting:
        by_pool[request.pool].append(request)
    lines = []
    for name in sorted(by_pool):
        lines.append(_line_of(snapshot, name, by_pool[name], durations))
    if len(lines) == 1:
        return [request for _, request in lines[0]]
    # Keys are unique, so that requests themselves are never compared. A fifo line is not sorted by them: its head is
    # merged, and what is behind it stays behind.
    return [request for _, request in heapq.merge(*lines)]


def _line_of(snapshot: Snapshot, pool: str, requests: list[Request], durations: Durations) -> list[tuple[Key, Request]]:
    room = snapshot.pools.get(pool)
    policy = policy_of(room.pool.spec.queue) if room is not None else Policy()
    if policy.fifo:
        keyed = [(_key(request, 0, durations.of(request), snapshot.wall), request) for request in requests]
        keyed.sort(key=lambda pair: (pair[0][1], pair[0][2], pair[0][5], pair[0][6]))
        return keyed
    steps = beyond({request.workload.namespace for request in requests}, snapshot.shares.get(pool, {}), policy)
    keyed = []
    for request in requests:
        step = steps[request.workload.namespace]
        keyed.append((_key(request, step, durations.of(request), snapshot.wall), request))
    keyed.sort()
    if policy.quotas and room is not None:
        keyed = _within_nominal_first(keyed, policy, room, snapshot.holders)
    return keyed


def _key(request: Request, step: int, remaining: float, wall: float) -> Key:
    if request.serves:
        aged = 0.0
    else:
        waited = max(0.0, wall - moments.epoch(request.since))
        aged = remaining / (1 + waited / AGEING_SECONDS)
    return (False, -request.priority, not request.serves, step, aged, request.since, request.workload)


def beyond(namespaces: Iterable[str], shares: Mapping[str, float], policy: Policy) -> dict[str, int]:
    """For each namespace with somebody in line, 0 where it has used no more than is due to it, 1 up to twice that, 2
    up to four times, and so on.

    ``shares`` are parts of the pool that namespaces have used, from 0 to 1. Those of one quota count together.
    """
    holder = {namespace: policy.owner(namespace) for namespace in namespaces}
    used = dict.fromkeys(holder.values(), 0.0)
    for namespace, share in shares.items():
        if (owner := policy.owner(namespace)) in used:
            used[owner] += share
    weights = {owner: policy.weight(owner) for owner in used}
    total, weight = max(COUNTED_SHARE, sum(used.values())), sum(weights.values())
    steps = {}
    for owner, share in used.items():
        steps[owner] = _step(share / total * weight / weights[owner])
    return {namespace: steps[owner] for namespace, owner in holder.items()}


def _step(ratio: float) -> int:
    return 0 if ratio <= TOLERANCE else 1 + math.floor(math.log2(ratio / TOLERANCE))


def _within_nominal_first(
    keyed: list[tuple[Key, Request]], policy: Policy, room: PoolRoom, holders: Iterable[Reservation]
) -> list[tuple[Key, Request]]:
    """Of each quota, as many as its nominal amount has room for, and after them those who would borrow.

    Counted through the line, so that a long line of one namespace is not within its quota as a whole because each of
    its requests would be.
    """
    held: dict[str, int] = defaultdict(int)
    for each in holders:
        if each.pool == room.pool.name and each.leaving_for is None:
            held[policy.account(each.workload.namespace)] += each.pods * room.pool.units(each.need)
    found = []
    for key, request in keyed:
        account = policy.account(request.workload.namespace)
        held[account] += request.least * room.pool.units(request.need)
        borrows = held[account] > policy.nominal(account, room.allocatable)
        found.append(((borrows, *key[1:]), request))
    found.sort()
    return found
