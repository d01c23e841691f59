"""Least attained service, as Tiresias does it (Gu et al., NSDI 2019), but better than it can be had: to stop or move
a job costs nothing.

A job falls by one level each time it has had twice as many device seconds; the lowest level runs first, and in a level
who came first. Nothing is known beforehand of how long anybody runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster import Cluster
from jobs import Job, Node
from replay import Run

_FIRST = 3600.0
"""Device seconds of the first level."""


@dataclass
class _Active:
    job: Job
    pods: int
    done: float = 0.0
    """Seconds of its work."""

    @property
    def level(self) -> int:
        """0 up to the first hour of a device, 1 up to the second, 2 up to the fourth, and so on."""
        had = self.done * self.job.devices
        # A thousandth of a second: who is told to fall at a moment has fallen at it, however floats are rounded.
        return 0 if had + 1e-3 < _FIRST else 1 + math.floor(math.log2((had + 1e-3) / _FIRST))

    @property
    def until_it_falls(self) -> float:
        """Seconds of running."""
        return max(1e-3, _FIRST * 2.0**self.level / self.job.devices - self.done)


class LeastAttained:
    """One trace on one cluster of equal nodes."""

    def __init__(self, jobs: Iterable[Job], *, nodes: Sequence[Node]) -> None:
        self._cluster = Cluster(jobs, nodes=nodes)
        self._whole = {node.name: node.devices for node in nodes}
        self._active: dict[str, _Active] = {}
        self._running: list[_Active] = []
        self._free: Mapping[str, int] = self._whole
        self._run = Run(devices=self._cluster.devices)
        self._now = 0.0

    @property
    def jobs(self) -> list[Job]:
        """What is replayed."""
        return list(self._cluster.jobs.values())

    def run(self) -> Run:
        """All of it."""
        arrivals = sorted(self.jobs, key=lambda job: (job.arrives, job.name))
        coming = 0
        while coming < len(arrivals) or self._active:
            moments = [job.arrives for job in arrivals[coming : coming + 1]]
            moments += [self._now + min(each.job.seconds - each.done, each.until_it_falls) for each in self._running]
            self._let_pass(min(moments))
            while coming < len(arrivals) and arrivals[coming].arrives <= self._now:
                job = arrivals[coming]
                self._active[job.name] = _Active(job, self._cluster.pods(job))
                coming += 1
            self._choose()
        self._run.seconds = self._now
        return self._run

    def _let_pass(self, now: float) -> None:
        elapsed, self._now = now - self._now, now
        waiting = len(self._active) - len(self._running)
        self._run.count(elapsed, free=self._free, whole=self._whole, line=waiting)
        for each in self._running:
            each.done += elapsed
            if each.done >= each.job.seconds - 1e-3:
                del self._active[each.job.name]
                self._run.ended[each.job.name] = now

    def _choose(self) -> None:
        """Fill the empty cluster in the order of levels; who does not fit lets others pass."""
        began = time.process_time()
        before = {each.job.name for each in self._running}
        free = dict(self._whole)
        self._running = []
        for each in sorted(self._active.values(), key=lambda each: (each.level, each.job.arrives, each.job.name)):
            if _seat(free, pods=each.pods, devices=each.job.devices // each.pods):
                self._running.append(each)
            if not any(free.values()):
                break
        now = {each.job.name for each in self._running}
        self._run.preemptions += sum(name in self._active for name in before - now)
        self._run.longest_line = max(self._run.longest_line, len(self._active) - len(self._running))
        for name in now:
            self._run.started.setdefault(name, self._now)
        self._free = free
        self._run.passes.append(time.process_time() - began)


def _seat(free: dict[str, int], *, pods: int, devices: int) -> bool:
    """Whether all of its pods fit, each on the node with the least room that is enough: then they are there."""
    seats: list[str] = []
    for _ in range(pods):
        enough = [name for name, left in free.items() if left >= devices]
        if not enough:
            for name in seats:
                free[name] += devices
            return False
        seats.append(min(enough, key=lambda name: (free[name], name)))
        free[seats[-1]] -= devices
    return True
