"""What namespaces have used of each pool lately: device seconds that count half after each half-life.

Nothing is summed up over time: an account is a value, the moment for which it holds, and the units that are held since,
so a change costs the same however much was used before. A share is the mean of what was held of the pool, from 0 to 1,
weighted by how long ago that was: one who has held a whole pool for one half-life has a share of one half, and after
another one without any a share of one quarter. (Slurm's ``PriorityDecayHalfLife`` decays in the same way, in ticks.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hostler.planning.resources import Resources

_LN2 = math.log(2.0)
_NEGLIGIBLE = 1e-6
"""A share that is forgotten."""


@dataclass(frozen=True, kw_only=True)
class PastUse:
    """Seats that a workload held before anybody here has watched it, as far as its status tells."""

    pool: str
    namespace: str
    pods: int
    need: Resources
    """Of each pod."""
    seconds: float
    """For how long."""
    ago: float
    """Seconds since the end of that."""


@dataclass
class _Use:
    """Of one namespace in one pool."""

    seconds: float = 0.0
    """Device seconds, decayed, at :attr:`at`."""
    at: float = 0.0
    units: int = 0
    """Held from then on."""

    def settle(self, now: float, half_life: float) -> None:
        """Bring it to this moment."""
        passed = max(0.0, now - self.at)
        decay = 2.0 ** (-passed / half_life)
        self.seconds = self.seconds * decay + self.units * _mean_life(half_life) * (1.0 - decay)
        self.at = max(self.at, now)


class Shares:
    """Decayed use, by pool and namespace. All moments are seconds on one clock that never goes back."""

    def __init__(self) -> None:
        self._uses: dict[str, dict[str, _Use]] = {}
        self._half_lives: dict[str, float] = {}

    def put_pool(self, pool: str, *, half_life: float, now: float) -> None:
        """A pool is there, or its policy has changed. What was used until now has decayed as the old one said."""
        for use in self._uses.setdefault(pool, {}).values():
            use.settle(now, self._half_life(pool))
        if before := self._half_lives.get(pool):
            # A share is to stay what it is: a whole pool, always used, is one under each half-life.
            for use in self._uses[pool].values():
                use.seconds *= half_life / before
        self._half_lives[pool] = half_life

    def hold(self, pool: str, namespace: str, units: int, *, now: float) -> None:
        """So many units more are held from this moment on; fewer, where it is below zero."""
        use = self._use(pool, namespace, now)
        use.units += units

    def add(self, pool: str, namespace: str, *, units: int, seconds: float, ago: float, now: float) -> None:
        """So many units were held for so long, until ``ago`` seconds before this moment."""
        half_life = self._half_life(pool)
        decay = 2.0 ** (-max(0.0, ago) / half_life)
        used = units * _mean_life(half_life) * (1.0 - 2.0 ** (-max(0.0, seconds) / half_life))
        self._use(pool, namespace, now).seconds += used * decay

    def of(self, pool: str, *, size: int, now: float) -> Mapping[str, float]:
        """The part of a pool of this size that each namespace has used lately."""
        whole = max(1, size) * _mean_life(self._half_life(pool))
        found, uses = {}, self._uses.get(pool, {})
        for namespace, use in list(uses.items()):
            use.settle(now, self._half_life(pool))
            share = min(1.0, use.seconds / whole)
            if share < _NEGLIGIBLE and not use.units:
                del uses[namespace]
            else:
                found[namespace] = share
        return found

    def _use(self, pool: str, namespace: str, now: float) -> _Use:
        use = self._uses.setdefault(pool, {}).setdefault(namespace, _Use(at=now))
        use.settle(now, self._half_life(pool))
        return use

    def _half_life(self, pool: str) -> float:
        # Use of a pool that is not known yet is kept for when it is: statuses are heard of in any order.
        return self._half_lives.get(pool, DEFAULT_HALF_LIFE_SECONDS)


DEFAULT_HALF_LIFE_SECONDS = 168 * 3600.0
"""As the API's default: a week."""


def _mean_life(half_life: float) -> float:
    return half_life / _LN2
