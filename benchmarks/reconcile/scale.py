"""Hostler with a pool of 1,000 nodes of 8 devices, all taken, and 2,000 jobs in line: what it costs to stand still, how
fast the next one starts, and how long a restart takes.

Fails where a demand is missed. See docs/benchmarks/scale.md for the method.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import audit
import planner
import report
import systems
from bench import control_plane, note
from client import METADATA, Api, BenchError
from demands import Demand
from plane import ControlPlane
from processes import DiedError, cpu_seconds, free_ports, memory_mib, reset_peak, stop_on_signals
from stages import DEVICES_PER_NODE

from hostler.local.errors import LocalClusterError
from hostler.metrics import names

MOST_PASS_MS = 100.0
MOST_IDLE_CORES = 0.10
MOST_START_SECONDS = 1.0
MOST_MIB = 400.0
MOST_RESTART_SECONDS = 3.0
MOST_BLOCK_SECONDS = 0.1
RESYNC = 120
"""Seconds between two full lists: one falls into the time in which nothing changes."""
_AT_ONCE = 16
_REMEMBERED = 30.0
_HELD = {"apiVersion": "v1", "kind": "Pod"}


@dataclass(kw_only=True)
class Found:
    """Figures of one run."""

    passes_ms: dict[str, float]
    objects: int = 0
    idle_cores: float = 0.0
    idle_mib: float = 0.0
    idle_writes: int = 0
    starts: tuple[float, ...] = ()
    """Seconds from the end of a job's pod to the next job's pod."""
    restart_ready: float = 0.0
    """Seconds from the start of the process until it is ready."""
    restart_done: float = 0.0
    """Until it has looked at everything."""
    restart_cpu: float = 0.0
    """The operator's processor time until then, in seconds."""
    restart_writes: int = 0
    peak_mib: float = 0.0
    late: dict[str, float] = field(default_factory=dict)
    """The longest delay of the operator's event loop, in seconds, by what was going on."""
    blocks: dict[str, float] = field(default_factory=dict)
    """The most processor time that the loop used in a row, in seconds. The rest of a delay is the machine's, which has
    two cores for an API server, etcd, two controllers, kwok and the operator."""


@dataclass
class Operator:
    """One operator process and what it says of itself."""

    plane: ControlPlane
    http: aiohttp.ClientSession
    kubeconfig: Path | None = None
    """Another one than the plane's."""
    port: int = 0

    def start(self) -> int:
        (self.port,) = free_ports(1)
        argv = systems.operator_argv(self.plane, metrics=self.port, kubeconfig=self.kubeconfig)
        argv.append(f"--resync={RESYNC}")
        return self.plane.processes.start("hostler", argv, cwd=self.plane.directory)

    async def figure(self, name: str, *, only: str = "") -> float | None:
        """The sum of a metric over its labels, or over the series that have this one, such as ``kind="Pod"``; None
        where nobody answers."""
        try:
            async with self.http.get(f"http://127.0.0.1:{self.port}/metrics") as response:
                lines = (await response.text()).splitlines()
        except aiohttp.ClientError:
            return None
        samples = [line.rsplit(" ", 1) for line in lines if line.startswith((f"{name} ", f"{name}{{")) and only in line]
        return sum(float(value) for _, value in samples)


async def run(options: argparse.Namespace) -> Found:
    """All figures, the planner's first."""
    found = Found(passes_ms=planner.passes(nodes=options.nodes, waiting=options.waiting))
    note(f"planner: {found.passes_ms}")
    # Nothing ends by itself.
    async with control_plane(nodes=options.nodes, pod_seconds=1e6, keep=options.keep) as (plane, api):
        await systems.prepare_hostler(api)
        async with aiohttp.ClientSession() as http:
            operator = Operator(plane, http)
            pid = operator.start()
            async with _watched(found, operator, "while jobs come"):
                await _fill(options, plane=plane, api=api)
                await _until_quiet(plane)
            found.objects = int(await operator.figure(names.STORE_OBJECTS) or 0)
            async with _watched(found, operator, "while nothing changes, with a full list"):
                await _stand_still(found, pid=pid, plane=plane, seconds=options.seconds)
            note(f"idle: {found.idle_cores:.3f} cores, {found.idle_mib:.0f} MiB, {found.idle_writes} writes")
            async with _watched(found, operator, "while jobs end and start"):
                found.starts = await _free_and_start(options.turns, plane=plane, api=api)
            note(f"starts: {found.starts}")
            # Places in line are written at most once a minute, and what is behind then is no restart's doing.
            await _until_quiet(plane, seconds=75.0)
            found.peak_mib = memory_mib(pid, peak=True)
            await _restart(found, operator, wanted=options.running + options.waiting - options.turns)
    return found


@asynccontextmanager
async def _watched(found: Found, operator: Operator, what: str) -> AsyncIterator[None]:
    """Keep the longest block of the loop and its longest delay. The operator tells those of the last half minute."""

    async def look() -> None:
        for figures, name in ((found.late, names.LOOP_LAG), (found.blocks, names.LOOP_BUSY)):
            figures[what] = max(figures.get(what, 0.0), await operator.figure(name) or 0.0)

    async def watch() -> None:
        # What was before is forgotten by then.
        await asyncio.sleep(_REMEMBERED)
        while True:
            await look()
            await asyncio.sleep(_REMEMBERED / 3)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
    await look()
    note(f"longest block {what}: {found.blocks[what]:.3f} s, {found.late[what]:.3f} s late")


async def _fill(options: argparse.Namespace, *, plane: ControlPlane, api: Api) -> None:
    """Jobs that take every device, jobs that wait, and pods of strangers up to the number of objects."""
    make = partial(systems.training_job, devices=DEVICES_PER_NODE)
    await _create(api, systems.HOSTLER.collection, [make(f"running-{n}") for n in range(options.running)])
    await _count(api, systems.PODS, options.running, plane=plane, what="the pods of all jobs that fit")
    note(f"{options.running} jobs run")
    await _create(api, systems.HOSTLER.collection, [make(f"waiting-{n}") for n in range(options.waiting)])
    left = options.objects - options.nodes - 2 * options.running - options.running - options.waiting
    await _create(api, systems.PODS, [_stranger(n) for n in range(max(0, left))])
    note(f"{options.waiting} jobs wait, {max(0, left)} pods of strangers stand by")


def _stranger(number: int) -> dict[str, Any]:
    """A pod that nobody schedules."""
    spec = {"schedulingGates": [{"name": "bench/held"}], "containers": [{"name": "main", "image": "none"}]}
    return _HELD | {"metadata": {"name": f"stranger-{number}"}, "spec": spec}


async def _create(api: Api, collection: str, bodies: list[dict[str, Any]]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(body: dict[str, Any]) -> None:
        async with slots:
            await api.create(collection, body)

    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(one(body))


async def _count(api: Api, collection: str, wanted: int, *, plane: ControlPlane, what: str) -> None:
    async def reached() -> bool:
        plane.processes.require_alive()
        return await api.count(collection) >= wanted

    await api.until(reached, what=what, within=1200.0)


async def _until_quiet(plane: ControlPlane, *, seconds: float = 10.0, within: float = 900.0) -> None:
    """Wait until the operator has written nothing for a while."""
    deadline = time.monotonic() + within
    mark, since = audit.size(plane.audit_log), time.monotonic()
    while time.monotonic() - since < seconds:
        plane.processes.require_alive()
        if time.monotonic() > deadline:
            raise BenchError(f"the operator still writes after {within:g} s")
        await asyncio.sleep(1.0)
        if audit.writes(plane.audit_log, since=mark).get("hostler"):
            since = time.monotonic()
        mark = audit.size(plane.audit_log)


async def _stand_still(found: Found, *, pid: int, plane: ControlPlane, seconds: float) -> None:
    mark, used, began = audit.size(plane.audit_log), cpu_seconds(pid), time.monotonic()
    reset_peak(pid)
    await asyncio.sleep(seconds)
    found.idle_cores = (cpu_seconds(pid) - used) / (time.monotonic() - began)
    found.idle_mib = memory_mib(pid, peak=True)
    found.idle_writes = sum(audit.writes(plane.audit_log, since=mark).get("hostler", {}).values())


async def _free_and_start(turns: int, *, plane: ControlPlane, api: Api) -> tuple[float, ...]:
    """Delete one running job after the other; how long until a pod of a waiting one is made."""
    gone: list[float] = []
    came = asyncio.Queue[float]()

    def on_pod(at: float, kind: str, obj: dict[str, Any]) -> None:
        if kind == "DELETED":
            gone.append(at)
        elif kind == "ADDED":
            came.put_nowait(at)

    watch = asyncio.create_task(api.watch(systems.PODS, on_pod, accept=METADATA))
    await asyncio.sleep(1.0)
    found = []
    try:
        for turn in range(turns):
            plane.processes.require_alive()
            gone.clear()
            await api.delete(f"{systems.HOSTLER.collection}/running-{turn}")
            try:
                started = await asyncio.wait_for(came.get(), 60.0)
            except TimeoutError:
                raise BenchError("no waiting job started within 60 s of a job's end") from None
            found.append(started - gone[0])
            await asyncio.sleep(2.0)
    finally:
        watch.cancel()
    return tuple(found)


async def _restart(found: Found, operator: Operator, *, wanted: int) -> None:
    operator.plane.processes.stop(["hostler"])
    mark, began = audit.size(operator.plane.audit_log), time.monotonic()
    pid = operator.start()

    async def leads() -> bool:
        return bool(await operator.figure(names.LEADER))

    async def looked() -> bool:
        done, waiting = await operator.figure(names.RECONCILES), await operator.figure(names.QUEUE_DEPTH)
        return (done or 0) >= wanted and waiting == 0

    found.restart_ready = await _seconds_until(leads, began, operator)
    found.restart_done = await _seconds_until(looked, began, operator)
    found.restart_cpu = cpu_seconds(pid)
    await asyncio.sleep(5.0)
    found.late["in a restart"] = await operator.figure(names.LOOP_LAG) or 0.0
    found.blocks["in a restart"] = await operator.figure(names.LOOP_BUSY) or 0.0
    found.restart_writes = sum(audit.writes(operator.plane.audit_log, since=mark).get("hostler", {}).values())
    found.peak_mib = max(found.peak_mib, memory_mib(pid, peak=True))


async def _seconds_until(holds: Callable[[], Awaitable[bool]], began: float, operator: Operator) -> float:
    while not await holds():
        operator.plane.processes.require_alive()
        if time.monotonic() - began > 120.0:
            return float("inf")
        # Each question costs the operator milliseconds that it would use otherwise.
        await asyncio.sleep(0.2)
    return time.monotonic() - began


def judge(found: Found) -> list[Demand]:
    """Every demand."""
    slowest = max(found.passes_ms.values())
    starts = statistics.median(found.starts)
    most_mib = max(found.peak_mib, found.idle_mib)
    return [
        _below(MOST_PASS_MS, slowest, "milliseconds of the slowest kind of pass"),
        _below(MOST_IDLE_CORES, found.idle_cores, "cores while nothing changes"),
        _below(MOST_START_SECONDS, starts, "seconds from a pod's end to the next job's pod (median)"),
        _below(MOST_MIB, most_mib, f"MiB at the most, with {found.objects} objects in the store"),
        _below(MOST_RESTART_SECONDS, found.restart_done, "seconds from a restart until everything was looked at"),
        *(_below(MOST_BLOCK_SECONDS, each, f"seconds computed in a row {what}") for what, each in found.blocks.items()),
        Demand(what="writes after a restart", found=found.restart_writes, wanted="0", holds=not found.restart_writes),
    ]


def _below(limit: float, value: float, what: str) -> Demand:
    return Demand(what=what, found=value, wanted=f"below {limit:g}", holds=value < limit)


def main() -> int:
    """Print figures and demands; 1 where a demand is missed, 2 where nothing could be measured."""
    stop_on_signals()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--running", type=int, default=1000, help="jobs that take a whole node each")
    parser.add_argument("--waiting", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=10_000, help="filled up with pods of strangers")
    parser.add_argument("--seconds", type=float, default=float(RESYNC), help="how long nothing changes")
    parser.add_argument("--turns", type=int, default=10, help="jobs that end one after the other")
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    parser.add_argument("--output", type=Path, default=Path("dist/bench-scale.json"))
    options = parser.parse_args()
    try:
        found = asyncio.run(run(options))
    except (BenchError, DiedError, LocalClusterError) as error:
        note(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    report.save(options.output, asdict(found))
    print(json.dumps(asdict(found), indent=2))
    judged = judge(found)
    print("\n".join(map(str, judged)))
    return 0 if all(demand.holds for demand in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
