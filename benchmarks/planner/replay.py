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

from traces import Job

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.admission import plan
from hostler.planning.pools import read_pool
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Reservation, Workload

POOL = "replay"
DEVICE = "nvidia.com/gpu"
_LABEL = {"hostler.dev/pool": POOL}
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
    """One pool of equal nodes."""

    def __init__(self, jobs: Sequence[Job], *, nodes: int, devices: int) -> None:
        """``devices`` of each node. Jobs larger than all of them together must not be among ``jobs``."""
        self._jobs = {job.name: job for job in jobs}
        self._per_node = devices
        self._names = [f"node-{number}" for number in range(nodes)]
        self._usage = PoolUsage()
        spec = AcceleratorPoolSpec.model_validate({"acceleratorType": "nvidia-a100-80", "nodeSelector": _LABEL})
        self._usage.put_pool(read_pool(POOL, spec))
        for name in self._names:
            self._usage.put_node(_node(name, devices))
        self._line: dict[Workload, Request] = {}
        self._ends: list[tuple[float, str]] = []
        self._run = Run(devices=nodes * devices)
        self._now = 0.0

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
        free = [self._usage.free(name)[DEVICE] for name in self._names]
        if min(free) < 0:
            raise RuntimeError(f"a device was given away twice, {now:.0f} s after the beginning")
        run = self._run
        run.busy += elapsed * (run.devices - sum(free))
        if self._line:
            run.line_seconds += elapsed
            run.line_free += elapsed * sum(free)
            run.line_crumbs += elapsed * sum(each for each in free if each < self._per_node)

    def _pass(self) -> None:
        if not self._line:
            return
        run = self._run
        run.longest_line = max(run.longest_line, len(self._line))
        began = time.process_time()
        verdicts = plan(self._usage.snapshot([POOL]), self._line.values(), self._now)
        run.passes.append(time.process_time() - began)
        for workload, verdict in verdicts.items():
            if isinstance(verdict, Admit):
                self._start(self._line.pop(workload), verdict)

    def _start(self, request: Request, verdict: Admit) -> None:
        name = request.workload.name
        self._run.started[name] = self._now
        self._usage.put_reservation(
            Reservation(workload=request.workload, pool=POOL, need=request.need, seats=verdict.seats)
        )
        heapq.heappush(self._ends, (self._now + self._jobs[name].seconds, name))

    def _request(self, job: Job) -> Request:
        """One pod where a node is enough, else as few pods as possible that are all alike."""
        pods = next(
            pods for pods in range(-(-job.devices // self._per_node), job.devices + 1) if job.devices % pods == 0
        )
        need = {"cpu": 100, "memory": 2**20, "pods": 1, DEVICE: job.devices // pods}
        since = _BEGINNING + timedelta(seconds=job.arrives)
        return Request(
            workload=_workload(job.name),
            pool=POOL,
            least=pods,
            most=pods,
            need=need,
            since=since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )


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


def _node(name: str, devices: int) -> dict[str, object]:
    amounts = {"cpu": "1024", "memory": "8Ti", "pods": "1024", DEVICE: str(devices)}
    return {
        "metadata": {"name": name, "labels": _LABEL},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
