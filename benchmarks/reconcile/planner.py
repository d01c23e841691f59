"""How long one pass of the planner takes, in this process and without a cluster: a pool of many nodes, a long line."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import stages

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.admission import plan
from hostler.planning.pools import read_pool
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Request, Reservation, Workload

_POOL = "bench"
_REPEATS = 7
_SINCE = "2026-01-01T00:00:00Z"


def passes(*, nodes: int, waiting: int) -> dict[str, float]:
    """Median milliseconds of processor time of a snapshot and its plan, by what the pool is like."""
    uniform = [_request(number, pods=1, devices=8) for number in range(waiting)]
    # Gangs of every size up to a hundred pods, and pods of every size a node can hold.
    mixed = [_request(number, pods=1 + number * 7 % 100, devices=1 + number % 8) for number in range(waiting)]
    full, empty = _usage(nodes, held=nodes), _usage(nodes, held=0)
    crumbs = _usage(nodes, held=nodes - 3)
    return {
        "a full pool, equal jobs": _median(full, uniform),
        "a full pool, jobs of every shape": _median(full, mixed),
        "three nodes free, jobs of every shape": _median(crumbs, mixed),
        "an empty pool, equal jobs": _median(empty, uniform),
        "an empty pool, jobs of every shape": _median(empty, mixed),
    }


def _usage(nodes: int, *, held: int) -> PoolUsage:
    """A pool of so many nodes, of which some are taken whole."""
    usage = PoolUsage()
    label, value = stages.NODE_LABEL
    spec = AcceleratorPoolSpec.model_validate({"acceleratorType": "nvidia-a100-80", "nodeSelector": {label: value}})
    usage.put_pool(read_pool(_POOL, spec))
    for number in range(nodes):
        usage.put_node(stages.node(number))
    for number in range(held):
        usage.put_reservation(
            Reservation(
                workload=Workload("TrainingJob", "default", f"running-{number}"),
                pool=_POOL,
                need=_need(stages.DEVICES_PER_NODE),
                seats={f"fake-{number}": 1},
            )
        )
    return usage


def _need(devices: int) -> dict[str, int]:
    return {"cpu": 100, "memory": 256 * 2**20, "pods": 1, stages.DEVICE: devices}


def _request(number: int, *, pods: int, devices: int) -> Request:
    workload = Workload("TrainingJob", "default", f"waiting-{number}")
    return Request(workload=workload, pool=_POOL, least=pods, most=pods, need=_need(devices), since=_SINCE)


def _median(usage: PoolUsage, requests: list[Request]) -> float:
    return statistics.median(
        _milliseconds(lambda: plan(usage.snapshot([_POOL]), requests, 0.0)) for _ in range(_REPEATS)
    )


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)
