"""When somebody would have a seat on a pool that it does not ask for: to choose between pools."""

from __future__ import annotations

from dataclasses import replace

from hostler.controllers.ports import Clock
from hostler.controllers.waitingline import WaitingLine
from hostler.planning import moments
from hostler.planning.estimateerrors import EstimateErrors
from hostler.planning.forecast import IN_PASS, forecast
from hostler.planning.resources import holds
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Request

STANDS_SECONDS = 10.0
"""For how long an answer is given again: hundreds of jobs of one shape ask at once."""


class Outlooks:
    """Plays the line of a pool forward with one more in it, and does not let it in."""

    def __init__(self, *, usage: PoolUsage, line: WaitingLine, errors: EstimateErrors, clock: Clock) -> None:
        self._usage = usage
        self._line = line
        self._errors = errors
        self._clock = clock
        self._made: dict[tuple[object, ...], tuple[float, float | None]] = {}

    def of(self, request: Request) -> float | None:
        """Seconds until it would have its least seats; None where nobody can know."""
        now = self._clock.monotonic()
        key = (
            request.pool,
            request.shape,
            request.least,
            request.priority,
            request.workload.namespace,
            request.volumes,
        )
        made = self._made.get(key)
        if made is not None and now - made[0] < STANDS_SECONDS:
            return made[1]
        self._made = {each: known for each, known in self._made.items() if now - known[0] < STANDS_SECONDS}
        found = self._expected(request, now)
        self._made[key] = (now, found)
        return found

    def _expected(self, request: Request, now: float) -> float | None:
        others = [r for r in self._line.requests.values() if r.pool == request.pool and r.workload != request.workload]
        if len(others) > IN_PASS:
            return self._last_in_line(request.pool)
        snapshot = self._usage.snapshot({request.pool}, {request.volumes})
        room = snapshot.pools.get(request.pool)
        if room is None or room.trouble:
            return self._on_new_nodes(request)
        wall = moments.epoch(self._clock.now())
        snapshot = replace(snapshot, wall=wall, ratios=self._errors.of({request.pool}))
        found = forecast(snapshot, [*others, replace(request, volumes=())], now).get(request.workload)
        new = self._on_new_nodes(request)
        known = [each for each in (None if found is None else found.expected, new) if each is not None]
        return min(known, default=None)

    def _on_new_nodes(self, request: Request) -> float | None:
        """Where the pool may grow by enough: the start of a node."""
        view = self._usage.view(request.pool)
        if view is None or not view.grows or view.pool.spec.scaling is None or view.pool.new_node is None:
            return None
        scaling = view.pool.spec.scaling
        more = (scaling.max_nodes - len(view.nodes)) * holds(view.pool.new_node, request.need)
        free = sum(holds(node.free, request.need) for node in view.nodes)
        return moments.seconds_of(scaling.startup_time) if free + more >= request.least else None

    def _last_in_line(self, pool: str) -> float | None:
        """In a long line, as the last of it was told."""
        told = [
            wait.forecast.expected
            for other, wait in self._line.waiting()
            if other.pool == pool and wait.forecast is not None
        ]
        return max(told, default=None)
