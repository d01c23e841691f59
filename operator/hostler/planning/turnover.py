"""Who has to leave after everybody in line has been looked at, and who goes on with more: for each pool of a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hostler.api.queuepolicy import PreemptionPolicy
from hostler.planning.growing import can_grow, growth
from hostler.planning.policy import policy_of
from hostler.planning.preemption import for_line
from hostler.planning.quotas import Accounts
from hostler.planning.room import Room
from hostler.planning.snapshot import Snapshot
from hostler.planning.stock import Stock
from hostler.planning.verdicts import Preempt, Request, Reservation, Workload
from hostler.planning.victims import Scene


class AccountsByPool:
    """What namespaces hold of each pool during a pass; a pool's is made when it is asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._accounts: dict[str, Accounts] = {}

    def of(self, room: Room) -> Accounts:
        """Those of the pool of this room."""
        pool = room.pool
        if pool.name not in self._accounts:
            self._accounts[pool.name] = Accounts(
                pool,
                policy_of(pool.spec.queue),
                allocatable=self._snapshot.pools[pool.name].allocatable,
                holders=self._snapshot.holders_by_pool.get(pool.name, ()),
            )
        return self._accounts[pool.name]


class Turnover:
    """What the pass has left, as preemption and growth look at it."""

    def __init__(self, snapshot: Snapshot, stock: Stock, accounts: AccountsByPool, *, now: float) -> None:
        self._snapshot, self._stock, self._accounts, self._now = snapshot, stock, accounts, now

    def preempt(self, refused: Mapping[str, Sequence[Request]]) -> dict[Workload, Preempt]:
        """Who has to leave for those in line."""
        found: dict[Workload, Preempt] = {}
        ends = {reservation.workload: at for at, reservation in self._snapshot.ending}
        waiting = {request.workload for requests in refused.values() for request in requests}
        leaving = [held for held in self._snapshot.holders if held.leaving_for is not None]
        for pool, requests in refused.items():
            room = self._stock.room(pool)
            if room is None or room.pool.spec.queue.preemption is PreemptionPolicy.DISABLED:
                continue
            scene = Scene(
                room=room,
                free=self._stock.free,
                holders=[
                    *self._snapshot.holders_by_pool.get(pool, ()),
                    *(held for held in leaving if held.pool != pool),
                ],
                accounts=self._accounts.of(room),
                now=self._now,
                ends=ends,
                nobodys=frozenset(held.leaving_for for held in leaving if held.leaving_for not in waiting),
            )
            found |= for_line(requests, scene, room_of=lambda each: self._stock.room(each.pool, each.volumes))
        return found

    def grow(self, refused: Mapping[str, Sequence[Request]]) -> dict[Workload, Preempt]:
        """Who goes on with more pods, of pools in which nobody waits."""
        found: dict[Workload, Preempt] = {}
        ends = {reservation.workload: at for at, reservation in self._snapshot.ending}
        for pool in sorted(self._snapshot.pools):
            if pool in refused or self._snapshot.pools[pool].pool.spec.queue.preemption is PreemptionPolicy.DISABLED:
                continue
            here = [held for held in self._snapshot.holders_by_pool.get(pool, ()) if can_grow(held)]
            found |= growth(here, room_for=self._room_for, ends=ends, now=self._now)
        return found

    def _room_for(self, held: Reservation, more: int) -> int:
        room = self._stock.room(held.pool, held.volumes or ())
        if room is None or room.trouble:
            return 0
        units = room.units(held.need)
        within = self._accounts.of(room).within(held.workload.namespace, more, units=units)
        return sum(room.seats(held.need, min(within, room.within_quota(more, units)), self._stock.free).values())
