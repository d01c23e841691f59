"""Nodes without kubelets, any number of them: pods that the real scheduler binds run, and end as the test says.

What kwok would do, and one thing that it cannot: a pod ends when its gang is whole and not after a time, so that half
a gang would stand still for ever and not pass for a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from apiserver.gangs.api import AsyncApi, Chores
from apiserver.gangs.story import DEVICES
from apiserver.site import GPU

from hostler_contract import Result

Object = dict[str, Any]

POD_ADDRESS = "127.97.0.1"
"""Of the loopback interface, so that a question to a pod is refused at once."""
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_BEAT_SECONDS = 5.0
_LONG_AGO = "2026-01-01T00:00:00Z"


class Fleet:
    """Nodes whose names begin with a prefix, and the pods on them."""

    def __init__(self, api: AsyncApi, chores: Chores, *, prefix: str) -> None:
        self._api = api
        self._chores = chores
        self._prefix = prefix
        self._made = 0
        self.nodes: dict[str, Sequence[str]] = {}
        """Pools of each node that is there."""
        self._on: dict[str, dict[str, Object]] = {}
        """Pods by node and uid."""
        self._started: set[str] = set()
        self._leased: set[str] = set()
        self._vanishing: set[str] = set()

    async def add(self, pools: Sequence[str]) -> str:
        """A new node in these pools, ready."""
        name = f"{self._prefix}-{self._made}"
        self._made += 1
        labels = {"kubernetes.io/hostname": name, "hostler.dev/simulated": "true"}
        labels |= {label_of(self._prefix, pool): "yes" for pool in pools}
        offers = {"cpu": "64", "memory": "512Gi", "pods": "110", "ephemeral-storage": "1Ti", GPU: str(DEVICES)}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {"capacity": offers, "allocatable": offers, "conditions": [ready]}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        self.nodes[name] = pools
        await self._api.create("/api/v1/nodes", node)
        # Nobody takes away the taint that new nodes are given.
        await self._api.merge(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
        await self._api.merge(f"/api/v1/nodes/{name}/status", {"status": status})
        return name

    async def beat(self) -> None:
        """Renew what kubelets renew, for ever: a node from which nothing is heard is taken for dead."""
        while True:
            for name in list(self.nodes):
                await self._renew(name)
            await asyncio.sleep(_BEAT_SECONDS)

    async def _renew(self, name: str) -> None:
        renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed}
        if name in self._leased:
            await self._api.merge(f"{_LEASES}/{name}", {"spec": spec})
            return
        self._leased.add(name)
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        await self._api.create(_LEASES, lease)

    async def remove(self, name: str) -> None:
        """A node disappears with all that runs on it, as Kubernetes tells it."""
        del self.nodes[name]
        await self._api.delete(f"/api/v1/nodes/{name}")
        await self._api.delete(f"{_LEASES}/{name}")
        for pod in list(self._on.get(name, {}).values()):
            await self._lose(pod)

    def on_pod(self, event: str, pod: Object) -> None:
        """Do what a kubelet would."""
        node, uid = (pod["spec"].get("nodeName") or ""), pod["metadata"]["uid"]
        if not node.startswith(f"{self._prefix}-"):
            return
        if event == "DELETED":
            self._on.get(node, {}).pop(uid, None)
            self._started.discard(uid)
            self._vanishing.discard(uid)
            return
        self._on.setdefault(node, {})[uid] = pod
        if node not in self.nodes:
            # The scheduler did not know yet.
            self._once(uid, self._lose(pod))
        elif pod["metadata"].get("deletionTimestamp"):
            self._once(uid, self._vanish(pod))
        elif pod["status"]["phase"] == "Pending" and uid not in self._started:
            self._started.add(uid)
            self._chores.add(self._start(pod))

    def _once(self, uid: str, work: Any) -> None:
        if uid in self._vanishing:
            work.close()
            return
        self._vanishing.add(uid)
        self._chores.add(work)

    async def _start(self, pod: Object) -> None:
        # It may be on its way out by now, and its end may be written first.
        if pod["metadata"]["uid"] not in self._vanishing:
            await self._report(pod, "Running", state={"running": {"startedAt": _LONG_AGO}})

    async def end(self, pod: Object, result: Result) -> None:
        """The container ends with this last word, unless it is on its way out already."""
        if pod["metadata"]["uid"] in self._vanishing:
            return
        terminated = {
            "exitCode": 0, "reason": "Completed", "message": result.to_termination_message(),
            "startedAt": _LONG_AGO, "finishedAt": _LONG_AGO,
        }  # fmt: skip
        await self._report(pod, "Succeeded", state={"terminated": terminated})

    async def _vanish(self, pod: Object) -> None:
        if pod["status"]["phase"] in ("Pending", "Running"):
            await self._report(pod, "Failed", state={"terminated": {"exitCode": 143, "finishedAt": _LONG_AGO}})
        await self._api.delete(_path(pod), grace=0)

    async def _lose(self, pod: Object) -> None:
        """What the garbage collector of pods says of a pod whose node is gone, only at once."""
        self._vanishing.add(pod["metadata"]["uid"])
        if pod["status"]["phase"] in ("Pending", "Running"):
            target = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
            others = [each for each in pod["status"].get("conditions") or () if each["type"] != "DisruptionTarget"]
            await self._api.merge(
                f"{_path(pod)}/status", {"status": {"phase": "Failed", "conditions": [*others, target]}}
            )
        await self._api.delete(_path(pod), grace=0)

    async def _report(self, pod: Object, phase: str, *, state: Object) -> None:
        ready = phase == "Running"
        known = {"imageID": "", "restartCount": 0, "ready": ready, "state": state}
        statuses = [{"name": each["name"], "image": each["image"], **known} for each in pod["spec"]["containers"]]
        conditions = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized")]
        conditions += [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
        status = {
            "phase": phase, "podIP": POD_ADDRESS, "podIPs": [{"ip": POD_ADDRESS}], "conditions": conditions,
            "containerStatuses": statuses,
        }  # fmt: skip
        # What has ended does not run again.
        await self._api.merge(f"{_path(pod)}/status", {"status": status}, too_late=(422,))


def label_of(prefix: str, pool: str) -> str:
    """The label of nodes by which a pool of the story chooses them."""
    return f"{prefix}.test/{pool}"


def _path(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
