"""Jobs of a cluster in the past: read from a file, or made up from a seed in the same shape."""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import openb
from jobs import Job, Node, Trace, TraceError, count_of, equal_nodes, number_of, opened, positive_of

SHARES = {1: 0.58, 2: 0.12, 4: 0.12, 8: 0.12, 16: 0.04, 32: 0.02}
"""Made-up jobs by their devices: most are small, most of the device hours are not."""
_MEDIAN_SECONDS, _SPREAD = 1200.0, 1.4
"""Of made-up jobs' lognormal durations: many minutes, few days."""
PHILLY_COLUMNS = ("num_gpu", "submit_time", "duration")
_GAVEL_COLUMNS = 7
_DEVICE = "v100"
NOT_MEASURED = "are of a kind that nobody measured on so many devices"


def read(path: Path, *, throughputs: Path | None = None) -> Trace:
    """Jobs by arrival. Comma-separated with a header (the Philly jobs that Muri prepared, or the tasks of openb), or
    tab-separated without one (Gavel's), which needs the measured steps per second beside it. Raises
    :class:`TraceError`."""
    with opened(path) as lines:
        head = next(lines, "")
        whole = chain([head], lines)
        if "\t" in head:
            found = _gavel(path, whole, throughputs)
        elif all(name in head for name in openb.POD_COLUMNS):
            found = openb.read_tasks(path, whole)
        else:
            found = Trace(list(_philly(path, whole)))
    if not found.jobs:
        raise TraceError(f"{path} has no job that can be replayed")
    first = min(job.arrives for job in found.jobs)
    jobs = sorted(
        (replace(job, arrives=job.arrives - first) for job in found.jobs), key=lambda job: (job.arrives, job.name)
    )
    return Trace(jobs, found.left_out)


def _philly(path: Path, lines: Iterator[str]) -> Iterator[Job]:
    """Milliseconds in the file."""
    rows = csv.DictReader(lines)
    missing = [name for name in PHILLY_COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise TraceError(f"{path} lacks the columns {', '.join(missing)}: it has {', '.join(rows.fieldnames or ())}")
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        yield Job(
            name=f"job-{number - 2:06d}",
            arrives=number_of(where, "submit_time", row["submit_time"]) / 1000,
            seconds=positive_of(where, "duration", row["duration"]) / 1000,
            devices=count_of(where, "num_gpu", row["num_gpu"]),
        )


def _gavel(path: Path, lines: Iterator[str], throughputs: Path | None) -> Trace:
    """Durations are steps by the measured speed of that kind of job on so many devices."""
    if throughputs is None:
        raise TraceError(
            f"{path} counts steps and not seconds: give --throughputs, the JSON file with steps per second"
        )
    speeds, left_out, jobs = _speeds(throughputs), 0, []
    for number, row in enumerate(csv.reader(lines, delimiter="\t"), start=1):
        where = f"{path}, line {number}"
        if len(row) < _GAVEL_COLUMNS:
            raise TraceError(f"{where}: {len(row)} columns where {_GAVEL_COLUMNS} are needed")
        kind, steps, arrives, devices = row[0], row[-3], row[-2], row[-1]
        count = count_of(where, "scale factor", devices)
        if not (speed := speeds.get((kind, count))):
            left_out += 1
            continue
        jobs.append(
            Job(
                name=f"job-{number - 1:06d}",
                arrives=number_of(where, "arrival time", arrives),
                seconds=positive_of(where, "steps", steps) / speed,
                devices=count,
            )
        )
    return Trace(jobs, {NOT_MEASURED: left_out} if left_out else {})


def _speeds(path: Path) -> dict[tuple[str, int], float]:
    """Steps per second by kind of job and number of devices, on V100 where it is in the file, else on the fastest."""
    try:
        measured: Mapping[str, Mapping[str, Mapping[str, float]]] = json.loads(path.read_text(encoding="utf-8"))
        found: dict[tuple[str, int], float] = {}
        for by_kind in [measured[_DEVICE]] if _DEVICE in measured else measured.values():
            for title, speeds in by_kind.items():
                kind, _, count = title.strip("()").rpartition(", ")
                key = kind.strip("'"), int(count)
                found[key] = max(found.get(key, 0.0), float(speeds["null"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TraceError(f"{path} is not a table of measured steps per second: {error!r}") from error
    return found


def nodes_for(jobs: Sequence[Job], *, load: float, devices: int) -> list[Node]:
    """As many equal nodes as these jobs keep busy to this degree while they come, and at least what the largest one
    needs."""
    work = sum(job.devices * job.seconds for job in jobs)
    span = max(job.arrives for job in jobs) or 1.0
    most = max(job.devices for job in jobs)
    return equal_nodes(max(math.ceil(work / (span * load * devices)), -(-most // devices)), devices=devices)


def make(*, seed: int, jobs: int, devices: int, load: float) -> list[Job]:
    """Made-up jobs that keep so many devices busy to this degree, on average and were none ever left free."""
    dice = random.Random(seed)
    sizes = [size for size in SHARES if size <= devices]
    if not sizes:
        raise TraceError("a cluster without devices has no jobs: give --nodes and --devices above 0")
    weights, scale = [SHARES[size] for size in sizes], math.log(_MEDIAN_SECONDS)
    drawn = [(dice.choices(sizes, weights)[0], dice.lognormvariate(scale, _SPREAD)) for _ in range(jobs)]
    work = sum(size * seconds for size, seconds in drawn)
    between = work / (load * devices * max(1, jobs))
    found, now = [], 0.0
    for number, (size, seconds) in enumerate(drawn):
        found.append(Job(name=f"job-{number:06d}", arrives=now, seconds=max(1.0, seconds), devices=size))
        now += dice.expovariate(1 / between)
    return found
