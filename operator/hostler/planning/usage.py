"""What is used of every pool, kept up to date change by change.

The cost of a change is independent of how many objects there are: a pod touches its node, a reservation its nodes, a
node the pools that it belongs to. Nothing is sorted and nothing is scanned until somebody asks for a snapshot or for a
pool's figures. What is taken of a node is in the :mod:`ledger <hostler.planning.ledger>`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from hostler.planning import moments
from hostler.planning import nodes as node_reading
from hostler.planning.growing import grows_at
from hostler.planning.holding import amount_on, nodes_of, same_seats, units_of
from hostler.planning.ledger import Ledger
from hostler.planning.nodes import NodeView
from hostler.planning.poolgrowth import Growth, Released, awaited, is_new, settle
from hostler.planning.pools import Pool, PoolView, describe
from hostler.planning.resources import Resources, overdrawn
from hostler.planning.room import PoolRoom
from hostler.planning.shares import DEFAULT_HALF_LIFE_SECONDS, PastUse, Shares
from hostler.planning.snapshot import Pending, Snapshot
from hostler.planning.verdicts import Reservation, Workload
from hostler.planning.victims import given_up_at, overdue_at
from hostler.planning.volumes import Reach, Reaches

Object = dict[str, Any]


class PoolUsage:
    """Used from one event loop. Every ``put`` replaces what was known under that name."""

    def __init__(
        self, *, touched: Callable[[str], None] = lambda _pool: None, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        """``touched`` is called with the name of each pool whose figures a change may have moved; ``clock`` has the
        seconds of the planner's clock, for what is used over time."""
        self._touched = touched
        self._clock = clock
        self._shares = Shares()
        self._shared: dict[Workload, tuple[str, int]] = {}
        """Pool and units with which each reservation counts in the shares."""
        self._ledger = Ledger(moved=self._moved)
        self._pools: dict[str, Pool] = {}
        self._members: dict[str, dict[str, str | None]] = {}
        """Nodes of each pool, with why they take no pods of it."""
        self._reservations: dict[Workload, Reservation] = {}
        self._held: dict[str, int] = {}
        """Units reserved in each pool."""
        self._pending: dict[Workload, None] = {}
        """Reservations with a deadline."""
        self._released: dict[Workload, None] = {}
        """Reservations with seats on nodes that are to come."""
        self._ends: dict[Workload, float] = {}
        """When what is reserved is expected to be given back."""
        self._reaches = Reaches()
        self._shapes: dict[str, PoolView] = {}
        """Views for questions about what a pool has, not about what is free; gone when a node or the pool changes."""

    # -- changes ---------------------------------------------------------------------------------------------------

    def put_node(self, obj: Object) -> None:
        """A node is there, or has changed."""
        name = obj["metadata"]["name"]
        before = self._ledger[name].object if self._ledger.exists(name) else None
        if self._ledger.put_node(obj):
            for member in self.pools_of(name):
                self._reshaped(member)
        self._reaches.put_node(obj)
        for pool in self._pools.values():
            self._place_in(pool, name)
            key = pool.spec.topology_key
            if before is not None and node_reading.domain(before, key) != node_reading.domain(obj, key):
                self._reshaped(pool.name)

    def remove_node(self, name: str) -> None:
        """A node is gone; its pods may be heard of for a while."""
        if not self._ledger.remove_node(name):
            return
        self._reaches.remove_node(name)
        for pool, members in self._members.items():
            if members.pop(name, self) is not self:
                self._reshaped(pool)

    def put_pod(self, uid: str, pod: Object, *, node: str | None, workload: Workload | None, bound: bool) -> bool:
        """A pod holds what it asks for on ``node``; nowhere and nothing where that is None. Whether that is news."""
        return self._ledger.put_pod(uid, pod, node=node, workload=workload, bound=bound)

    def remove_pod(self, uid: str) -> bool:
        """A pod is gone, or holds nothing any more. Whether it held anything."""
        return self._ledger.remove_pod(uid)

    def put_pool(self, pool: Pool) -> None:
        """A pool is there, or has changed."""
        self._pools[pool.name] = pool
        self._members[pool.name] = {}
        self._held.setdefault(pool.name, 0)
        self._shapes.pop(pool.name, None)
        for name in self._ledger:
            self._place_in(pool, name)
        half_life = moments.seconds_of(pool.spec.queue.usage_half_life) or DEFAULT_HALF_LIFE_SECONDS
        self._shares.put_pool(pool.name, half_life=half_life, now=self._clock())
        here = [each for each in self._reservations.values() if each.pool == pool.name]
        self._held[pool.name] = sum(units_of(reservation, pool) for reservation in here)
        for reservation in here:
            self._share(reservation.workload)

    def remove_pool(self, name: str) -> None:
        """A pool is gone; what runs on its nodes stays."""
        for known in (self._pools, self._members, self._shapes, self._held):
            known.pop(name, None)

    def put_reservation(self, reservation: Reservation) -> None:
        """A workload holds these seats now, and no others."""
        before = self._reservations.get(reservation.workload)
        if before == reservation:
            return
        if before is not None and same_seats(before, reservation):
            self._reservations[reservation.workload] = reservation
            return
        self._remove(reservation.workload)
        self._reservations[reservation.workload] = reservation
        if reservation.deadline is not None:
            self._pending[reservation.workload] = None
        if awaited(reservation.seats):
            self._released[reservation.workload] = None
        for node in nodes_of(reservation):
            self._ledger.reserve(node, reservation.workload, amount_on(reservation, node))
        self._count_held(reservation, sign=1)
        self._share(reservation.workload)

    def remove_reservation(self, workload: Workload) -> None:
        """A workload gives its seats back; what its pods hold they hold until they end."""
        self._remove(workload)
        self._share(workload)

    def remember(self, past: PastUse) -> None:
        """What was used before this process has watched."""
        pool = self._pools.get(past.pool)
        if pool is not None and past.seconds > 0:
            units, now = past.pods * pool.units(past.need), self._clock()
            self._shares.add(past.pool, past.namespace, units=units, seconds=past.seconds, ago=past.ago, now=now)

    def _remove(self, workload: Workload) -> None:
        before = self._reservations.pop(workload, None)
        if before is None:
            return
        self._pending.pop(workload, None)
        self._released.pop(workload, None)
        for node in nodes_of(before):
            self._ledger.reserve(node, workload, {})
        self._count_held(before, sign=-1)

    def foretell(self, workload: Workload, ends: float | None) -> None:
        """When a workload is expected to give its seats back; None where nobody knows."""
        if ends is None:
            self._ends.pop(workload, None)
        else:
            self._ends[workload] = ends

    # -- questions -------------------------------------------------------------------------------------------------

    def pool(self, name: str) -> Pool | None:
        """The pool of this name."""
        return self._pools.get(name)

    def pools_of(self, node: str) -> list[str]:
        """Pools that a node belongs to, whether it takes their pods or not."""
        return [pool for pool, members in self._members.items() if node in members]

    def names(self) -> list[str]:
        """Names of the pools that there are."""
        return sorted(self._pools)

    @property
    def has_pending(self) -> bool:
        """Whether pods of a reservation are still awaited."""
        return bool(self._pending)

    def pending(self) -> Iterator[Reservation]:
        """Reservations with a deadline."""
        return (self._reservations[workload] for workload in self._pending)

    def reservation(self, workload: Workload) -> Reservation | None:
        """What a workload holds."""
        return self._reservations.get(workload)

    def reservations(self) -> Iterator[Reservation]:
        """Everything that is held."""
        return iter(self._reservations.values())

    def ends(self, workload: Workload) -> float | None:
        """When a workload is expected to give its seats back; None where nobody knows."""
        return self._ends.get(workload)

    def growing(self, now: float) -> list[Reservation]:
        """Those that could go on with more pods, and have run for long enough."""
        return [held for held in self._growable() if (at := grows_at(held)) is not None and at <= now]

    def next_moment(self, now: float, *, waiting: bool) -> float | None:
        """When something is to be decided though nothing changes: somebody may grow, or is past its estimate or
        does not leave while others wait."""
        found = [at for held in self._growable() if (at := grows_at(held)) is not None and at > now]
        if waiting:
            for due in (overdue_at, given_up_at):
                found += [at for held in self._reservations.values() if (at := due(held)) is not None and at > now]
        return min(found, default=None)

    def _growable(self) -> Iterator[Reservation]:
        return (held for held in self._reservations.values() if held.most is not None)

    def free(self, node: str) -> Resources:
        """What is left of a node; below zero where more was taken than there is."""
        return self._ledger.free(node)

    def unbound(self, reservation: Reservation) -> dict[str, int]:
        """Pods still to come, by node."""
        left = {node: pods - self._ledger.bound(node, reservation.workload) for node, pods in reservation.seats.items()}
        return {node: pods for node, pods in left.items() if pods > 0}

    def exists(self, node: str) -> bool:
        """Whether a node of this name is there."""
        return self._ledger.exists(node)

    def shape(self, name: str) -> PoolView | None:
        """What a pool has: capacity, health, type. Its ``used`` and ``held`` may be old."""
        if name not in self._pools:
            return None
        if name not in self._shapes:
            self._shapes[name] = self._view(self._pools[name])
        return self._shapes[name]

    def view(self, name: str) -> PoolView | None:
        """The pool as it is now, node by node."""
        pool = self._pools.get(name)
        return None if pool is None else self._view(pool)

    def snapshot(self, pools: Iterable[str], volumes: Iterable[tuple[Reach, ...]] = ()) -> Snapshot:
        """What the planner looks at: these pools, the nodes that can mount these volumes, and the reservations whose
        pods are still to come."""
        chosen = {name: self._room(self._pools[name]) for name in pools if name in self._pools}
        nodes = {node for room in chosen.values() for node in room.nodes}
        free = {name: self.free(name) for name in nodes}
        for name, taken in self._settle(free).items():
            if name in chosen:
                chosen[name] = replace(chosen[name], growth=self._growth(name, taken))
        return Snapshot(
            pools=chosen,
            free=free,
            within={each: self._reaches.within(each) for each in set(volumes) if each},
            pending=tuple(self._await(self._reservations[workload]) for workload in self._pending),
            ending=tuple(
                (ends, self._reservations[workload])
                for workload, ends in self._ends.items()
                if workload in self._reservations
            ),
            holders=tuple(self._reservations.values()),
            shares={
                name: self._shares.of(name, size=room.allocatable, now=self._clock()) for name, room in chosen.items()
            },
        )

    # -- how -------------------------------------------------------------------------------------------------------

    def _settle(self, free: dict[str, Resources]) -> dict[str, dict[str, Resources]]:
        """What is promised of new nodes, by pool that grows, with what waits for them taken off ``free``."""
        found = {}
        for name in sorted(name for name, pool in self._pools.items() if pool.spec.scaling is not None):
            takes = (node for node, obstacle in self._members[name].items() if not obstacle)
            members = {node: free[node] for node in takes if node in free}
            those = [self._reservations[each] for each in self._released if self._reservations[each].pool == name]
            left, found[name] = settle([self._waiting_for_nodes(each) for each in those], members)
            free |= left
        return found

    def _waiting_for_nodes(self, reservation: Reservation) -> Released:
        seats = reservation.seats
        bound = {node: self._ledger.bound(node, reservation.workload) for node in self._members[reservation.pool]}
        return Released(
            workload=reservation.workload,
            need=reservation.need,
            new={node: pods for node, pods in seats.items() if is_new(node)},
            arrived=sum(max(0, pods - seats.get(node, 0)) for node, pods in bound.items()),
        )

    def _growth(self, name: str, taken: dict[str, Resources]) -> Growth | None:
        pool = self._pools[name]
        shape, scaling = pool.new_node, pool.spec.scaling
        if shape is None or scaling is None or pool.problem is not None:
            return None
        return Growth(shape=shape, spare=max(0, scaling.max_nodes - len(self._members[name])), taken=taken)

    def _await(self, reservation: Reservation) -> Pending:
        to_come = tuple(self.unbound(reservation))
        there = [node for node in to_come if not is_new(node)]
        gone = tuple(node for node in there if not self.exists(node))
        taken = tuple(node for node in there if node not in gone and overdrawn(self.free(node)))
        return Pending(reservation=reservation, awaited=to_come, gone=gone, taken=taken)

    def _room(self, pool: Pool) -> PoolRoom:
        view = self.shape(pool.name)
        assert view is not None
        usable = view.allocatable if pool.problem is None else 0
        nodes = tuple(name for name, obstacle in self._members[pool.name].items() if obstacle is None)
        return PoolRoom(
            pool=pool,
            nodes=nodes,
            zones={name: zone for name in nodes if (zone := self._ledger[name].zone) is not None},
            domains=self._domains(pool, nodes),
            allocatable=usable,
            held=self._held.get(pool.name, 0),
            trouble="" if usable > 0 or view.grows else describe(view)[1],
        )

    def _domains(self, pool: Pool, nodes: Iterable[str]) -> dict[str, str] | None:
        key = pool.spec.topology_key
        if key is None:
            return None
        labels = {name: (self._ledger[name].object or {})["metadata"].get("labels") or {} for name in nodes}
        return {name: found[key] for name, found in labels.items() if key in found}

    def _view(self, pool: Pool) -> PoolView:
        members = self._members[pool.name]
        views = []
        for name, obstacle in sorted(members.items()):
            node = self._ledger[name]
            assert node.object is not None
            views.append(
                NodeView(
                    name=name,
                    promised=node.promised,
                    offered=node.offered,
                    used=node.taken,
                    obstacle=obstacle,
                    simulated=node_reading.simulated(node.object),
                    domain=node_reading.domain(node.object, pool.spec.topology_key),
                )
            )
        in_use = sum(max(0, pool.units(self._ledger[name].held)) for name in members)
        return PoolView(pool=pool, nodes=tuple(views), held=self._held.get(pool.name, 0), in_use=in_use)

    def _place_in(self, pool: Pool, name: str) -> None:
        members, node = self._members[pool.name], self._ledger[name]
        if node.object is None or not node_reading.matches(node.object, pool.spec.node_selector):
            if name in members:
                del members[name]
                self._reshaped(pool.name)
            return
        obstacle = node_reading.obstacle(node.object, pool.tolerations)
        if members.get(name, "unknown") != obstacle:
            members[name] = obstacle
            self._reshaped(pool.name)

    def _reshaped(self, pool: str) -> None:
        self._shapes.pop(pool, None)
        self._touched(pool)

    def _moved(self, node: str) -> None:
        for pool in self.pools_of(node):
            self._touched(pool)

    def _share(self, workload: Workload) -> None:
        """Let what it holds count from now on, and no more what it held before."""
        held = self._reservations.get(workload)
        pool = None if held is None else self._pools.get(held.pool)
        wanted = None if held is None or pool is None else (pool.name, units_of(held, pool))
        before = self._shared.pop(workload, None)
        if wanted is not None:
            self._shared[workload] = wanted
        if wanted == before:
            return
        for counted, sign in ((before, -1), (wanted, 1)):
            if counted is not None:
                self._shares.hold(counted[0], workload.namespace, sign * counted[1], now=self._clock())

    def _count_held(self, reservation: Reservation, *, sign: int) -> None:
        pool = self._pools.get(reservation.pool)
        if pool is not None:
            self._held[pool.name] += sign * units_of(reservation, pool)
            self._touched(pool.name)
