"""The figures of the pools' lines, made when somebody scrapes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from hostler.api.queuepolicy import NamespaceQuota
from hostler.metrics.lines import PoolLine
from hostler.planning import moments
from hostler.planning.resources import Resources, holds
from hostler.planning.room import PoolRoom
from hostler.planning.snapshot import Snapshot
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Request, Reservation, Wait

_SHAPES = 50
"""Different pods in line that are tried on a node; the smallest first."""


def pool_lines(usage: PoolUsage, line: Iterable[tuple[Request, Wait]], *, now: str) -> dict[str, PoolLine]:
    """One for each pool that there is. ``now`` is RFC 3339."""
    waiting: dict[str, list[tuple[Request, Wait]]] = defaultdict(list)
    for request, wait in line:
        waiting[request.pool].append((request, wait))
    held: dict[str, list[Reservation]] = defaultdict(list)
    for reservation in usage.reservations():
        held[reservation.pool].append(reservation)
    snapshot = usage.snapshot(usage.names())
    return {
        name: _pool_line(snapshot, room, waiting[name], held[name], now=now) for name, room in snapshot.pools.items()
    }


def _pool_line(
    snapshot: Snapshot,
    room: PoolRoom,
    waiting: list[tuple[Request, Wait]],
    held: list[Reservation],
    *,
    now: str,
) -> PoolLine:
    units: Counter[str] = Counter()
    for reservation in held:
        units[reservation.workload.namespace] += reservation.pods * room.pool.units(reservation.need)
    waiting_of = Counter(request.workload.namespace for request, _ in waiting)
    quotas = room.pool.spec.queue.quotas
    return PoolLine(
        waiting=Counter(wait.obstacle.value for _, wait in waiting),
        waiting_of=waiting_of,
        held=units,
        used_lately=snapshot.shares.get(room.pool.name, {}),
        overdue_seconds=max((_overdue(wait, now=now) for _, wait in waiting), default=0.0),
        unusable=_unusable(room, snapshot.free, {request.shape for request, _ in waiting}),
        below_quota=sum(_is_below(quota, units, waiting_of) for quota in quotas),
    )


def _overdue(wait: Wait, *, now: str) -> float:
    told = wait.place.forecast if wait.place is not None else None
    return max(0.0, moments.elapsed(told.latest, now=now)) if told is not None else 0.0


def _is_below(quota: NamespaceQuota, held: Mapping[str, int], waiting: Mapping[str, int]) -> bool:
    """Whether those whose quota it is wait, and hold less than is theirs."""
    waits = any(waiting.get(namespace) for namespace in quota.namespaces)
    return waits and sum(held.get(namespace, 0) for namespace in quota.namespaces) < quota.nominal


def _unusable(room: PoolRoom, free: Mapping[str, Resources], shapes: set[frozenset[tuple[str, int]]]) -> int:
    """Units on nodes that take none of these pods. Beyond fifty kinds of pods the smallest count."""
    if not shapes:
        return 0
    needs = sorted((dict(shape) for shape in shapes), key=room.pool.units)[:_SHAPES]
    return sum(
        room.pool.whole_units(free[node])
        for node in room.nodes
        if room.pool.whole_units(free[node]) and not any(holds(free[node], need) for need in needs)
    )
