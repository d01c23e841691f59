"""When everybody in line is expected to start: the line is played forward with what is known now.

It is played with units: of each node, how many of the pool's units are free, and of each request, how many pods with
how many units, counted by the resource of which a pod takes the largest part of a node. The rules are those of the
planner: the order of the line as it is now, and EASY backfill around the first that does not fit. Nobody else comes,
and jobs take as long as is said. A line of thousands takes some tenths of a second, which is too much for each pass:
see :data:`IN_PASS`.

How wrong it may be is learned from how wrong estimates were: where nine of ten jobs took between half and twice of what
was said, so do the waits that are made of them, when all err to the same side.
"""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostler.api.common import Topology
from hostler.planning.backfill import Ending, endings
from hostler.planning.order import Durations, arrange
from hostler.planning.policy import policy_of
from hostler.planning.quotas import Accounts
from hostler.planning.resources import CPU, PODS, Resources
from hostler.planning.room import PoolRoom
from hostler.planning.snapshot import Snapshot
from hostler.planning.verdicts import Forecast, Request, Workload

DEFAULT_ERROR = (0.5, 1.0, 2.0)
"""Early, expected and late, as parts of what was said, where a pool has not enough evidence: one standard deviation of
the estimates that the replays are judged with (docs/benchmarks/queue.md)."""
ENOUGH_EVIDENCE = 20
"""Jobs of a pool that have ended, with an estimate."""
IN_PASS = 64
"""Requests in line up to which each pass makes a forecast of its own. A longer line's is made beside the passes, at a
bounded rate, and handed to them in ``Snapshot.foretold``."""
_TENTH = 0.1
_DEPTH = 16
"""Of requests of one size, how many are looked at for one that may pass the first in line."""


def errors(ratios: Sequence[float]) -> tuple[float, float, float]:
    """What a tenth of jobs fall short of, what half do, and what a tenth exceed: actual by estimated time."""
    if len(ratios) < ENOUGH_EVIDENCE:
        return DEFAULT_ERROR
    found = sorted(ratios)
    low, high = found[int(_TENTH * len(found))], found[-1 - int(_TENTH * len(found))]
    return low, found[len(found) // 2], high


def around(expected: float, ratios: Sequence[float] = ()) -> Forecast:
    """The forecast of a moment so many seconds ahead, were all estimates right."""
    low, middle, high = errors(ratios)
    return Forecast(earliest=low * expected, expected=middle * expected, latest=high * expected)


def forecast(snapshot: Snapshot, waiting: Iterable[Request], now: float) -> dict[Workload, Forecast]:
    """When each of these is expected to start, but for those of whom nobody can know. Who is tied to some of the nodes,
    by volumes or by a domain, is played as if it were not, and gets no forecast.

    A short line is played three times: all jobs end as early as a tenth, half and nine tenths of jobs do. A long one is
    played once and stretched: what is left of single jobs is little of the whole.
    """
    requests = [request for request in waiting if not request.holding]
    durations = Durations(snapshot, requests)
    lines: dict[str, list[Request]] = defaultdict(list)
    for request in arrange(snapshot, requests, durations):
        if request.pool in snapshot.pools and not snapshot.pools[request.pool].trouble:
            lines[request.pool].append(request)
    found: dict[Workload, Forecast] = {}
    for pool, line in lines.items():
        factors = errors(snapshot.ratios.get(pool, ()))
        if len(requests) > IN_PASS:
            play = _Play(snapshot, snapshot.pools[pool], durations, now)
            for who, at in play.run(line, endings(snapshot, durations, now)).items():
                found[who] = around(max(0.0, at - now), snapshot.ratios.get(pool, ()))
            continue
        starts = [
            _Play(snapshot, snapshot.pools[pool], durations, now, factor=factor).run(
                line, endings(snapshot, durations, now, factor=factor)
            )
            for factor in factors
        ]
        for who in starts[1]:
            ordered = sorted(max(0.0, each[who] - now) for each in starts if who in each)
            expected = max(0.0, starts[1][who] - now)
            found[who] = Forecast(earliest=ordered[0], expected=expected, latest=ordered[-1])
    return found


def forecasts(
    snapshot: Snapshot, requests: Sequence[Request], now: float, *, booked: Mapping[Workload, tuple[str, float]]
) -> dict[Workload, Forecast]:
    """What a pass tells: of a short line what is forecast now, of a long one what was forecast lately; and of those who
    have a booking (by pool and moment) that."""
    if len(requests) <= IN_PASS:
        # Who waits although it would start at once if only units counted is beyond that play.
        found = {who: each for who, each in forecast(snapshot, requests, now).items() if each.expected > 0}
    else:
        found = {who: _later(made, now - at) for who, (at, made) in snapshot.foretold.items()}
    for who, (pool, at) in booked.items():
        played, ratios = found.get(who), snapshot.ratios.get(pool, ())
        known = around(at - now, ratios) if played is None else played
        # A booking counts nodes where the play counts units, and takes every estimate at its word, which is right as
        # long as nobody knows better.
        expected = at - now if len(ratios) < ENOUGH_EVIDENCE else known.expected
        found[who] = Forecast(
            earliest=min(known.earliest, expected), expected=expected, latest=max(known.latest, expected)
        )
    return found


def _later(made: Forecast, seconds: float) -> Forecast:
    """What was forecast so many seconds ago, from now on."""
    return Forecast(
        earliest=max(0.0, made.earliest - seconds),
        expected=max(0.0, made.expected - seconds),
        latest=max(0.0, made.latest - seconds),
    )


def _tied(request: Request) -> bool:
    return bool(request.volumes) or request.topology is Topology.REQUIRED


@dataclass(kw_only=True)
class _Player:
    """One request in line."""

    rank: int
    request: Request
    duration: float
    known: bool


@dataclass
class _Queue:
    """Those of one size and account, in order."""

    pods: int
    units: int
    account: str
    players: list[_Player] = field(default_factory=list)
    """The last is the first in line."""


_End = tuple[float, int, tuple[tuple[int, int], ...], bool, str]
"""When, a number that makes it unique, units by node, whether anything is known of it, and whose account it is."""


class _Play:
    """One pool's line."""

    def __init__(
        self, snapshot: Snapshot, room: PoolRoom, durations: Durations, now: float, *, factor: float = 1.0
    ) -> None:
        self._room, self._durations, self._now, self._factor = room, durations, now, factor
        self._numbers = {name: number for number, name in enumerate(sorted(room.nodes))}
        self._levels = [room.pool.whole_units(snapshot.free[name]) for name in sorted(room.nodes)]
        self._by_level: dict[int, dict[int, None]] = {}
        for number, level in enumerate(self._levels):
            self._by_level.setdefault(level, {})[number] = None
        self._free = sum(self._levels)
        self._per_unit = _per_unit(snapshot, room)
        quota = room.pool.spec.quota
        self._left = math.inf if quota is None else quota.accelerators - room.held
        policy = policy_of(room.pool.spec.queue)
        self._accounts = Accounts(room.pool, policy, allocatable=room.allocatable, holders=snapshot.holders)
        self._owed: dict[str, float] = {}
        """Units that each account may still take."""
        self._ends: list[_End] = []
        self._known = True
        self._started: dict[Workload, float] = {}

    def run(self, line: Sequence[Request], ends: Iterable[Ending]) -> dict[Workload, float]:
        """The moment at which each starts, on the planner's clock."""
        for number, ending in enumerate(ends):
            units = self._units(ending.need)
            seats = tuple((self._numbers[n], pods * units) for n, pods in ending.seats.items() if n in self._numbers)
            if seats:
                account = self._account(ending.workload) if ending.pool == self._room.pool.name else _FOREIGN
                self._ends.append((ending.at, number - 1_000_000_000, seats, ending.known, account))
        self._ends.sort()
        queues = self._queues(line)
        self._turn(queues, self._now)
        while self._ends and any(queue.players for queue in queues):
            at = self._ends[0][0]
            while self._ends and self._ends[0][0] <= at:
                self._end(self._ends.pop(0))
            self._turn(queues, at)
        return self._started

    def _account(self, workload: Workload) -> str:
        account = self._accounts.account(workload.namespace)
        if account not in self._owed:
            room = self._accounts.room(workload.namespace)
            self._owed[account] = math.inf if room is None else room
        return account

    def _queues(self, line: Sequence[Request]) -> list[_Queue]:
        found: dict[tuple[int, int, str], _Queue] = {}
        for rank, request in enumerate(line):
            size = request.least, self._units(request.need), self._account(request.workload)
            player = _Player(
                rank=rank,
                request=request,
                duration=self._factor * self._durations.of(request),
                known=self._durations.knows_of(request),
            )
            found.setdefault(size, _Queue(*size)).players.append(player)
        for queue in found.values():
            queue.players.reverse()
        return list(found.values())

    def _units(self, need: Resources) -> int:
        """Units that a pod keeps from others: by the resource of which it takes the largest part of a node."""
        shares = (need.get(name, 0) * per for name, per in self._per_unit.items())
        return max(self._room.pool.units(need), round(max(shares, default=0.0)), 1)

    def _turn(self, queues: Sequence[_Queue], at: float) -> None:
        """Start whoever can at this moment."""
        heads = [(queue.players[-1].rank, place) for place, queue in enumerate(queues) if queue.players]
        heapq.heapify(heads)
        shadow, spare = math.inf, 0
        blocked = False
        closed: set[str] = set()
        """Accounts whose first waits for their limit. The planner lets some of them pass, which is left out here."""
        while heads and self._free:
            _, place = heapq.heappop(heads)
            queue = queues[place]
            if queue.account in closed or queue.pods * queue.units > self._owed[queue.account]:
                closed.add(queue.account)
                continue
            if not self._fits(queue):
                if not blocked:
                    blocked, (shadow, spare) = True, self._shadow(queue)
                continue
            chosen = self._may_pass(queue, at, shadow, spare) if blocked else len(queue.players) - 1
            if chosen is None:
                continue
            player = queue.players.pop(chosen)
            if blocked and at + player.duration > shadow:
                spare -= queue.pods * queue.units
            self._start(player, queue, at)
            if queue.players:
                heapq.heappush(heads, (queue.players[-1].rank, place))

    def _may_pass(self, queue: _Queue, at: float, shadow: float, spare: int) -> int | None:
        if queue.pods * queue.units <= spare:
            return len(queue.players) - 1
        for place in range(len(queue.players) - 1, max(-1, len(queue.players) - 1 - _DEPTH), -1):
            if at + queue.players[place].duration <= shadow:
                return place
        return None

    def _shadow(self, queue: _Queue) -> tuple[float, int]:
        """When there will be enough for the first that does not fit, and how much more than that."""
        wanted, free = queue.pods * queue.units, self._free
        for at, _, seats, _, _ in self._ends:
            free += sum(units for _, units in seats)
            if free >= wanted:
                return at, free - wanted
        return math.inf, self._free

    def _fits(self, queue: _Queue) -> bool:
        wanted = queue.pods * queue.units
        if wanted > self._free or wanted > self._left:
            return False
        slots = 0
        for level, nodes in self._by_level.items():
            slots += (level // queue.units) * len(nodes)
        return slots >= queue.pods

    def _start(self, player: _Player, queue: _Queue, at: float) -> None:
        seats = []
        left = queue.pods
        while left:
            enough = [level for level in self._by_level if level >= left * queue.units]
            level = min(enough) if enough else max(self._by_level)
            node = next(iter(self._by_level[level]))
            pods = min(left, level // queue.units)
            self._move(node, -pods * queue.units)
            seats.append((node, pods * queue.units))
            left -= pods
        if self._known and not _tied(player.request):
            self._started[player.request.workload] = at
        self._left -= queue.pods * queue.units
        self._owed[queue.account] -= queue.pods * queue.units
        if not math.isinf(player.duration):
            insort(self._ends, (at + player.duration, player.rank, tuple(seats), player.known, queue.account))

    def _end(self, end: _End) -> None:
        _, _, seats, known, account = end
        self._known = self._known and known
        for node, units in seats:
            self._move(node, units)
            if account != _FOREIGN:
                self._left += units
                self._owed[account] += units

    def _move(self, node: int, units: int) -> None:
        level = self._levels[node]
        nodes = self._by_level[level]
        del nodes[node]
        if not nodes:
            del self._by_level[level]
        self._levels[node] = level + units
        self._by_level.setdefault(level + units, {})[node] = None
        self._free += units


def _per_unit(snapshot: Snapshot, room: PoolRoom) -> Mapping[str, float]:
    """Of CPU and memory, how many units of the pool one of theirs is worth, over all its nodes."""
    total: dict[str, int] = defaultdict(int)
    units = 0
    nodes = set(room.nodes)
    for name in room.nodes:
        for resource, amount in snapshot.free[name].items():
            total[resource] += max(0, amount)
    for holder in snapshot.holders:
        for name, pods in holder.seats.items():
            if name in nodes:
                for resource, amount in holder.need.items():
                    total[resource] += pods * amount
    units = room.pool.whole_units(total)
    own = room.pool.resource or CPU
    counted = (name for name in total if name not in (own, PODS) and total[name] > 0 and name in _COUNTED)
    return {name: units / total[name] for name in counted}


_FOREIGN = "/"
"""Of somebody of another pool with the same nodes; no namespace is called so."""
_COUNTED = frozenset({CPU, "memory", "ephemeral-storage"})
