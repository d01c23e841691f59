"""The cluster of a replay: the nodes of a trace in ``PoolUsage``, one pool for each choice of devices that jobs leave.

Pools overlap where jobs name models of device, as they may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from jobs import Job, Node

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.pools import read_pool
from hostler.planning.resources import holds
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Request, Workload

DEVICE = "nvidia.com/gpu"
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock's time at the first arrival."""
_CORES = "cpu"
_MOST_PODS = 1024


class Cluster:
    """Nodes, the jobs that they could ever hold, and what is used of them."""

    def __init__(self, jobs: Iterable[Job], *, nodes: Sequence[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.devices = sum(node.devices for node in nodes)
        self._per_node = max(node.devices for node in nodes)
        self.too_large: list[Job] = []
        """What the empty cluster could not hold, and is left out."""
        self.jobs: dict[str, Job] = {}
        for job in jobs:
            if self._is_held(job):
                self.jobs[job.name] = job
            else:
                self.too_large.append(job)
        self.now = 0.0
        """Seconds since the first arrival."""
        self.usage = PoolUsage(clock=lambda: self.now)
        for pool in sorted({pool_of(job) for job in self.jobs.values()}):
            spec = AcceleratorPoolSpec.model_validate(
                {"acceleratorType": _CORES if pool == _CORES else "nvidia-a100-80", "nodeSelector": _label(pool)}
            )
            self.usage.put_pool(read_pool(pool, spec))
        pools = {pool_of(job): job.models for job in self.jobs.values()}
        for node in nodes:
            self.usage.put_node(_manifest(node, [name for name, models in pools.items() if _suits(node, models)]))

    def request(self, job: Job, *, estimate: float | None) -> Request:
        """What a job asks the planner for."""
        pods = self.pods(job)
        since = BEGINNING + timedelta(seconds=job.arrives)
        return Request(
            workload=workload_of(job),
            pool=pool_of(job),
            least=pods,
            most=pods,
            need=_need(job, pods),
            since=since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            estimate=estimate,
        )

    def pods(self, job: Job) -> int:
        """One pod where a node is enough, else as few as possible that are all alike."""
        if job.on_one_node or job.devices <= self._per_node:
            return 1
        fewest = -(-job.devices // self._per_node)
        return next(pods for pods in range(fewest, job.devices + 1) if job.devices % pods == 0)

    def free_devices(self) -> Mapping[str, int]:
        """By node. Raises ``RuntimeError`` where one was given away twice."""
        free = {name: self.usage.free(name).get(DEVICE, 0) for name in self.nodes}
        if min(free.values()) < 0:
            raise RuntimeError("a device was given away twice")
        return free

    def _is_held(self, job: Job) -> bool:
        pods = self.pods(job)
        need = _need(job, pods)
        room = 0
        for node in self.nodes.values():
            room += holds(_offered(node), need) if _suits(node, job.models) else 0
            if room >= pods:
                return True
        return False


def workload_of(job: Job) -> Workload:
    """Its name as the planner has it."""
    return Workload("TrainingJob", job.namespace, job.name)


def pool_of(job: Job) -> str:
    """The pool that has every node which may do, and no other; who wants no device is in one of cores."""
    return _CORES if not job.devices else "-".join(("any", *sorted(job.models)))


def _label(pool: str) -> dict[str, str]:
    return {f"hostler.dev/{pool}": "true"}


def _suits(node: Node, models: frozenset[str]) -> bool:
    return not models or node.model in models


def _need(job: Job, pods: int) -> dict[str, int]:
    devices = {DEVICE: job.devices // pods} if job.devices else {}
    return {"cpu": job.cpu, "memory": job.memory, "pods": 1, **devices}


def _offered(node: Node) -> dict[str, int]:
    return {"cpu": node.cpu, "memory": node.memory, "pods": _MOST_PODS, DEVICE: node.devices}


def _manifest(node: Node, pools: Iterable[str]) -> dict[str, object]:
    amounts = {name: str(amount) for name, amount in _offered(node).items()} | {"cpu": f"{node.cpu}m"}
    labels: dict[str, str] = {}
    for pool in pools:
        labels |= _label(pool)
    return {
        "metadata": {"name": node.name, "labels": labels},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
