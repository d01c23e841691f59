"""Two operators at once: the one that waits does not hear what the leader writes last, and leads next."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from apiserver.operating import Breaker, until
from apiserver.process import Process
from apiserver.site import OpenSite, Site, settings_of
from builders import make_training_job
from patience import PATIENCE
from ports import free_port

from hostler.cluster.connection import connect
from hostler.controllers.all import build_controllers
from hostler.operator.shell import Operator

JOBS = "/apis/hostler.dev/v1alpha1/namespaces"
pytestmark = pytest.mark.usefixtures("crds")


async def test_a_seat_that_a_standby_has_not_heard_of_is_not_given_away_again(
    open_site: OpenSite, kubeconfig: Path, tmp_path: Path
) -> None:
    breaker = Breaker(await connect(kubeconfig))
    await breaker.start()
    through = await connect(kubeconfig)
    through.configuration.host = f"http://127.0.0.1:{breaker.port}"
    try:
        async with open_site() as site, AsyncExitStack() as stack:
            # A process of its own: at its end, kopf cancels what began after it in the same loop.
            await site.stop()
            leader = Process(kubeconfig, site.namespace, tmp_path / "leader.log")
            stack.callback(leader.kill)
            await until(leader.leads, what="the first operator to lead")
            ports = {"metrics_port": free_port(), "probes_port": free_port()}
            standby = Operator(settings_of(site.namespace, **ports), connection=through, build=build_controllers)
            task = asyncio.create_task(standby.run())
            stack.push_async_callback(_end, standby, task)
            await until(standby.sweeper.synced.is_set, what="the standby's caches to be complete")
            most = {"accelerators": {"pool": site.pool, "perPod": 3}, "storage": {"claimName": "tiny"}}
            node = f"/api/v1/nodes/{site.pool}"
            site.model()
            site.patch(node, {"spec": {"unschedulable": True}})
            site.create(make_training_job("first", namespace=site.namespace, suspend=True, **most))
            site.create(make_training_job("other", namespace=site.namespace, **most))
            await until(lambda: _waits(standby, site), what="the standby to hear that the other job waits")
            for deaf in ("trainingjobs", "jobs", "pods"):
                await breaker.cut(deaf)
            site.patch(f"{JOBS}/{site.namespace}/trainingjobs/first", {"spec": {"suspend": False}})
            await site.reaches("hostler/trainingjobs/first", "Ready", "False", "PoolNotReady")
            site.patch(node, {"spec": {"unschedulable": None}})
            await site.reaches("hostler/trainingjobs/first", "Admitted", "True")
            heard = standby.store.get("TrainingJob", namespace=site.namespace, name="first")
            assert heard["spec"]["suspend"], "it takes the job whose seat it has not heard of for suspended"
            leader.end()
            await until(lambda: standby.lease.leading or task.done(), what="the standby to lead")
            await until(lambda: standby.admitter.waiting or _began(site, "other"), what="the other job to be looked at")
            await until(lambda: not standby.admitter.due, what="a pass of the new leader")
            await until(lambda: _lacks_room(site, "other") or _began(site, "other"), what="the verdict to be written")
            assert not _began(site, "other")
    finally:
        await breaker.stop()


def _waits(standby: Operator, site: Site) -> bool:
    found = standby.store.get("TrainingJob", namespace=site.namespace, name="other") or {}
    conditions = found.get("status", {}).get("conditions", ())
    return any(c["type"] == "Admitted" and c["status"] == "False" for c in conditions)


def _lacks_room(site: Site, job: str) -> bool:
    return site.condition(f"hostler/trainingjobs/{job}", "Admitted")[:2] == ("False", "WaitingForCapacity")


def _began(site: Site, job: str) -> bool:
    return bool(site.get(f"batch/jobs/{job}-0"))


async def _end(operator: Operator, task: asyncio.Task[int]) -> None:
    operator.finish(0)
    assert await asyncio.wait_for(task, PATIENCE) == 0
