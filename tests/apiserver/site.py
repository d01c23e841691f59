"""A namespace with all that jobs and services need, and an operator that serves it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from apiserver.fakenode import FakeNode, fake_node
from apiserver.operating import WRITES, until
from builders import make_inference_service, make_model, make_pool, make_training_job
from kubeclient import MERGE, KubeClient
from ports import free_port

from hostler.cluster.connection import connect
from hostler.controllers.all import build_controllers
from hostler.operator.settings import OperatorSettings
from hostler.operator.shell import Operator

GPU = "nvidia.com/gpu"
VOLUMES = "/api/v1/persistentvolumes"
Object = dict[str, Any]
TEXT: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text"}, "data": {"text": "some words"}}
CLAIM: Object = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "tiny"},
    "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
}
"""Binds to the volume of :func:`volume`."""
OpenSite = Callable[[], AbstractAsyncContextManager["Site"]]


class Site:
    """One namespace with a pool of its own, and an operator that serves it."""

    def __init__(self, api: KubeClient, namespace: str, node: FakeNode, kubeconfig: Path) -> None:
        self.api, self.namespace, self.node = api, namespace, node
        self.pool = node.name
        self._kubeconfig = kubeconfig
        self._task: asyncio.Task[int] | None = None

    async def start(self, **changes: Any) -> None:
        """An operator with these settings, until it leads."""
        settings = settings_of(self.namespace, **changes)
        connection = await connect(self._kubeconfig)
        self.operator = Operator(settings, connection=connection, build=build_controllers)
        task = self._task = asyncio.create_task(self.operator.run())
        await until(lambda: self.operator.lease.leading or task.done(), what="the operator to lead")

    async def stop(self) -> None:
        """The operator ends well."""
        if self._task is not None:
            task, self._task = self._task, None
            self.operator.finish(0)
            assert await asyncio.wait_for(task, 15) == 0

    def job(self, **spec: Any) -> Object:
        accelerators = {"accelerators": {"pool": self.pool}}
        return make_training_job("tiny", namespace=self.namespace, **(accelerators | spec))

    def service(self, **spec: Any) -> Object:
        accelerators = {"accelerators": {"pool": self.pool}}
        return make_inference_service("tiny", namespace=self.namespace, **(accelerators | spec))

    def model(self) -> None:
        """The Model `tiny` on its claim."""
        self.post("/api/v1", "persistentvolumeclaims", CLAIM)
        self.create(make_model("tiny", namespace=self.namespace))

    def post(self, api: str, plural: str, manifest: Object) -> Object:
        """Create an object of Kubernetes' own in the namespace."""
        answer = self.api.http.post(f"{api}/namespaces/{self.namespace}/{plural}", json=manifest)
        assert answer.is_success, answer.text
        return answer.json()

    def create(self, manifest: Object) -> Object:
        answer = self.api.create(manifest)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str) -> Object:
        """An object of the namespace by the end of its path; empty where it is not there."""
        group, _, rest = path.partition("/")
        answer = self.api.get(f"{self.api_of(group)}/namespaces/{self.namespace}/{rest}")
        return answer.json() if answer.is_success else {}

    @staticmethod
    def api_of(group: str) -> str:
        """The path below which a group's objects are."""
        known = {"core": "/api/v1", "hostler": "/apis/hostler.dev/v1alpha1"}
        return known.get(group, f"/apis/{group}/v1")

    def condition(self, path: str, kind: str) -> tuple[str, str, str]:
        for found in self.get(path).get("status", {}).get("conditions", ()):
            if found["type"] == kind:
                return found["status"], found["reason"], found["message"]
        return "", "", ""

    async def reaches(self, path: str, kind: str, *want: str) -> None:
        """Wait for a condition's status and reason."""

        def reached() -> bool:
            return self.condition(path, kind)[: len(want)] == want

        try:
            await until(reached, what=f"{path} to have {kind} {want}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it has {self.get(path).get('status')}") from None

    def events(self, reason: str) -> list[str]:
        """Messages of Events of this reason."""
        query = f"/api/v1/namespaces/{self.namespace}/events?fieldSelector=reason={reason}"
        return [event["message"] for event in self.api.get(query).json()["items"]]

    def writes(self) -> int:
        metrics = self.operator.metrics.registry.collect()
        samples = [s for metric in metrics if metric.name == "hostler_operator_api_requests" for s in metric.samples]
        return int(sum(s.value for s in samples if s.labels["verb"] in WRITES))

    def patch(self, path: str, body: Object) -> None:
        """Somebody else's edit, by the whole path."""
        answer = self.api.http.patch(path, json=body, headers={"Content-Type": MERGE})
        assert answer.is_success, answer.text


@asynccontextmanager
async def site(api: KubeClient, namespace: str, kubeconfig: Path) -> AsyncIterator[Site]:
    """A namespace with some text, a node, a pool and an operator, for the time of a block."""
    assert api.http.post(f"/api/v1/namespaces/{namespace}/configmaps", json=TEXT).is_success
    pool = namespace
    assert api.http.post(VOLUMES, json=volume(namespace, name=namespace, claim="tiny")).is_success
    async with fake_node(api, pool, resource=GPU, devices=4) as node:
        found = Site(api, namespace, node, kubeconfig)
        assert api.create(make_pool(pool)).is_success
        try:
            await found.start()
            yield found
        finally:
            await found.stop()
    api.delete(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{pool}")
    api.delete(f"{VOLUMES}/{namespace}")


def volume(namespace: str, *, name: str, claim: str) -> Object:
    """Something for a claim to bind to, because no provisioner runs here."""
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": claim},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def settings_of(namespace: str, **changes: Any) -> OperatorSettings:
    """Of an operator that serves one namespace."""
    return OperatorSettings(
        **{
            "train_image": "registry/train:1",
            "serve_image": "registry/serve:1",
            "variant_images": {},
            "namespace": namespace,
            "watch_namespaces": (namespace,),
            "identity": uuid.uuid4().hex,
            "progress_interval": 1.0,
            "metrics_port": free_port(),
            "probes_port": free_port(),
            **changes,
        }
    )
