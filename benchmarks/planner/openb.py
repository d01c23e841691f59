"""Tasks and nodes of the trace that Alibaba published in 2023 with "Beware of Fragmentation" (openb), as its files are.

https://github.com/alibaba/clusterdata, folder cluster-trace-gpu-v2023. A task is one pod. It has CPU, memory, and whole
devices or a share of one, and may name the models of device that will do.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jobs import Job, Node, Trace, TraceError, count_of, number_of, opened

POD_COLUMNS = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
_TIMES = ("creation_time", "deletion_time", "scheduled_time")
NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_WHOLE = 1000
_MIB = 2**20
SHARED = "share a device with others, which no request here can say"
NEVER_RAN = "never ran, so that nobody knows for how long they would have"
NO_TIME = "took no time"


def read_tasks(path: Path, lines: Iterator[str]) -> Trace:
    """Tasks that ran, with whole devices or none. Raises :class:`TraceError`."""
    rows = csv.DictReader(lines)
    if missing := [name for name in _TIMES if name not in (rows.fieldnames or ())]:
        raise TraceError(
            f"{path} lacks the columns {', '.join(missing)}, without which nothing can be replayed: take a list of "
            "tasks with times, such as openb_pod_list_default.csv"
        )
    left_out: Counter[str] = Counter()
    jobs = []
    for number, row in enumerate(rows, start=2):
        found = _task(f"{path}, line {number}", f"job-{number - 2:06d}", row)
        if isinstance(found, str):
            left_out[found] += 1
        else:
            jobs.append(found)
    return Trace(jobs, dict(left_out))


def tasks(path: Path) -> Trace:
    """What the tasks of a list ask for, whether they ever ran or not: times are not looked at. Raises
    :class:`TraceError`."""
    left_out: Counter[str] = Counter()
    found = []
    with opened(path) as lines:
        rows = csv.DictReader(lines)
        if missing := [name for name in POD_COLUMNS if name not in (rows.fieldnames or ())]:
            raise TraceError(f"{path} is no list of tasks: it lacks the columns {', '.join(missing)}")
        for number, row in enumerate(rows, start=2):
            task = _asked(f"{path}, line {number}", f"task-{number - 2:06d}", row)
            if isinstance(task, str):
                left_out[task] += 1
            else:
                found.append(task)
    return Trace(found, dict(left_out))


def read_nodes(path: Path, *, every: int = 1) -> list[Node]:
    """The nodes of a list, or one of so many, in order. Raises :class:`TraceError`."""
    with opened(path) as lines:
        rows = csv.DictReader(lines)
        if missing := [name for name in NODE_COLUMNS if name not in (rows.fieldnames or ())]:
            raise TraceError(f"{path} is no list of nodes: it lacks the columns {', '.join(missing)}")
        found = [_node(f"{path}, line {number}", row) for number, row in enumerate(rows, start=2)]
    if not found:
        raise TraceError(f"{path} has no node")
    return found[::every]


def _node(where: str, row: dict[str, str]) -> Node:
    return Node(
        name=row["sn"],
        cpu=count_of(where, "cpu_milli", row["cpu_milli"], least=0),
        memory=count_of(where, "memory_mib", row["memory_mib"], least=0) * _MIB,
        devices=count_of(where, "gpu", row["gpu"], least=0),
        model=row["model"],
    )


def _task(where: str, name: str, row: dict[str, str]) -> Job | str:
    """A job, or why it cannot be one."""
    asked = _asked(where, name, row)
    if isinstance(asked, str):
        return asked
    if not row["scheduled_time"]:
        return NEVER_RAN
    seconds = number_of(where, "deletion_time", row["deletion_time"]) - number_of(
        where, "scheduled_time", row["scheduled_time"]
    )
    if seconds <= 0:
        return NO_TIME
    return replace(asked, arrives=number_of(where, "creation_time", row["creation_time"]), seconds=seconds)


def _asked(where: str, name: str, row: dict[str, str]) -> Job | str:
    """What a task wants, at no time and for no time; or why that cannot be asked of the planner."""
    devices = count_of(where, "num_gpu", row["num_gpu"], least=0)
    share = count_of(where, "gpu_milli", row["gpu_milli"], least=0) if devices else _WHOLE
    if share != _WHOLE:
        return SHARED
    return Job(
        name=name,
        arrives=0.0,
        seconds=0.0,
        devices=devices,
        cpu=count_of(where, "cpu_milli", row["cpu_milli"], least=0),
        memory=count_of(where, "memory_mib", row["memory_mib"], least=0) * _MIB,
        models=frozenset(filter(None, (row.get("gpu_spec") or "").split("|"))),
        on_one_node=True,
    )
