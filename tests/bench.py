"""Controllers on a cluster in memory, and a small one to begin with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from builders import make_pool
from fakeaccess import FakeReader, FakeWriter
from fakes import CLUSTER_SCOPED, FakeCluster, FakeFacts

from hostler.cluster.store import Change
from hostler.controllers.admitter import Admitter
from hostler.controllers.all import build_controllers
from hostler.controllers.ports import Controller, Key, Outcome
from hostler.controllers.settings import Settings
from hostler.manifests.configfile import JOB_CONFIG
from hostler.metrics.operator import OperatorMetrics
from hostler_contract import JobConfig

Object = dict[str, Any]

GPU, IPU = "nvidia.com/gpu", "c600.graphcore.ai/ipu"
SETTINGS = Settings(train_image="registry/train:1", serve_image="registry/serve:1", pool_interval_seconds=0.0)


class Bench:
    """Controllers and admission on a cluster in memory; ``settle`` lets them work until nothing changes."""

    def __init__(self, *, build: Any, settings: Any, cluster: FakeCluster | None = None) -> None:
        self.cluster = cluster or FakeCluster()
        self.writer = FakeWriter(self.cluster)
        self.facts = FakeFacts()
        self._build = build
        self._settings = settings
        self.controllers: dict[str, Controller] = {}
        self.woken: list[str] = []
        """Workloads whose verdict changed, since somebody looked last."""
        self.moved: set[str] = set()
        """Pools whose figures may have moved."""
        self.cluster.objects.listeners.append(self._changed)
        self.restart()

    def restart(self, *, settings: Any = None, stopwatch: Callable[[], float] = time.perf_counter) -> None:
        """A new process: nothing is remembered."""
        self.woken.clear()
        self._settings = settings or self._settings
        self.reader = FakeReader(self.cluster)
        self.metrics = OperatorMetrics()
        self.admitter = Admitter(
            clock=self.cluster.clock,
            wake=lambda workload: self.woken.append(workload.name),
            wake_granted=lambda workload: self.woken.append(workload.name),
            wake_pool=self.moved.add,
            grace=self._settings.seat_grace_seconds,
            metrics=self.metrics.admission,
            stopwatch=stopwatch,
        )
        found = self._build(
            self.reader,
            self.writer,
            clock=self.cluster.clock,
            facts=self.facts,
            admission=self.admitter,
            settings=self._settings,
        )
        self.controllers = {controller.kind: controller for controller in found}
        for (kind, _, _), obj in sorted(self.cluster.objects.items()):
            self._changed(Change(kind, None, obj))

    def _changed(self, change: Change) -> None:
        """As the operator hears of it: admission, and the controllers, whose keys are of no use here."""
        self.admitter.changed(change)
        for controller in self.controllers.values():
            list(controller.affected(change))

    async def reconcile(self, kind: str, name: str, *, namespace: str = "default") -> Outcome:
        """One look at one object."""
        return await self.controllers[kind].reconcile(Key(kind, "" if kind in CLUSTER_SCOPED else namespace, name))

    async def settle(self, *, rounds: int = 10) -> None:
        """Look at everything, and let admission answer, until a whole round writes nothing."""
        for _ in range(rounds):
            before = len(self.writer.writes)
            for key in self.keys():
                await self.controllers[key.kind].reconcile(key)
            answered = self.answered()
            if len(self.writer.writes) == before and not answered:
                return
        raise AssertionError(f"no rest after {rounds} rounds: {self.writer.writes[-10:]}")

    def answered(self) -> bool:
        """A pass of admission; whether anybody has another verdict by it."""
        before = len(self.woken)
        self.admitter.run_pass()
        return len(self.woken) > before

    def keys(self) -> list[Key]:
        """Every object of ours."""
        return [Key(*key) for kind in self.controllers for key in sorted(self.cluster.objects) if key[0] == kind]

    def job_config(self, name: str) -> JobConfig:
        """What the pods of a batch Job find as their file."""
        template = self.cluster.object("Job", name)["spec"]["template"]
        return JobConfig.from_json(template["metadata"]["annotations"][JOB_CONFIG])

    def status(self, kind: str, name: str) -> Object:
        """The status of an object."""
        found: Object = self.cluster.object(kind, name).get("status") or {}
        return found

    def condition(self, kind: str, name: str, condition: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        for found in self.status(kind, name).get("conditions", ()):
            if found["type"] == condition:
                return found["status"], found["reason"], found["message"]
        raise AssertionError(f"{kind} {name} has no condition {condition}: {self.status(kind, name)}")


def make_bench() -> Bench:
    """One GPU node with four simulated A100, one IPU node with four simulated C600, a ConfigMap with text."""
    bench = Bench(build=build_controllers, settings=SETTINGS)
    simulated = {"hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-1", labels={"hostler.dev/pool": "gpu", **simulated}, devices={GPU: 4})
    bench.cluster.node("ipu-1", labels={"hostler.dev/pool": "ipu", **simulated}, devices={IPU: 4})
    bench.cluster.put(make_pool("gpu"))
    bench.cluster.put(make_pool("ipu", acceleratorType="graphcore-c600"))
    bench.cluster.text()
    return bench
