"""A gang that waits for a pool that grows, with the real scheduler; the test is the autoscaler."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from apiserver.fakenode import FakeNode
from apiserver.operating import until
from apiserver.site import OpenSite, Site
from builders import make_pool
from kubeclient import KubeClient

Object = dict[str, Any]
GPU = "nvidia.com/gpu"

pytestmark = pytest.mark.usefixtures("crds")


def _unschedulable(site: Site) -> list[Object]:
    """Pods that the scheduler has tried and found no node for: all that an autoscaler looks at."""
    pods = site.api.get(f"/api/v1/namespaces/{site.namespace}/pods").json()["items"]
    return [
        pod
        for pod in pods
        if any(c.get("reason") == "Unschedulable" for c in pod["status"].get("conditions") or ())
        and "nodeName" not in pod["spec"]
    ]


def _ready(api: KubeClient, pool: str) -> str:
    """Why a pool is ready; empty where it is not."""
    found = api.get(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{pool}").json()
    conditions = found.get("status", {}).get("conditions", ())
    return next((c["reason"] for c in conditions if c["type"] == "Ready" and c["status"] == "True"), "")


async def test_a_gang_brings_the_nodes_that_it_needs_and_they_are_its_own(api: KubeClient, open_site: OpenSite) -> None:
    async with open_site() as site:
        pool = f"{site.pool}-elastic"
        labels = {"hostler.dev/pool": pool, "hostler.dev/simulated": "true"}
        scaling = {"maxNodes": 2, "nodeShape": {"accelerators": 4, "cpu": "8", "memory": "16Gi"}, "startupTime": "1m"}
        nodes = [FakeNode(api, f"{pool}-{number}", resource=GPU, devices=4, pool=pool) for number in range(2)]
        runs: list[asyncio.Task[None]] = []
        site.create(make_pool(pool, nodeSelector=labels, scaling=scaling))
        try:
            await until(lambda: _ready(api, pool) == "ScaledToZero", what="the pool to be ready without a node")
            gang = {"pods": {"min": 2, "max": 2}, "accelerators": {"pool": pool, "perPod": 4}}
            site.create(site.job(**gang))
            await site.reaches("hostler/trainingjobs/tiny", "Admitted", "False", "WaitingForNodes")
            wanted = await until(lambda: len(_unschedulable(site)) == 2, what="pods that an autoscaler can see")
            assert wanted
            rival = site.job(accelerators={"pool": pool, "perPod": 1})
            site.create({**rival, "metadata": {**rival["metadata"], "name": "rival"}})
            await site.reaches("hostler/trainingjobs/rival", "Admitted", "False", "WaitingForCapacity")

            for node in nodes:
                await node.create()
                runs.append(asyncio.create_task(node.run()))

            await site.reaches("hostler/trainingjobs/tiny", "Ready", "True", "Training")
            status = site.get("hostler/trainingjobs/tiny")["status"]
            assert {each["name"]: each["pods"] for each in status["placement"]["nodes"]} == {n.name: 1 for n in nodes}
            assert site.condition("hostler/trainingjobs/tiny", "Admitted")[:2] == ("True", "Placed")
            assert site.condition("hostler/trainingjobs/rival", "Admitted")[:2] == ("False", "WaitingForCapacity")
            await until(lambda: _ready(api, pool) == "DevicesAvailable", what="the pool to have its devices")
        finally:
            for run in runs:
                run.cancel()
            for node in nodes:
                node.delete()
            api.delete(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{pool}")
