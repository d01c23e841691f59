"""What would let somebody in line start now: a smaller job, another pool, a higher priority, more quota.

Only what is enough by itself is named, and only what the pass has left over is counted, so that who follows the advice
delays nobody. Answers are found once for each shape of a pass: two thousand equal jobs wait for the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from hostler.api.common import Topology
from hostler.api.queuepolicy import PreemptionPolicy
from hostler.planning import moments
from hostler.planning.policy import policy_of
from hostler.planning.pools import Pool
from hostler.planning.resources import Resources, add, holds, times
from hostler.planning.snapshot import Snapshot
from hostler.planning.verdicts import Obstacle, Request, Reservation, Wait, Ways

_Key = tuple[str, frozenset[tuple[str, int]], int]


class WaysFinder:
    """For the requests of one pass, after it."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        holders: Callable[[], Iterable[Reservation]],
        lines: Mapping[str, int],
    ) -> None:
        """``snapshot`` makes one of all pools, ``holders`` tells who holds seats; both are asked only when there is a
        question. ``lines`` are the requests that wait, by pool."""
        self._make = snapshot
        self._holders = holders
        self._lines = lines
        self._pools: dict[_Key, tuple[str, ...]] = {}
        self._priorities: dict[tuple[_Key, str], int | None] = {}

    def of(self, request: Request, wait: Wait, *, first_starts: str | None, now: str) -> Ways:
        """What would let this one start ``now``. ``first_starts`` is when the first in its line is expected to: what is
        free may be kept for that one."""
        found = self._snapshot.pools.get(request.pool)
        if found is None:
            return Ways(pools=self._elsewhere(request, None))
        pool = found.pool
        if wait.obstacle is Obstacle.QUOTA_EXCEEDED:
            return Ways(
                pools=self._elsewhere(request, pool),
                more_quota=_missing_quota(pool, request, wait),
                more_borrowing=_missing_borrowing(pool, request, wait),
            )
        if wait.obstacle is not Obstacle.WAITING_FOR_CAPACITY:
            return Ways(pools=self._elsewhere(request, pool))
        fits = wait.fit >= request.least
        smaller = wait.position == 1 or _is_over_before(request, first_starts, now=now)
        return Ways(
            fewer_pods=wait.fit if smaller and 0 < wait.fit < request.least and not request.serves else None,
            less_per_pod=_less(pool, request, wait) if smaller else None,
            pools=self._elsewhere(request, pool),
            priority_above=None if fits else self._priority_above(request, pool),
            done_before=first_starts if fits and wait.position > 1 and not request.serves else None,
        )

    @cached_property
    def _snapshot(self) -> Snapshot:
        return self._make()

    def _elsewhere(self, request: Request, own: Pool | None) -> tuple[str, ...]:
        """Pools in which its images and its model run as well: those of the same type."""
        if own is None or request.volumes or request.holding or request.beside:
            return ()
        if request.topology is Topology.REQUIRED:
            return ()
        key = _key(request)
        if key not in self._pools:
            self._pools[key] = tuple(
                sorted(
                    name
                    for name, room in self._snapshot.pools.items()
                    if name != own.name
                    and not room.trouble
                    and not self._lines.get(name)
                    and _same_type(room.pool, own)
                    and not room.pool.spec.queue.quotas
                    and (
                        (quota := room.pool.spec.quota) is None
                        or quota.accelerators - room.held >= request.least * room.pool.units(request.need)
                    )
                    and sum(holds(self._snapshot.free[node], request.need) for node in room.nodes) >= request.least
                )
            )
        return self._pools[key]

    def _priority_above(self, request: Request, pool: Pool) -> int | None:
        """The least priority of jobs whose leaving would be enough, where it is not below its own. Only jobs of its own
        quota count: those of others have to leave for a priority only where they have borrowed."""
        if pool.spec.queue.preemption is PreemptionPolicy.DISABLED or not request.preempts or request.volumes:
            return None
        if request.topology is Topology.REQUIRED:
            return None
        account = policy_of(pool.spec.queue).account(request.workload.namespace)
        key = _key(request), account
        if key not in self._priorities:
            self._priorities[key] = self._enough_by_leaving(request, pool, account)
        found = self._priorities[key]
        return found if found is not None and found >= request.priority else None

    def _enough_by_leaving(self, request: Request, pool: Pool, account: str) -> int | None:
        policy = policy_of(pool.spec.queue)
        nodes = self._snapshot.pools[request.pool].nodes
        free: dict[str, Resources] = {node: self._snapshot.free[node] for node in nodes}
        fit = sum(holds(left, request.need) for left in free.values())
        jobs = (r for r in self._holders() if r.pool == request.pool and r.workload.kind == "TrainingJob")
        theirs = (r for r in jobs if policy.account(r.workload.namespace) == account)
        those = sorted(theirs, key=lambda r: r.priority)
        for place, holder in enumerate(those):
            for node, pods in holder.seats.items():
                if node in free:
                    fit -= holds(free[node], request.need)
                    free[node] = add(free[node], times(pods, holder.need))
                    fit += holds(free[node], request.need)
            last_of_its_priority = place + 1 == len(those) or those[place + 1].priority > holder.priority
            if last_of_its_priority and fit >= request.least:
                return holder.priority
        return None


def _key(request: Request) -> _Key:
    return request.pool, request.shape, request.least


def _same_type(one: Pool, other: Pool) -> bool:
    return (one.spec.accelerator_type, one.resource) == (other.spec.accelerator_type, other.resource)


def _missing_quota(pool: Pool, request: Request, wait: Wait) -> int | None:
    """Units that the pool's quota lacks, where nothing else is in the way."""
    if wait.figures.quota is None or wait.quota is not None or wait.fit < request.least:
        return None
    missing = wait.figures.held + request.least * pool.units(request.need) - wait.figures.quota
    return missing if missing > 0 else None


def _missing_borrowing(pool: Pool, request: Request, wait: Wait) -> int | None:
    """Units that the quota of its namespace lacks, likewise."""
    needed, figures = request.least * pool.units(request.need), wait.figures
    if wait.quota is None or wait.fit < request.least:
        return None
    if figures.quota is not None and figures.held + needed > figures.quota:
        return None
    return wait.quota.held + needed - wait.quota.limit


def _is_over_before(request: Request, moment: str | None, *, now: str) -> bool:
    """Whether it would have ended by then, started now and as long as it says."""
    if request.estimate is None or moment is None:
        return False
    return moments.later(now, seconds=request.estimate) <= moment


def _less(pool: Pool, request: Request, wait: Wait) -> int | None:
    """Devices of the roomiest node, for a job of one pod that needs more."""
    free = wait.figures.largest_free_block
    if pool.resource is None or request.least != 1 or wait.fit or not 0 < free < pool.units(request.need):
        return None
    counts = pool.kind.allowed_counts if pool.kind is not None else ()
    return max((count for count in counts or range(1, free + 1) if count <= free), default=None)
