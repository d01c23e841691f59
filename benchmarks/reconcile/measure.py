"""One run of one system: jobs are created, and everything is noted until all have ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import audit
from client import METADATA, Api, BenchError
from peers import Installed, hook, temporary, unhook
from plane import ControlPlane
from processes import DiedError, cpu_seconds, machine_seconds, memory_mib, reset_peak
from systems import COLLECTIONS, HOSTLER, NAMESPACE, PODS, System, operator_argv

Object = dict[str, Any]

_AT_ONCE = 16
"""Requests of the benchmark that are under way together."""
_BESIDE = ("apiserver", "etcd", "controller-manager", "scheduler", "kwok")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a system."""

    jobs: int
    rate: float = 0.0
    """Jobs per second; 0 creates all at once."""
    patience: float = 300.0
    """Seconds until the rest is given up."""

    @property
    def title(self) -> str:
        return f"{self.jobs} jobs, {f'{self.rate:g}/s' if self.rate else 'all at once'}"


@dataclass(kw_only=True)
class Measured:
    """Figures of one run; seconds unless a name says otherwise."""

    system: str
    load: Load
    pods: int
    """Jobs that got their pod."""
    ended: int
    """Jobs that ended well."""
    all_pods: float
    """From the first creation to the last pod."""
    all_ended: float
    to_pod_p50: float
    to_pod_p95: float
    cpu_ms_per_job: dict[str, float]
    """By program."""
    peak_mib: dict[str, float]
    writes: audit.Writes
    foreign_cores: float
    """Cores that were busy with something that is none of ours."""
    died: str | None = None
    """Which controller ended in the middle, with its last words."""

    @property
    def pods_per_second(self) -> float:
        return self.pods / self.all_pods if self.all_pods else 0.0


@dataclass
class _Seen:
    """What the watches told."""

    system: System
    wanted: int
    created: dict[str, float] = field(default_factory=dict)
    pods: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def pod(self, at: float, kind: str, obj: Object) -> None:
        job = (obj["metadata"].get("labels") or {}).get(self.system.pod_label)
        if kind == "ADDED" and job in self.created:
            self.pods.setdefault(job, at)

    def job(self, at: float, _kind: str, obj: Object) -> None:
        name = obj["metadata"]["name"]
        if name in self.created and name not in self.ended and self.system.has_ended(obj):
            self.ended[name] = at
            if len(self.ended) == self.wanted:
                self.complete.set()

    def waits(self) -> list[float]:
        """Seconds from the creation of each job to its pod, sorted."""
        return sorted(at - self.created[job] for job, at in self.pods.items())


@contextlib.asynccontextmanager
async def controllers(
    system: System, *, plane: ControlPlane, api: Api, peers: Mapping[str, Installed]
) -> AsyncIterator[None]:
    """The system's own programs, warm: a first job has gone all the way."""
    try:
        for name in system.controllers:
            argv = operator_argv(plane) if name == HOSTLER.name else peers[name].argv
            environment = {"KUBECONFIG": str(plane.kubeconfig(name)), "POD_NAMESPACE": NAMESPACE}
            if name in peers:
                environment["TMPDIR"] = str(temporary(peers[name].peer, plane))
            plane.processes.start(name, argv, cwd=plane.directory, env=environment)
        for name in system.controllers:
            if name in peers:
                await hook(peers[name], api)
        await _warm_up(system, plane=plane, api=api)
        yield
    finally:
        for name in system.controllers:
            if name in peers:
                await unhook(peers[name], api)
        plane.processes.stop(system.controllers)


async def _warm_up(system: System, *, plane: ControlPlane, api: Api) -> None:
    async def accepted() -> bool:
        plane.processes.require_alive()
        # Refused as long as a webhook has nobody behind it.
        status, _ = await api.call("POST", system.collection, body=system.manifest("warm-up"))
        return status in {201, 409}

    async def ended() -> bool:
        plane.processes.require_alive()
        return system.has_ended(await api.get(f"{system.collection}/warm-up"))

    await api.until(accepted, what=system.name)
    await api.until(ended, what=f"the first job of {system.name}")
    await clear(api)
    await asyncio.sleep(1.0)


async def clear(api: Api, *, within: float = 300.0) -> None:
    """Delete what a run made, and wait until the last of it is gone."""
    for collection in COLLECTIONS:
        await api.delete(collection)

    async def gone() -> bool:
        return not sum([await api.count(collection) for collection in COLLECTIONS])

    await api.until(gone, what="an empty namespace", within=within)
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    for service in (await api.get(services))["items"]:
        if service["metadata"]["name"] != "kubernetes":
            await api.delete(f"{services}/{service['metadata']['name']}")


async def measure(system: System, load: Load, *, plane: ControlPlane, api: Api) -> Measured:
    """Create the jobs and watch; the system's controllers run."""
    seen = _Seen(system, load.jobs)
    watches = [
        asyncio.create_task(api.watch(PODS, seen.pod, accept=METADATA)),
        asyncio.create_task(api.watch(system.collection, seen.job)),
    ]
    await asyncio.sleep(0.5)
    names = [*_BESIDE, *system.controllers]
    pids = {name: plane.processes.pid(name) for name in names}
    for pid in pids.values():
        reset_peak(pid)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    machine, own, mark = machine_seconds(), time.process_time(), audit.size(plane.audit_log)
    began = time.monotonic()
    try:
        await _create(system, load, api=api, created=seen.created)
        died = await _until_complete(seen, load, plane=plane, watches=watches)
    finally:
        for watch in watches:
            watch.cancel()
    took = time.monotonic() - began
    # Of a program that has ended, the kernel tells nothing any more.
    used = {name: max(0.0, cpu_seconds(pid) - before[name]) for name, pid in pids.items()}
    foreign = machine_seconds() - machine - sum(used.values()) - (time.process_time() - own)
    # The last writes, such as a Model's status, and their lines in the log.
    await asyncio.sleep(1.5)
    waits = seen.waits() or [float("inf")]
    return Measured(
        system=system.name,
        load=load,
        pods=len(seen.pods),
        ended=len(seen.ended),
        all_pods=max(seen.pods.values(), default=began) - began,
        all_ended=max(seen.ended.values(), default=began) - began,
        to_pod_p50=_percentile(waits, 0.5),
        to_pod_p95=_percentile(waits, 0.95),
        cpu_ms_per_job={name: 1000 * seconds / load.jobs for name, seconds in used.items()},
        peak_mib={name: memory_mib(pids[name], peak=True) for name in system.controllers},
        writes={user: counts for user, counts in audit.writes(plane.audit_log, since=mark).items()
                if user in system.controllers},
        foreign_cores=foreign / took,
        died=died,
    )  # fmt: skip


async def _create(system: System, load: Load, *, api: Api, created: dict[str, float]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)
    # Names of their own for each run, so that a late event of an earlier one is not counted.
    run = f"{int(time.time()) % 100_000:05d}"

    async def one(number: int) -> None:
        async with slots:
            name = f"b{run}-{number}"
            created[name] = time.monotonic()
            await api.create(system.collection, system.manifest(name))

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(load.jobs):
            if load.rate:
                await asyncio.sleep(max(0.0, began + number / load.rate - time.monotonic()))
            group.create_task(one(number))


async def _until_complete(
    seen: _Seen, load: Load, *, plane: ControlPlane, watches: list[asyncio.Task[None]]
) -> str | None:
    """Wait until all have ended, a controller has died (returned) or patience has; raises where a watch failed."""
    deadline = time.monotonic() + load.patience
    while not seen.complete.is_set() and time.monotonic() < deadline:
        for watch in watches:
            if watch.done():
                watch.result()
                raise BenchError("a watch has ended")
        try:
            plane.processes.require_alive()
        except DiedError as error:
            return str(error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(seen.complete.wait(), 0.5)
    return None


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
