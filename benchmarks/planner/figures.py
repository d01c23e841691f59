"""What a run is judged by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from jobs import Job
from replay import Run

_SHORTEST = 10.0
"""Seconds: a job that is over sooner counts as if it took them, where its slowdown is asked for."""


def figures(jobs: Iterable[Job], run: Run) -> dict[str, float]:
    """Waiting times, use and passes of a run, by what they are called in the report."""
    known = list(jobs)
    waits = sorted(run.started[job.name] - job.arrives for job in known)
    stays = sorted(run.ended[job.name] - job.arrives for job in known)
    slow = [(run.ended[job.name] - job.arrives) / max(job.seconds, _SHORTEST) for job in known]
    passes = sorted(1000 * each for each in run.passes)
    unfair = finish_time_fairness(known, run)
    return {
        "jobs": len(known),
        "wait mean, s": sum(waits) / len(waits),
        "wait p50, s": _quantile(waits, 0.5),
        "wait p95, s": _quantile(waits, 0.95),
        "wait p99, s": _quantile(waits, 0.99),
        "completion mean, s": sum(stays) / len(stays),
        "completion p99, s": _quantile(stays, 0.99),
        "bounded slowdown mean": sum(max(1.0, each) for each in slow) / len(slow),
        "makespan, s": run.seconds,
        "utilization": run.busy / (run.devices * run.seconds),
        "utilization while somebody waits": 1 - _share(run.line_free, run.devices * run.line_seconds),
        "free while somebody waits": _share(run.line_free, run.devices * run.line_seconds),
        "of that on nodes in use": _share(run.line_crumbs, run.line_free),
        "fragmentation": _share(run.line_crumbs, run.devices * run.line_seconds),
        "unfairness: largest rho": max(unfair),
        "fairness: Jain's index": _jain([1 / each for each in unfair]),
        "preemptions": run.preemptions,
        "longest line": run.longest_line,
        "passes": len(passes),
        "pass p50, ms": _quantile(passes, 0.5),
        "pass p95, ms": _quantile(passes, 0.95),
        "pass max, ms": passes[-1],
    }


def finish_time_fairness(jobs: Sequence[Job], run: Run) -> list[float]:
    """For each job its time here over the time that its equal part of the cluster would have given it (Mahajan et al.,
    "Themis", NSDI 2020): so many times slower as there was more asked for than there is, on average while it was
    there."""
    changes = sorted(
        [(job.arrives, job.devices) for job in jobs] + [(run.ended[job.name], -job.devices) for job in jobs]
    )
    times = [at for at, _ in changes]
    asked = list(accumulate(devices for _, devices in changes))
    crowds = [max(1.0, each / run.devices) for each in asked]
    pieces = [crowd * (after - at) for crowd, at, after in zip(crowds, times, times[1:], strict=False)]
    sums = list(accumulate(pieces, initial=0.0))

    def until(moment: float) -> float:
        last = bisect_right(times, moment) - 1
        return sums[last] + crowds[last] * (moment - times[last])

    found = []
    for job in jobs:
        stay = run.ended[job.name] - job.arrives
        crowd = (until(run.ended[job.name]) - until(job.arrives)) / stay
        found.append(stay / (job.seconds * crowd))
    return found


def _jain(values: Sequence[float]) -> float:
    """1 where all are equal, towards 0 where few have all (Jain, Chiu and Hawe, 1984)."""
    return sum(values) ** 2 / (len(values) * sum(each * each for each in values))


def _quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    return values[max(0, -(-int(share * 1000) * len(values) // 1000) - 1)]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
