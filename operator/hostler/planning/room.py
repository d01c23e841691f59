"""One pool during a pass of the planner: its nodes by how much is free on them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from hostler.api.common import Topology
from hostler.api.inferenceservice import Spread
from hostler.planning.poolgrowth import Growth
from hostler.planning.pools import Pool
from hostler.planning.resources import CPU, HOST_PORT, Resources, holds
from hostler.planning.spreading import spread
from hostler.planning.verdicts import Obstacle, PoolFigures, Request


@dataclass(frozen=True, kw_only=True)
class PoolRoom:
    """One pool of a snapshot."""

    pool: Pool
    nodes: tuple[str, ...]
    """Nodes that take its pods now."""
    allocatable: int
    """Healthy units on them."""
    held: int
    """Units that are reserved, for the quota."""
    trouble: str = ""
    """A sentence about a pool that has nothing to offer."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """Zone of each node that has one."""
    growth: Growth | None = None
    """What an autoscaler may add; None where the pool does not grow."""
    domains: Mapping[str, str] | None = None
    """Domain of each node that the pool's topology key puts into one; any other node is one by itself. None where the
    pool has no such key."""


@dataclass(frozen=True)
class _Failure:
    """How much of a shape would fit that did not fit as a whole; where it must be in one domain, in one of them."""

    fit: int
    fit_by_units: int


_Shape = tuple[frozenset[tuple[str, int]], bool]
"""What a pod needs, and whether all must be in one domain."""


def _shape(request: Request) -> _Shape:
    return request.shape, request.topology is Topology.REQUIRED


_Fullness = tuple[int, int, str]
"""Free devices, free cores and name of a node: devices first, whatever is asked for, so that pods without devices go
where none are left and not beside those that need the cores (GPU-first best fit; docs/benchmarks/planner.md)."""


def _devices(free: Resources) -> int:
    """Of whatever kind."""
    return sum(amount for name, amount in free.items() if "/" in name and not name.startswith(HOST_PORT))


@dataclass
class Held:
    """Units of a pool that are reserved, for all who look at a part of it."""

    units: int


class Room:
    """A pool, or those of its nodes that some volumes leave. ``levels`` and the buckets behind it are changed by
    :meth:`move` alone."""

    def __init__(
        self,
        of: PoolRoom,
        free: Mapping[str, Resources],
        *,
        within: Container[str] | None = None,
        held: Held | None = None,
    ) -> None:
        """``within`` are the nodes that are meant, where that is not all; ``held`` is that of the whole pool."""
        self._of = of
        self.pool: Pool = of.pool
        self._held = held or Held(of.held)
        self.quota = of.pool.spec.quota.accelerators if of.pool.spec.quota is not None else None
        self._allocatable = of.allocatable
        self.trouble = of.trouble
        self._zones = of.zones
        self.levels: dict[str, int] = {}
        """Free units of each node."""
        self._by_level: dict[int, list[str]] = {}
        """Names of nodes by free units, sorted."""
        self._places: dict[str, _Fullness] = {}
        self._failures: dict[_Shape, _Failure] = {}
        for name in sorted(of.nodes) if not of.trouble else ():
            if within is not None and name not in within:
                continue
            level = self.levels[name] = of.pool.whole_units(free[name])
            self._by_level.setdefault(level, []).append(name)
            self._places[name] = self._fullness(name, level, free[name])
        self._tight = sorted(self._places.values())
        """All nodes, the fullest first."""

    def _fullness(self, node: str, level: int, free: Resources) -> _Fullness:
        devices = level if self.pool.resource else _devices(free)
        return devices, free.get(CPU, 0) // 1000, node

    @property
    def held(self) -> int:
        """Units of the pool that are reserved, for the quota."""
        return self._held.units

    @held.setter
    def held(self, units: int) -> None:
        self._held.units = units

    def part(self, of: PoolRoom, free: Mapping[str, Resources], *, within: Container[str]) -> Room:
        """These nodes of the same pool, under the same quota."""
        return Room(of, free, within=within, held=self._held)

    def as_if(self, free: Mapping[str, Resources]) -> Room:
        """The same nodes at a moment at which this is free of them. What is changed there changes nothing here."""
        return Room(self._of, free, within=self.levels.keys() & free.keys())

    @contextmanager
    def supposing(self, free: Mapping[str, Resources], *, instead_of: Mapping[str, Resources]) -> Iterator[None]:
        """As if so much were free of some nodes instead of what is. To look, not to take anything: afterwards all is as
        it was, at the cost of these nodes alone."""
        here = [node for node in free if node in self.levels]
        for node in here:
            self.move(node, free[node])
        try:
            yield
        finally:
            for node in here:
                self.move(node, instead_of[node])

    def units(self, need: Mapping[str, int]) -> int:
        """Units of the pool that one pod takes."""
        return self.pool.units(need)

    def allowed(self, request: Request) -> int:
        """Pods of a request that the quota has room for."""
        return self.within_quota(request.most, self.units(request.need))

    def within_quota(self, count: int, units: int, *, held: int | None = None) -> int:
        """Of so many pods with so many units each, those that the quota has room for while so much is held."""
        if self.quota is None:
            return count
        left = self.quota - (self.held if held is None else held)
        return min(count, max(0, left) // max(1, units))

    def move(self, node: str, free: Resources) -> None:
        """The node has another amount free now."""
        level = self.pool.whole_units(free)
        before, after = self._places[node], self._fullness(node, level, free)
        if before == after and self.levels[node] == level:
            return
        del self._tight[bisect_left(self._tight, before)]
        insort(self._tight, after)
        self._places[node] = after
        self._move_level(node, level)

    def _move_level(self, node: str, after: int) -> None:
        before = self.levels[node]
        if before == after:
            return
        names = self._by_level[before]
        del names[bisect_left(names, node)]
        if not names:
            del self._by_level[before]
        self.levels[node] = after
        insort(self._by_level.setdefault(after, []), node)

    def find(
        self, request: Request, count: int, free: Mapping[str, Resources], *, beside: Mapping[str, int]
    ) -> Mapping[str, int]:
        """Up to ``count`` seats as the request wants them: spread, in one domain, or on as few nodes as possible.

        ``free`` may be less than what the room knows to be free.
        """
        if request.spread is not None:
            return self.spread(request, count, free, beside=beside)
        if count > 0 and (there := self.bound_to(request, beside)):
            return self._where_others_are(request, count, free, there)
        if self._of.domains is None or count == 1 or self._tightest(request.need, count, free, {}):
            return self.seats(request.need, count, free)
        return self._in_domains(request, count, free, self._of.domains)

    def _in_domains(
        self, request: Request, count: int, free: Mapping[str, Resources], domains: Mapping[str, str]
    ) -> Mapping[str, int]:
        """Seats in the domain with the least room that is enough; where none is, in the one with the most, and only
        where that is allowed in more of them."""
        rooms: dict[str, list[str]] = {}
        for node in self.levels:
            rooms.setdefault(domains.get(node, node), []).append(node)
        fits = {name: sum(holds(free[node], request.need) for node in nodes) for name, nodes in rooms.items()}
        enough = [name for name, fit in fits.items() if fit >= count]
        if enough:
            chosen = [min(enough, key=lambda name: (fits[name], name))]
        else:
            chosen = sorted(fits, key=lambda name: (-fits[name], name))
            if request.topology is Topology.REQUIRED:
                chosen = chosen[:1]
        picked: dict[str, int] = {}
        for name in chosen:
            if (left := count - sum(picked.values())) <= 0:
                break
            if fits[name]:
                domain = Room(self._of, free, within=frozenset(rooms[name]))
                picked |= domain.seats(request.need, min(left, fits[name]), free)
        return picked

    def _where_others_are(
        self, request: Request, count: int, free: Mapping[str, Resources], there: Container[str]
    ) -> Mapping[str, int]:
        """Seats in the domains in which pods of the request are that stay where they are."""
        domains = self._of.domains or {}
        nodes = frozenset(node for node in self.levels if domains.get(node, node) in there)
        return Room(self._of, free, within=nodes).seats(request.need, count, free)

    def bound_to(self, request: Request, beside: Container[str] | None = None) -> frozenset[str]:
        """Domains that pods of the request are in and that all of them must be in; empty where it is free to choose."""
        domains, stays = self._of.domains, request.beside if beside is None else beside
        if request.topology is not Topology.REQUIRED or domains is None:
            return frozenset()
        return frozenset(domains.get(node, node) for node in self.levels if node in stays)

    def domains_for(self, request: Request) -> Mapping[str, str] | None:
        """Of each node, the domain in which all pods must be; None where they may be anywhere."""
        return self._of.domains if request.topology is Topology.REQUIRED else None

    def seats(self, need: Resources, count: int, free: Mapping[str, Resources]) -> dict[str, int]:
        """Up to ``count`` seats on as few nodes as possible, and among equals on those with the least room left."""
        picked: dict[str, int] = {}
        left = count
        while left > 0:
            found = self._tightest(need, left, free, picked) or self._roomiest(need, free, picked)
            if found is None:
                break
            node, fit = found
            picked[node] = min(left, fit)
            left -= picked[node]
        return picked

    def spread(
        self, request: Request, count: int, free: Mapping[str, Resources], *, beside: Mapping[str, int]
    ) -> Mapping[str, int]:
        """Up to ``count`` seats as far apart as the request asks, and among equals where the least room is left."""
        nodes = (name for level in sorted(self._by_level) for name in self._by_level[level])
        fits = ((name, holds(free[name], request.need)) for name in nodes)
        zones = self._zones if request.spread is Spread.ZONE else None
        return spread(fits, count=count, beside=beside, zones=zones)

    def _tightest(
        self, need: Resources, count: int, free: Mapping[str, Resources], without: Mapping[str, int]
    ) -> tuple[str, int] | None:
        """The fullest node that holds all of the rest."""
        units = self.units(need) * count
        first = bisect_left(self._tight, (units, -1, "")) if self.pool.resource else 0
        for _, _, node in islice(self._tight, first, None):
            if self.levels[node] >= units and node not in without and holds(free[node], need) >= count:
                return node, count
        return None

    def _roomiest(
        self, need: Resources, free: Mapping[str, Resources], without: Mapping[str, int]
    ) -> tuple[str, int] | None:
        """The node that holds most of the rest; no node with fewer free units can hold more by them."""
        units = self.units(need)
        best: tuple[str, int] | None = None
        for level in sorted(self._by_level, reverse=True):
            bound = level // units if units else None
            if best is not None and bound is not None and bound <= best[1]:
                return best
            for node in self._by_level[level]:
                fit = 0 if node in without else holds(free[node], need)
                if fit > (best[1] if best else 0):
                    best = node, fit
                    if fit == bound:
                        return best
        return best

    # -- what did not fit ------------------------------------------------------------------------------------------

    def has_failed(self, request: Request) -> bool:
        """Whether this shape cannot fit, because less of it was asked for before, and nothing was given back since."""
        known = self._failures.get(_shape(request))
        return known is not None and known.fit < request.least

    def fail(self, request: Request, free: Mapping[str, Resources]) -> None:
        """Remember how much of this shape would fit: in a pass, room only shrinks."""
        units = self.units(request.need)
        by_units = sum(len(names) * (level // units if units else 0) for level, names in self._by_level.items())
        self._failures[_shape(request)] = _Failure(self.count(request, free), by_units)

    def count(self, request: Request, free: Mapping[str, Resources]) -> int:
        """Pods of this shape that would fit; where they must be together, in the roomiest domain."""
        units = self.units(request.need)
        names = (name for level, names in self._by_level.items() if level >= units for name in names)
        domains = self.domains_for(request)
        if domains is None:
            return sum(holds(free[name], request.need) for name in names)
        fits: Counter[str] = Counter()
        for name in names:
            fits[domains.get(name, name)] += holds(free[name], request.need)
        return max(fits.values(), default=0)

    def forget_failures(self) -> None:
        """Something was given back."""
        self._failures.clear()

    # -- what to say -----------------------------------------------------------------------------------------------

    def obstacle(self, request: Request) -> Obstacle:
        """Why a request does not start."""
        if self.trouble:
            return Obstacle.POOL_NOT_READY
        return Obstacle.QUOTA_EXCEEDED if self.allowed(request) < request.least else Obstacle.WAITING_FOR_CAPACITY

    def fits(self, request: Request, free: Mapping[str, Resources]) -> tuple[int, int]:
        """Pods of its shape that would fit now, and those that would if only the pool's unit counted."""
        if _shape(request) not in self._failures:
            self.fail(request, free)
        known = self._failures[_shape(request)]
        return known.fit, known.fit_by_units

    def figures(self) -> PoolFigures:
        """The pool after the pass."""
        largest = max(self._by_level, default=0)
        return PoolFigures(
            free=sum(level * len(names) for level, names in self._by_level.items()),
            allocatable=self._allocatable,
            largest_free_block=largest,
            largest_free_node=self._by_level[largest][0] if largest else "",
            held=self.held,
            quota=self.quota,
            trouble=self.trouble,
        )
