"""What the planner looks at: pools, what is free on their nodes and who holds the rest, at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hostler.planning.resources import Resources
from hostler.planning.room import PoolRoom
from hostler.planning.verdicts import Forecast, Reservation, Workload
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
    """Every reservation that there is; those on other pools' nodes too, which may be these pools' nodes."""
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By pool and namespace, the part of the pool that it has used lately, from 0 to 1: a mean that decays with the
    half-life of the pool's policy."""
    ratios: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By pool, of jobs that have ended lately, the time that they took by the time that was said."""
    foretold: Mapping[Workload, tuple[float, Forecast]] = field(default_factory=dict)
    """What was forecast earlier of a line that is too long to do it in each pass, and when on the planner's clock."""
    promised: frozenset[Workload] = frozenset()
    """For whom others have left a moment ago: that room is theirs before it is anybody's turn."""

    @cached_property
    def holders_by_pool(self) -> Mapping[str, Sequence[Reservation]]:
        """Looked through once, however many pools there are."""
        found: dict[str, list[Reservation]] = {}
        for held in self.holders:
            found.setdefault(held.pool, []).append(held)
        return found
