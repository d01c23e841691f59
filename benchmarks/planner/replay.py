"""The operator's own planner on the jobs of a trace, in virtual time: no cluster, no clock, no waiting.

Every arrival and every end is followed by one pass of ``hostler.planning.admission.plan`` on a snapshot of
``PoolUsage``, as in the operator.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jobs import Job, Node

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.admission import plan
from hostler.planning.pools import read_pool
from hostler.planning.resources import holds
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Reservation, Workload

DEVICE = "nvidia.com/gpu"
_CORES = "cpu"
_MOST_PODS = 1024
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class Run:
    """What came of a trace."""

    devices: int
    started: dict[str, float] = field(default_factory=dict)
    """When each job got its devices."""
    passes: list[float] = field(default_factory=list)
    """Seconds of processor time of each pass, its snapshot included."""
    longest_line: int = 0
    seconds: float = 0.0
    """From the first arrival to the last end."""
    busy: float = 0.0
    """Device seconds that jobs held."""
    line_seconds: float = 0.0
    """While somebody waited."""
    line_free: float = 0.0
    """Device seconds that were free meanwhile: nobody in line could use them."""
    line_crumbs: float = 0.0
    """Those of them on nodes of which a part was in use."""


class Replay:
    """Nodes of one cluster, in one pool for each choice of devices that jobs leave: pools overlap, as they may."""

    def __init__(self, jobs: Iterable[Job], *, nodes: Sequence[Node]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._per_node = max(node.devices for node in nodes)
        self.too_large: list[Job] = []
        """What the empty cluster could not hold, and is left out."""
        self._jobs: dict[str, Job] = {}
        for job in jobs:
            if self._is_held(job):
                self._jobs[job.name] = job
            else:
                self.too_large.append(job)
        self._usage = PoolUsage()
        for pool in sorted({_pool(job) for job in self._jobs.values()}):
            spec = AcceleratorPoolSpec.model_validate(
                {"acceleratorType": _CORES if pool == _CORES else "nvidia-a100-80", "nodeSelector": _label(pool)}
            )
            self._usage.put_pool(read_pool(pool, spec))
        pools = {_pool(job): job.models for job in self._jobs.values()}
        for node in nodes:
            self._usage.put_node(_manifest(node, [name for name, models in pools.items() if _suits(node, models)]))
        self._line: dict[Workload, Request] = {}
        self._ends: list[tuple[float, str]] = []
        self._run = Run(devices=sum(node.devices for node in nodes))
        self._now = 0.0

    @property
    def jobs(self) -> list[Job]:
        """What is replayed."""
        return list(self._jobs.values())

    def run(self) -> Run:
        """All of it. Raises ``RuntimeError`` where a job never starts or a device is given away twice."""
        arrivals = sorted(self._jobs.values(), key=lambda job: (job.arrives, job.name))
        coming = 0
        while coming < len(arrivals) or self._ends:
            moments = [job.arrives for job in arrivals[coming : coming + 1]] + [at for at, _ in self._ends[:1]]
            now = min(moments)
            self._let_pass(now)
            while self._ends and self._ends[0][0] <= now:
                self._usage.remove_reservation(_workload(heapq.heappop(self._ends)[1]))
            while coming < len(arrivals) and arrivals[coming].arrives <= now:
                request = self._request(arrivals[coming])
                self._line[request.workload] = request
                coming += 1
            self._pass()
        if self._line:
            raise RuntimeError(f"{len(self._line)} jobs never started: {sorted(map(str, self._line))[:3]}")
        self._run.seconds = self._now
        return self._run

    def _let_pass(self, now: float) -> None:
        """Count what was held and what was free since the last moment."""
        elapsed, self._now = now - self._now, now
        free = {name: self._usage.free(name).get(DEVICE, 0) for name in self._nodes}
        if min(free.values()) < 0:
            raise RuntimeError(f"a device was given away twice, {now:.0f} s after the beginning")
        run = self._run
        run.busy += elapsed * (run.devices - sum(free.values()))
        if self._line:
            run.line_seconds += elapsed
            run.line_free += elapsed * sum(free.values())
            run.line_crumbs += elapsed * sum(each for name, each in free.items() if each < self._nodes[name].devices)

    def _pass(self) -> None:
        if not self._line:
            return
        run = self._run
        run.longest_line = max(run.longest_line, len(self._line))
        began = time.process_time()
        snapshot = self._usage.snapshot({each.pool for each in self._line.values()})
        verdicts = plan(snapshot, self._line.values(), self._now).verdicts
        run.passes.append(time.process_time() - began)
        for workload, verdict in verdicts.items():
            if isinstance(verdict, Admit):
                self._start(self._line.pop(workload), verdict)

    def _start(self, request: Request, verdict: Admit) -> None:
        name = request.workload.name
        self._run.started[name] = self._now
        self._usage.put_reservation(
            Reservation(workload=request.workload, pool=request.pool, need=request.need, seats=verdict.seats)
        )
        heapq.heappush(self._ends, (self._now + self._jobs[name].seconds, name))

    def _request(self, job: Job) -> Request:
        pods = self._pods(job)
        since = _BEGINNING + timedelta(seconds=job.arrives)
        return Request(
            workload=_workload(job.name),
            pool=_pool(job),
            least=pods,
            most=pods,
            need=_need(job, pods),
            since=since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )

    def _is_held(self, job: Job) -> bool:
        pods = self._pods(job)
        need = _need(job, pods)
        room = 0
        for node in self._nodes.values():
            room += holds(_offered(node), need) if _suits(node, job.models) else 0
            if room >= pods:
                return True
        return False

    def _pods(self, job: Job) -> int:
        """One pod where a node is enough, else as few as possible that are all alike."""
        if job.on_one_node or job.devices <= self._per_node:
            return 1
        fewest = -(-job.devices // self._per_node)
        return next(pods for pods in range(fewest, job.devices + 1) if job.devices % pods == 0)


def figures(jobs: Iterable[Job], run: Run) -> dict[str, float]:
    """Waiting times, use and passes of a run, by what they are called in the report."""
    known = list(jobs)
    waits = sorted(run.started[job.name] - job.arrives for job in known)
    slow = [(run.started[job.name] - job.arrives + job.seconds) / max(job.seconds, 10.0) for job in known]
    passes = sorted(1000 * each for each in run.passes)
    return {
        "jobs": len(known),
        "wait mean, s": sum(waits) / len(waits),
        "wait p50, s": _quantile(waits, 0.5),
        "wait p95, s": _quantile(waits, 0.95),
        "wait p99, s": _quantile(waits, 0.99),
        "completion mean, s": sum(waits) / len(waits) + sum(job.seconds for job in known) / len(known),
        "bounded slowdown mean": sum(max(1.0, each) for each in slow) / len(slow),
        "utilization": run.busy / (run.devices * run.seconds),
        "utilization while somebody waits": 1 - _share(run.line_free, run.devices * run.line_seconds),
        "free while somebody waits": _share(run.line_free, run.devices * run.line_seconds),
        "of that on nodes in use": _share(run.line_crumbs, run.line_free),
        "longest line": run.longest_line,
        "passes": len(passes),
        "pass p50, ms": _quantile(passes, 0.5),
        "pass p95, ms": _quantile(passes, 0.95),
        "pass max, ms": passes[-1],
    }


def _quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    return values[max(0, -(-int(share * 1000) * len(values) // 1000) - 1)]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _workload(name: str) -> Workload:
    return Workload("TrainingJob", "replay", name)


def _pool(job: Job) -> str:
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
