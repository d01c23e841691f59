"""What is demanded of Hostler, as ratios to what was measured beside it in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import audit
from measure import Load, Measured

BURSTS = (100, 500)
"""Jobs at once at which speed and cost are demanded."""
FASTER_THAN_TRAINER = 3.0
SHARE_OF_FLOOR = 0.4
SHARE_OF_TRAINERS_CPU = 0.25
MOST_WRITES = 6.0
NOT_COUNTED = ("events", "models")
"""Events can be dropped, and a Model is the job's outcome."""
SLOWEST_P95 = 4.0
"""Times that of plain Jobs, at a rate at which nothing queues."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One demand and what was found."""

    what: str
    found: float
    wanted: str
    holds: bool

    def __str__(self) -> str:
        return f"{'ok    ' if self.holds else 'MISSED'} {self.what}: {self.found:.3g}, demanded {self.wanted}"


def judge(runs: Iterable[Measured]) -> list[Demand]:
    """Every demand that these runs can answer; what was not measured is not demanded."""
    by_load: dict[Load, dict[str, list[Measured]]] = {}
    for run in runs:
        by_load.setdefault(run.load, {}).setdefault(run.system, []).append(run)
    found: list[Demand] = []
    for load, systems in by_load.items():
        if ours := systems.get("hostler"):
            found += _survived(load, ours)
            if load.rate:
                found += _latency(load, ours, systems.get("job", ()))
            elif load.jobs in BURSTS:
                found += _burst(load, ours, floor=systems.get("job", ()), trainer=systems.get("trainer", ()))
    return found


def _survived(load: Load, ours: Sequence[Measured]) -> Iterable[Demand]:
    died = sum(run.died is not None for run in ours)
    yield Demand(what=f"{load.title}: operators that ended", found=died, wanted="0", holds=not died)
    ended = min(run.ended for run in ours)
    wanted = f"{load.jobs}"
    yield Demand(what=f"{load.title}: jobs that ended well", found=ended, wanted=wanted, holds=ended == load.jobs)


def _burst(
    load: Load, ours: Sequence[Measured], *, floor: Sequence[Measured], trainer: Sequence[Measured]
) -> Iterable[Demand]:
    speed = _median(ours, lambda run: run.pods_per_second)
    if trainer:
        ratio = speed / _median(trainer, lambda run: run.pods_per_second)
        yield _at_least(FASTER_THAN_TRAINER, ratio, f"{load.title}: pods/s, times Trainer's")
        ratio = _median(ours, cpu) / _median(trainer, cpu)
        yield _at_most(SHARE_OF_TRAINERS_CPU, ratio, f"{load.title}: CPU of a job, times Trainer's with JobSet")
    if floor:
        ratio = speed / _median(floor, lambda run: run.pods_per_second)
        yield _at_least(SHARE_OF_FLOOR, ratio, f"{load.title}: pods/s, times plain Jobs'")
    what = f"{load.title}: writes for a job, without {' and '.join(NOT_COUNTED)}"
    yield _at_most(MOST_WRITES, _median(ours, writes), what)


def _latency(load: Load, ours: Sequence[Measured], floor: Sequence[Measured]) -> Iterable[Demand]:
    if floor:
        ratio = _median(ours, lambda run: run.to_pod_p95) / _median(floor, lambda run: run.to_pod_p95)
        yield _at_most(SLOWEST_P95, ratio, f"{load.title}: p95 from a job to its pod, times plain Jobs'")


def cpu(run: Measured) -> float:
    """Milliseconds of processor time that a system's own programs used for each job."""
    return sum(run.cpu_ms_per_job[name] for name in run.peak_mib)


def writes(run: Measured) -> float:
    """Writes of a system's own programs for each job, but for those that are not counted."""
    return sum(audit.per_job(counts, jobs=run.load.jobs, without=NOT_COUNTED) for counts in run.writes.values())


def _median(runs: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return statistics.median(figure(run) for run in runs)


def _at_least(limit: float, found: float, what: str) -> Demand:
    return Demand(what=what, found=found, wanted=f"at least {limit:g}", holds=found >= limit)


def _at_most(limit: float, found: float, what: str) -> Demand:
    return Demand(what=what, found=found, wanted=f"at most {limit:g}", holds=found <= limit)
