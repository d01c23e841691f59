"""How much of openb's devices is allocated when more and more is asked for, as in "Beware of Fragmentation" (Weng et
al., USENIX ATC 2023): tasks come one by one in an order of chance, and none ever ends; who finds no seat is sent away.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cluster import Cluster
from jobs import Job, Node, TraceError, opened

from hostler.planning.admission import plan
from hostler.planning.verdicts import Admit, Request, Reservation

DEMANDS = (100, 130)
"""Per cent of the devices at which is looked."""
_EXPECTED = ("metric", "workload", "policy")


def allocated(tasks: Sequence[Job], *, nodes: Sequence[Node], seed: int) -> dict[int, float]:
    """Per cent of the devices that are held, by how many per cent have been asked for."""
    drawn = list(_drawn(tasks, devices=sum(node.devices for node in nodes), seed=seed))
    cluster = Cluster(drawn, nodes=nodes)
    asked = held = 0
    found: dict[int, float] = {}
    full: set[tuple[str, frozenset[tuple[str, int]]]] = set()
    """Pools and shapes of which there is no room any more, and never will be, because nobody ends."""
    for job in drawn:
        asked += job.devices
        request = cluster.request(job, estimate=None)
        if job.name in cluster.jobs and (request.pool, request.shape) not in full:
            if _place(cluster, request, job.arrives):
                held += job.devices
            else:
                full.add((request.pool, request.shape))
        for demand in DEMANDS:
            if demand not in found and 100 * asked >= demand * cluster.devices:
                found[demand] = 100 * held / cluster.devices
    cluster.free_devices()
    return found


def _drawn(tasks: Sequence[Job], *, devices: int, seed: int) -> Iterator[Job]:
    """All of them in an order of chance, and again, until the largest demand has been asked for."""
    if not any(task.devices for task in tasks):
        raise TraceError("none of the tasks wants a device")
    dice, asked, number = random.Random(seed), 0, 0
    while True:
        for task in dice.sample(tasks, len(tasks)):
            yield replace(task, name=f"task-{number:06d}", arrives=float(number))
            asked, number = asked + task.devices, number + 1
            if 100 * asked >= max(DEMANDS) * devices:
                return


def _place(cluster: Cluster, request: Request, now: float) -> bool:
    verdict = plan(cluster.usage.snapshot({request.pool}), [request], now).verdicts[request.workload]
    if not isinstance(verdict, Admit):
        return False
    cluster.usage.put_reservation(
        Reservation(workload=request.workload, pool=request.pool, need=request.need, seats=verdict.seats)
    )
    return True


def is_expected(path: Path) -> bool:
    """Whether this is a table of published results."""
    with opened(path) as lines:
        return next(lines, "").startswith(",".join(_EXPECTED))


def published(path: Path) -> dict[str, dict[str, dict[int, float]]]:
    """Per cent allocated by workload, policy and demand, as the authors have them. Raises :class:`TraceError`."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    with opened(path) as lines:
        for row in csv.DictReader(lines):
            if row["metric"] == "allocated_gpu_percent":
                policy = row["policy"].partition("-")[2]
                found.setdefault(row["workload"], {})[policy] = {each: float(row[f"at_{each}"]) for each in DEMANDS}
    return found
