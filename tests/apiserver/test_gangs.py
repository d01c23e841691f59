"""Gangs that compete for nodes, with the real scheduler: all pods of one get their nodes, or none does."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
from apiserver.fakenode import fake_node
from apiserver.operating import until
from apiserver.site import GPU, OpenSite, Site
from builders import make_training_job
from world import success

pytestmark = pytest.mark.usefixtures("crds")
Object = dict[str, Any]

NODES, DEVICES, GANGS = 3, 4, 8


def _gang(site: Site, number: int, dice: random.Random) -> Object:
    """A job that needs more than one node, or more of one than is free beside another."""
    pods, each = dice.choice([(2, 4), (3, 4), (3, 2), (2, 3), (4, 2)])
    job = make_training_job(
        f"gang-{number}",
        namespace=site.namespace,
        accelerators={"pool": site.pool, "perPod": each},
        pods={"min": pods, "max": pods},
        storage={"claimName": "tiny"},
    )
    # A sequence for each process at least.
    job["spec"]["training"]["batchSize"] = NODES * DEVICES
    return job


class _Referee:
    """Looks at all pods again and again, ends gangs that are whole, and remembers what no gang may do."""

    def __init__(self, site: Site, sizes: dict[str, int]) -> None:
        self._site = site
        self._sizes = sizes
        self._ended: set[str] = set()
        self.unplaced: set[str] = set()
        """Pods that the scheduler saw and could not place."""

    def all_have_run(self) -> bool:
        pods = self._site.api.get(f"/api/v1/namespaces/{self._site.namespace}/pods").json()["items"]
        self.unplaced |= {pod["metadata"]["name"] for pod in pods if _is_unschedulable(pod)}
        running = Counter(_job(pod) for pod in pods if pod["status"].get("phase") == "Running")
        for name in sorted(running.keys() - self._ended):
            if running[name] == self._sizes[name]:
                self._ended.add(name)
                for pod in pods:
                    if _job(pod) == name:
                        self._site.node.end(pod, success())
        return self._ended == self._sizes.keys()


def _job(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["hostler.dev/training-job"])


def _is_unschedulable(pod: Object) -> bool:
    found = pod["status"].get("conditions") or ()
    return any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in found)


@pytest.mark.parametrize("seed", range(2))
async def test_gangs_that_compete_for_nodes_never_hold_halves(open_site: OpenSite, seed: int) -> None:
    dice = random.Random(seed)
    async with open_site() as site, AsyncExitStack() as stack:
        for number in range(1, NODES):
            name = f"{site.pool}-{number}"
            await stack.enter_async_context(fake_node(site.api, name, resource=GPU, devices=DEVICES, pool=site.pool))
        site.model()
        gangs = [_gang(site, number, dice) for number in range(GANGS)]
        referee = _Referee(site, {gang["metadata"]["name"]: gang["spec"]["pods"]["min"] for gang in gangs})
        for gang in dice.sample(gangs, len(gangs)):
            site.create(gang)
        await until(referee.all_have_run, what=f"all gangs of seed {seed} to run as a whole, one after the other")
        for gang in gangs:
            name = gang["metadata"]["name"]
            await site.reaches(f"hostler/trainingjobs/{name}", "Succeeded", "True")
            status = site.get(f"hostler/trainingjobs/{name}")["status"]
            assert (status["attempt"], status.get("lastFailure")) == (0, None), "no seat was lost, no start timed out"
        assert referee.unplaced == set(), "a pod that the scheduler may see has its place"
