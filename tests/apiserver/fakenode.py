"""A node without a kubelet: pods that the real scheduler binds to it run, and end, as the test says."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubeclient import MERGE, KubeClient

from hostler_contract import DatasetReport, ImportReport, Result
from hostler_contract.preparing import PreparationReport

Object = dict[str, Any]

_HEARTBEAT = 0.1


class FakeNode:
    """Does for its pods what a kubelet reports; the containers are imagined."""

    def __init__(self, api: KubeClient, name: str, *, resource: str, devices: int, pool: str = "") -> None:
        self._api = api
        self.name = name
        self.pool = pool or name
        self._resource = resource
        self._devices = devices
        self.ready = True
        """Whether pods that start become ready, as after their sample request."""

    async def create(self) -> None:
        """Register with devices, ready."""
        metadata = {"name": self.name, "labels": {"hostler.dev/pool": self.pool, "hostler.dev/simulated": "true"}}
        answer = self._api.http.post("/api/v1/nodes", json={"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        assert answer.is_success, answer.text
        offers = {"cpu": "8", "memory": "16Gi", "pods": "20", self._resource: str(self._devices)}
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
        self._patch(f"/api/v1/nodes/{self.name}", {"capacity": offers, "allocatable": offers, "conditions": conditions})

    def delete(self) -> None:
        """Leave the cluster."""
        self._api.delete(f"/api/v1/nodes/{self.name}")

    async def run(self) -> None:
        """Start what is bound and end what is deleted, for ever."""
        while True:
            for pod in self.pods():
                if pod["metadata"].get("deletionTimestamp"):
                    self._vanish(pod)
                elif pod["status"]["phase"] == "Pending":
                    self._start(pod)
            await asyncio.sleep(_HEARTBEAT)

    def pods(self, **labels: str) -> list[Object]:
        """Pods on this node that carry all of these labels, with _ for what Python cannot spell."""
        query = f"/api/v1/pods?fieldSelector=spec.nodeName={self.name}"
        found = self._api.get(query).json()["items"]
        wanted = {f"hostler.dev/{name.replace('_', '-')}": value for name, value in labels.items()}
        return [pod for pod in found if wanted.items() <= pod["metadata"]["labels"].items()]

    def end(
        self, pod: Object, result: Result | DatasetReport | ImportReport | PreparationReport, *, code: int = 1
    ) -> None:
        """The container ends with this last word, and where that is a failure with this status."""
        well = result.reason is None
        terminated = {
            "exitCode": 0 if well else code,
            "reason": "Completed" if well else "Error",
            "message": result.to_termination_message(),
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:00:01Z",
        }
        phase = "Succeeded" if well else "Failed"
        self._report(pod, phase=phase, state={"terminated": terminated}, ready=False)

    def _start(self, pod: Object) -> None:
        started = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        self._report(pod, phase="Running", state=started, ready=self.ready)

    def _report(self, pod: Object, *, phase: str, state: Object, ready: bool) -> None:
        statuses = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "restartCount": 0,
                "ready": ready,
                "state": state,
            }
            for container in pod["spec"]["containers"]
        ]
        said = "True" if ready else "False"
        conditions = [{"type": kind, "status": said} for kind in ("Ready", "ContainersReady")]
        conditions += [{"type": "PodScheduled", "status": "True"}, {"type": "Initialized", "status": "True"}]
        address = _address(pod)
        body = {
            "phase": phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": conditions,
            "containerStatuses": statuses,
        }
        self._patch(_path(pod), body)

    def _vanish(self, pod: Object) -> None:
        if pod["status"]["phase"] == "Running":
            self._report(pod, phase="Failed", state={"terminated": {"exitCode": 143}}, ready=False)
        self._api.http.request("DELETE", _path(pod), json={"gracePeriodSeconds": 0})

    def _patch(self, path: str, status: Object) -> None:
        answer = self._api.http.patch(f"{path}/status", json={"status": status}, headers={"Content-Type": MERGE})
        assert answer.is_success or answer.status_code == 404, answer.text


@asynccontextmanager
async def fake_node(
    api: KubeClient, name: str, *, resource: str, devices: int, pool: str = ""
) -> AsyncIterator[FakeNode]:
    """A node for the time of a block, in the pool of its name or in another one."""
    node = FakeNode(api, name, resource=resource, devices=devices, pool=pool)
    await node.create()
    task = asyncio.create_task(node.run())
    try:
        yield node
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        node.delete()


def _address(pod: Object) -> str:
    """Trainers are asked for their progress, so that theirs answers at once; no EndpointSlice takes a loopback one."""
    if "hostler.dev/inference-service" not in pod["metadata"]["labels"]:
        return "127.0.0.1"
    return f"192.0.2.{zlib.crc32(pod['metadata']['uid'].encode()) % 254 + 1}"


def _path(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
