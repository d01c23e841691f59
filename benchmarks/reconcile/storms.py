"""What goes wrong in large clusters, at size: a pool taken away under what runs, thousands of objects deleted at once,
a namespace that ends, a flood of Events, watches that have missed too much.

After each the operator must be the same process, hold its Lease, stay under its memory limit, and show the truth.
Fails where a demand is missed. See docs/benchmarks/storms.md for the method.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import report
import systems
from bench import control_plane, note
from client import Api, BenchError
from demands import Demand
from plane import ControlPlane
from processes import DiedError, free_ports, memory_mib, reset_peak, stop_on_signals
from proxy import ForgetfulServer
from scale import RESYNC, Operator

from hostler.local.errors import LocalClusterError
from hostler.metrics import names

Object = dict[str, Any]

NODES = 64
"""Of eight devices: room for 512 jobs of one."""
MOST_MIB = 400.0
MOST_BLOCK_SECONDS = 0.1
PATIENCE = 600.0
_AT_ONCE = 16
_POOL = "/apis/hostler.dev/v1alpha1/acceleratorpools"
_JOBS = "/apis/hostler.dev/v1alpha1/namespaces/{}/trainingjobs"
_PODS = "/api/v1/namespaces/{}/pods"
_BATCH = "/apis/batch/v1/namespaces/{}/jobs"
_LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/hostler-operator"


@dataclass
class World:
    """A cluster with an operator in it, and what it was like in each storm."""

    plane: ControlPlane
    api: Api
    operator: Operator
    server: ForgetfulServer
    sizes: argparse.Namespace
    pid: int = 0
    demands: list[Demand] = field(default_factory=list)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def demand(self, what: str, *, found: float, wanted: float) -> None:
        """Exactly this."""
        self.demands.append(Demand(what=what, found=found, wanted=f"{wanted:g}", holds=found == wanted))

    def demand_below(self, what: str, *, found: float, limit: float) -> None:
        """Less than this."""
        self.demands.append(Demand(what=what, found=found, wanted=f"below {limit:g}", holds=found < limit))

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait, while everything lives."""

        async def alive() -> bool:
            self.plane.processes.require_alive()
            return await holds()

        await self.api.until(alive, what=what, within=PATIENCE)

    async def until_count(self, collection: str, wanted: int, what: str) -> None:
        """Wait for a number of objects."""

        async def reached() -> bool:
            return await self.api.count(collection) == wanted

        await self.until(reached, what)

    async def until_known(self, kind: str, wanted: int) -> None:
        """Wait until the operator knows so many objects of a kind."""

        async def known() -> bool:
            return await self.operator.figure(names.STORE_OBJECTS, only=f'kind="{kind}"') == wanted

        await self.until(known, f"the operator, which is to know {wanted} of {kind},")

    async def until_pool(self, what: str, **figures: int) -> None:
        """Wait until the pool's status says this."""

        async def says() -> bool:
            status = (await self.api.get(f"{_POOL}/{systems.POOL}")).get("status") or {}
            return all(status.get(name) == value for name, value in figures.items())

        await self.until(says, what)


Story = Callable[[World], Awaitable[None]]


async def pool_is_changed(world: World) -> None:
    """Hundreds of jobs run: the pool's quota sinks below what they hold, its nodes become none, it is deleted, and it
    comes back."""
    running = world.sizes.running
    pool = await world.api.get(f"{_POOL}/{systems.POOL}")
    before = await _uids(world.api, systems.PODS)
    await world.api.merge(f"{_POOL}/{systems.POOL}", {"spec": {"quota": {"accelerators": 1}}})
    await world.until_pool("the pool's status with a quota", reserved=running)
    await world.api.merge(
        f"{_POOL}/{systems.POOL}", {"spec": {"nodeSelector": {"none": "such", "hostler.dev/pool": None}}}
    )
    await world.until_pool("the pool's status without nodes", nodes=0)
    await world.api.delete(f"{_POOL}/{systems.POOL}")
    await world.until_known("AcceleratorPool", 0)
    await world.api.create(systems.HOSTLER.collection, systems.training_job("late"))

    async def refused() -> bool:
        job = await world.api.get(f"{systems.HOSTLER.collection}/late")
        return _reason(job, "Accepted") == "PoolNotFound"

    await world.until(refused, "a job for a pool that is not there")
    world.demand(
        "pods that kept running without their pool",
        found=len(before & await _uids(world.api, systems.PODS)),
        wanted=running,
    )
    fresh = {"apiVersion": pool["apiVersion"], "kind": pool["kind"], "metadata": {"name": systems.POOL}}
    selector = {"acceleratorType": pool["spec"]["acceleratorType"], "nodeSelector": pool["spec"]["nodeSelector"]}
    await world.api.create(_POOL, fresh | {"spec": selector})
    await world.until_pool("the pool that came back", reserved=running + 1)
    await world.until_count(systems.PODS, running + 1, "the pod of the job that waited for the pool")
    world.demand(
        "pods of before that are still there", found=len(before & await _uids(world.api, systems.PODS)), wanted=running
    )


async def events_come(world: World) -> None:
    """A flood of Events about jobs, which nobody asked for."""
    before = await world.operator.figure(names.RECONCILES) or 0
    collection = "/api/v1/namespaces/default/events"
    job = await world.api.get(f"{systems.HOSTLER.collection}/running-0")
    about = {"kind": "TrainingJob", "namespace": "default", "name": "running-0", "uid": job["metadata"]["uid"]}
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": about,
        "reason": "Flood",
        "message": "again",
        "type": "Warning",
    }
    bodies = [body | {"metadata": {"name": f"flood-{number}"}} for number in range(world.sizes.events)]
    began = time.monotonic()
    await create_all(world.api, collection, bodies)
    took = time.monotonic() - began
    # What a full list wakes, and no more.
    full_lists = 1 + took // (0.9 * RESYNC)
    most = full_lists * (world.sizes.running + 10)
    await asyncio.sleep(2.0)
    world.demand_below(
        "reconciles because of Events", found=(await world.operator.figure(names.RECONCILES) or 0) - before, limit=most
    )
    await world.api.delete(collection)


async def watches_break(world: World) -> None:
    """With thousands of objects known, all watches go silent, much is deleted and made, and then they are too old."""
    strangers = _PODS.format("default")
    await create_all(world.api, strangers, [_stranger(number) for number in range(world.sizes.strangers)])
    pods = await world.api.count(systems.PODS)
    await world.until_known("Pod", pods)
    world.server.hold_watches()
    gone = world.sizes.strangers // 5
    await _delete_all(world.api, [f"{strangers}/stranger-{number}" for number in range(gone)])
    await _delete_all(world.api, [f"{systems.HOSTLER.collection}/running-{number}" for number in range(20)])
    await create_all(world.api, systems.HOSTLER.collection, [systems.training_job(f"unseen-{n}") for n in range(5)])
    world.demand("watches that broke", found=float(world.server.break_watches() > 0), wanted=1)
    left = world.sizes.running + 1 - 20 + 5
    await world.until_known("TrainingJob", left)
    await world.until_known("Pod", pods - gone - 20 + 5)
    await world.until_pool("the pool after the watches broke", reserved=left, inUse=left)
    await _delete_all(world.api, [f"{strangers}/stranger-{number}" for number in range(gone, world.sizes.strangers)])
    await world.until_known("Pod", left)


async def jobs_are_deleted(world: World) -> None:
    """Everything that runs and waits is deleted at once."""
    here = await world.api.count(systems.HOSTLER.collection)
    more = [systems.training_job(f"more-{number}") for number in range(world.sizes.jobs - here)]
    await create_all(world.api, systems.HOSTLER.collection, more)
    await world.until_pool("a full pool", reserved=8 * NODES)
    await world.until_count(systems.PODS, 8 * NODES, "the pods of a full pool")
    names_of = [each["metadata"]["name"] for each in (await world.api.get(systems.HOSTLER.collection))["items"]]
    await _delete_all(world.api, [f"{systems.HOSTLER.collection}/{name}" for name in names_of])
    await _until_empty(world, "default")


async def namespace_is_deleted(world: World) -> None:
    """A namespace ends with all its jobs: what is made in it meanwhile is refused."""
    await world.api.create(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "doomed"}}
    )
    await systems.prepare_namespace(world.api, "doomed")
    jobs = _JOBS.format("doomed")
    await create_all(world.api, jobs, [systems.training_job(f"job-{number}") for number in range(world.sizes.doomed)])
    await world.until_count(_PODS.format("doomed"), min(8 * NODES, world.sizes.doomed), "the pods of a full pool")
    await world.api.delete("/api/v1/namespaces/doomed")

    async def gone() -> bool:
        return not await world.api.exists("/api/v1/namespaces/doomed")

    await world.until(gone, "the end of the namespace")
    await _until_empty(world, "default")
    await world.api.create(systems.HOSTLER.collection, systems.training_job("after"))
    await world.until_count(systems.PODS, 1, "the pod of a job that comes afterwards")


STORIES: dict[str, Story] = {
    "pool": pool_is_changed,
    "events": events_come,
    "watches": watches_break,
    "jobs": jobs_are_deleted,
    "namespace": namespace_is_deleted,
}


async def run(options: argparse.Namespace) -> World:
    """All storms, one after the other."""
    async with control_plane(nodes=NODES, pod_seconds=1e6, keep=options.keep) as (plane, api):
        await systems.prepare_hostler(api)
        server = ForgetfulServer(plane, free_ports(1)[0])
        await server.start()
        try:
            async with aiohttp.ClientSession() as http:
                world = World(plane, api, Operator(plane, http, kubeconfig=server.kubeconfig()), server, options)
                world.pid = world.operator.start()
                jobs = [systems.training_job(f"running-{number}") for number in range(options.running)]
                await create_all(api, systems.HOSTLER.collection, jobs)
                await world.until_count(systems.PODS, options.running, "the pods of jobs that run")
                await world.until_pool("the pool's status", reserved=options.running)
                holder = await _holder(api)
                for name in options.storms:
                    await _weather(world, name, STORIES[name], holder=holder)
        finally:
            await server.stop()
    return world


async def _weather(world: World, name: str, story: Story, *, holder: tuple[str, int]) -> None:
    """One storm, and what is demanded of the operator in each."""
    reset_peak(world.pid)
    longest = dict.fromkeys((names.LOOP_LAG, names.LOOP_BUSY), 0.0)

    async def look() -> None:
        for metric in longest:
            longest[metric] = max(longest[metric], await world.operator.figure(metric) or 0.0)

    async def watch() -> None:
        while True:
            await look()
            await asyncio.sleep(5.0)

    # So that what was before is forgotten.
    await asyncio.sleep(31.0)
    looking = asyncio.create_task(watch())
    began, errors = time.monotonic(), await _errors(world)
    try:
        await story(world)
    finally:
        looking.cancel()
    await look()
    peak = memory_mib(world.pid, peak=True)
    figures = world.figures[name] = {
        "seconds": time.monotonic() - began,
        "peak, MiB": peak,
        "longest block, s": longest[names.LOOP_BUSY],
        "longest delay, s": longest[names.LOOP_LAG],
        "reconciles that ended with an error": await _errors(world) - errors,
    }
    note(f"{name}: {figures}")
    world.demand(
        f"{name}: the Lease is still held by the same", found=float(await _holder(world.api) == holder), wanted=1
    )
    world.demand(f"{name}: it leads", found=await world.operator.figure(names.LEADER) or 0.0, wanted=1)
    world.demand_below(f"{name}: MiB at the most", found=peak, limit=MOST_MIB)
    world.demand_below(
        f"{name}: seconds that the loop computed in a row", found=longest[names.LOOP_BUSY], limit=MOST_BLOCK_SECONDS
    )
    world.demand(
        f"{name}: reconciles with an error that nobody expected",
        found=figures["reconciles that ended with an error"],
        wanted=0,
    )


async def _until_empty(world: World, namespace: str) -> None:
    for collection, what in (
        (_JOBS, "the end of all jobs"),
        (_BATCH, "the end of their Jobs"),
        (_PODS, "the end of their pods"),
    ):
        await world.until_count(collection.format(namespace), 0, what)
    for kind in ("TrainingJob", "Job", "Pod"):
        await world.until_known(kind, 0)
    await world.until_pool("an empty pool", reserved=0, inUse=0)


async def _errors(world: World) -> float:
    return await world.operator.figure(names.RECONCILES, only='result="error"') or 0.0


async def _holder(api: Api) -> tuple[str, int]:
    spec = (await api.get(_LEASE))["spec"]
    return spec["holderIdentity"], spec.get("leaseTransitions", 0)


async def _uids(api: Api, collection: str) -> set[str]:
    return {each["metadata"]["uid"] for each in (await api.get(collection))["items"]}


def _reason(obj: Object, condition: str) -> str:
    found = (obj.get("status") or {}).get("conditions") or ()
    return next((each["reason"] for each in found if each["type"] == condition), "")


def _stranger(number: int) -> Object:
    spec = {"schedulingGates": [{"name": "bench/held"}], "containers": [{"name": "main", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"stranger-{number}"}, "spec": spec}


async def create_all(api: Api, collection: str, bodies: Iterable[Object]) -> None:
    """All of these, over a few connections."""
    await _each(bodies, partial(api.create, collection))


async def _delete_all(api: Api, paths: Iterable[str]) -> None:
    await _each(paths, api.remove)


async def _each(things: Iterable[Any], work: Callable[[Any], Awaitable[object]]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: Any) -> None:
        async with slots:
            await work(thing)

    async with asyncio.TaskGroup() as group:
        for thing in things:
            group.create_task(one(thing))


def main() -> int:
    """Print figures and demands; 1 where a demand is missed, 2 where a storm did not end."""
    stop_on_signals()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storms", nargs="+", choices=STORIES, default=list(STORIES), help="in this order")
    parser.add_argument("--running", type=int, default=500, help="jobs that run while the pool is changed")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--strangers", type=int, default=8_000, help="pods that are known when the watches break")
    parser.add_argument("--jobs", type=int, default=2_000, help="jobs that are deleted at once")
    parser.add_argument("--doomed", type=int, default=1_000, help="jobs of the namespace that is deleted")
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    parser.add_argument("--output", type=Path, default=Path("dist/bench-storms.json"))
    options = parser.parse_args()
    try:
        world = asyncio.run(run(options))
    except (BenchError, DiedError, LocalClusterError) as error:
        note(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    report.save(options.output, {"storms": world.figures})
    print(json.dumps(world.figures, indent=2))
    print("\n".join(map(str, world.demands)))
    return 0 if all(demand.holds for demand in world.demands) else 1


if __name__ == "__main__":
    sys.exit(main())
