"""What every part of a pass looks at, and what is left after each of its decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from hostler.api.common import Topology
from hostler.planning.order import Durations
from hostler.planning.poolgrowth import Growth
from hostler.planning.room import Room
from hostler.planning.snapshot import Snapshot, Volumes
from hostler.planning.stock import Stock
from hostler.planning.turnover import AccountsByPool
from hostler.planning.verdicts import Request, Workload

Question = tuple[str, Volumes, frozenset[tuple[str, int]], bool]
"""The pool, the volumes and the shape of a request, and whether all its pods must be in one domain: what fits of one
fits of another with the same."""


def question_of(request: Request) -> Question:
    """What is asked of the nodes, whoever asks."""
    return request.pool, request.volumes, request.shape, request.topology is Topology.REQUIRED


class PassState:
    """One pass; ``now`` is on the clock of the reservations' deadlines."""

    def __init__(self, snapshot: Snapshot, requests: Sequence[Request], now: float) -> None:
        self.snapshot = snapshot
        self.requests = requests
        self.now = now
        self.durations = Durations(snapshot, requests)
        self.stock = Stock(snapshot)
        self.accounts = AccountsByPool(snapshot)
        self.growth = {name: room.growth for name, room in snapshot.pools.items() if room.growth is not None}
        """What an autoscaler may still add to each pool that grows."""
        self.refused: Counter[str] = Counter()
        """Requests of each pool that have to wait."""
        self.borrowed: set[str] = set()
        """Pools of which somebody has got more in this pass than is its account's own."""

    @cached_property
    def leaving(self) -> Mapping[Workload, tuple[Workload, ...]]:
        """Who leaves, by for whom."""
        found: dict[Workload, list[Workload]] = {}
        for each in self.snapshot.holders:
            if each.leaving_for is not None:
                found.setdefault(each.leaving_for, []).append(each.workload)
        return {workload: tuple(sorted(those)) for workload, those in found.items()}

    def ends(self, request: Request) -> float:
        """When it would give its seats back, if it got them now."""
        return self.now + self.durations.of(request)

    def account(self, room: Room, request: Request) -> str:
        """Whose quota counts what the request takes."""
        return self.accounts.of(room).account(request.workload.namespace)

    def within_accounts(self, room: Room, request: Request, count: int) -> int:
        """Of so many pods of a request, those that the quotas of the pool and of its namespace have room for."""
        units = room.units(request.need)
        owed = self.accounts.of(room).within(request.workload.namespace, count, units=units)
        return min(room.within_quota(count, units), owed)

    def owes(self, room: Room, request: Request) -> bool:
        """Whether its namespace may not take as much as it needs, however much there is."""
        units, least = room.units(request.need), request.least
        within = self.accounts.of(room).within(request.workload.namespace, least, units=units)
        return not room.trouble and within < least

    def is_due(self, room: Room, request: Request) -> bool:
        """Whether what it needs would be its account's own."""
        units = request.least * room.units(request.need)
        return self.accounts.of(room).is_due(request.workload.namespace, units)

    def hold(self, room: Room, request: Request, units: int) -> None:
        """So many units more are held, for the quotas."""
        accounts, namespace = self.accounts.of(room), request.workload.namespace
        room.held += units
        accounts.take(namespace, units)
        if units > 0 and accounts.borrowed(namespace) > 0:
            self.borrowed.add(request.pool)

    def growth_for(self, request: Request) -> Growth | None:
        """What an autoscaler may add for it. Not for a service, whose replicas start one by one, nor where only some
        nodes will do."""
        tied = request.serves or request.volumes or request.topology is Topology.REQUIRED
        return None if tied or request.workload in self.leaving else self.growth.get(request.pool)
