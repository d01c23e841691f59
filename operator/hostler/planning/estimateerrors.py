"""How wrong estimates were: the actual by the estimated time of jobs that have succeeded lately, by pool.

A forecast's low and high are made of them (:mod:`hostler.planning.forecast`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hostler.planning.verdicts import Workload

KEPT = 200
"""Jobs of each pool; who came longest ago is forgotten first."""


class EstimateErrors:
    """One ratio for each job, however often it is told."""

    def __init__(self) -> None:
        self._ratios: dict[str, dict[Workload, float]] = {}

    def put(self, workload: Workload, *, pool: str, ratio: float) -> None:
        """A job on this pool took ``ratio`` times as long as was said."""
        found = self._ratios.setdefault(pool, {})
        found[workload] = ratio
        if len(found) > KEPT:
            del found[next(iter(found))]

    def of(self, pools: Iterable[str]) -> Mapping[str, tuple[float, ...]]:
        """Those of each of these pools of which any are known."""
        return {pool: tuple(found.values()) for pool in pools if (found := self._ratios.get(pool))}
