"""Pools that grow: what an autoscaler may add is promised to gangs before it is there.

A gang that does not fit what is there, and fits what could be there, is released: it gets seats on nodes that do not
exist yet, and its pods are made without a node of their own, so that the scheduler finds no place for them and an
autoscaler (Cluster Autoscaler, Karpenter) adds nodes. A node that is to come is called ``+1``, ``+2``, ... in the
seats, which no node can be called; ``status.placement`` has it so, and a crash forgets nothing.

Nodes that come have no such names. So what was released is laid on real nodes anew in each snapshot: wherever a pod of
it would find room it sits already, because the scheduler puts it there before anybody could be told to go there. When
all of its pods are bound, their nodes take the place of the promised ones. Promised nodes to which pods are still to
come count against ``maxNodes``, so that two gangs are not promised the same growth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hostler.api.poolscaling import PoolScaling
from hostler.planning.moments import seconds_of
from hostler.planning.pools import Pool
from hostler.planning.resources import HOST_PORT, Resources, add, holds, subtract, times
from hostler.planning.verdicts import Seats, Workload

_NEW = "+"
PATIENCE = 3.0
"""How many times the start-up time of a node a released gang waits before it is taken back: an autoscaler tries again
when the provider has nothing, and says so only in its own log."""


def is_new(node: str) -> bool:
    """Whether this is the name of a node that is still to come."""
    return node.startswith(_NEW)


def awaited(seats: Seats) -> int:
    """Pods whose nodes are still to come."""
    return sum(pods for node, pods in seats.items() if is_new(node))


def startup_seconds(scaling: PoolScaling) -> float:
    """From asking for a node until it takes pods."""
    return seconds_of(scaling.startup_time) or 0.0


def growth_seconds(pool: Pool | None, seats: Seats) -> float:
    """How long pods of these seats may wait for nodes to come; 0 where all their nodes are there."""
    scaling = pool.spec.scaling if pool is not None else None
    return PATIENCE * startup_seconds(scaling) if scaling is not None and awaited(seats) else 0.0


@dataclass(frozen=True, kw_only=True)
class Released:
    """A gang of which pods wait for nodes that are to come."""

    workload: Workload
    need: Resources
    """Of each pod."""
    new: Seats
    """Seats on nodes that are to come."""
    arrived: int = 0
    """How many of these pods are bound, to nodes that their status does not name yet."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What may still be added to a pool."""

    shape: Resources
    """What each new node offers, of what its shape names."""
    spare: int
    """New nodes that there may be, those that are promised included."""
    taken: Mapping[str, Resources] = field(default_factory=dict)
    """What is promised on each of those that are promised."""

    def seats(self, need: Resources, count: int) -> dict[str, int]:
        """Up to so many seats, on promised nodes with room left before others."""
        asked = {name: amount for name, amount in need.items() if name in self.shape or name.startswith(HOST_PORT)}
        found: dict[str, int] = {}
        for node in self._names():
            room = holds(subtract(self.shape, self.taken.get(node, {})), asked)
            if (here := min(room, count - sum(found.values()))) > 0:
                found[node] = here
        return found

    def with_seats(self, need: Resources, seats: Seats) -> Growth:
        """The same once these are promised too."""
        taken = dict(self.taken)
        for node, pods in seats.items():
            if is_new(node):
                taken[node] = add(taken.get(node, {}), times(pods, need))
        return Growth(shape=self.shape, spare=self.spare, taken=taken)

    def _names(self) -> list[str]:
        """Promised nodes and then as many as may come beside them."""
        promised = sorted(self.taken, key=_number)
        numbers = (f"{_NEW}{number}" for number in range(1, self.spare + len(promised) + 1))
        fresh = [name for name in numbers if name not in self.taken]
        return [*promised, *fresh][: self.spare]


def settle(
    released: Iterable[Released], free: Mapping[str, Resources]
) -> tuple[dict[str, Resources], dict[str, Resources]]:
    """What is left of real nodes when the pods that wait have sat down wherever they find room, and what stays promised
    of each new node. Whoever was promised the nodes with the lowest numbers sits down first."""
    left, promised = dict(free), dict[str, Resources]()
    for each in sorted(released, key=lambda each: (min(map(_number, each.new), default=0), each.workload)):
        sitting = each.arrived
        for node in sorted(left, key=lambda node: (holds(left[node], each.need), node)):
            here = min(holds(left[node], each.need), awaited(each.new) - sitting)
            if here > 0:
                left[node] = subtract(left[node], times(here, each.need))
                sitting += here
        for node in sorted(each.new, key=_number):
            gone = min(sitting, each.new[node])
            sitting -= gone
            if each.new[node] > gone:
                promised[node] = add(promised.get(node, {}), times(each.new[node] - gone, each.need))
    return left, promised


def learned(seats: Seats, occupied: Seats) -> Seats:
    """Where all pods are, once all are bound; before that the seats as they are, because a pod that has no node of its
    own may come to where another one has its seat, and that other one to the new node."""
    return dict(sorted(occupied.items())) if sum(occupied.values()) >= sum(seats.values()) else seats


def _number(node: str) -> int:
    return int(node.removeprefix(_NEW))
