"""The controllers against a real API server, scheduler and controller-manager; only the containers are imagined."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from apiserver.conftest import GIVEN
from apiserver.fakenode import FakeNode, fake_node
from apiserver.operating import WRITES, free_port, until
from builders import make_dataset, make_inference_service, make_pool, make_training_job
from kubeclient import MERGE, KubeClient
from patience import PATIENCE
from world import failure, success

from hostler.cluster.connection import connect
from hostler.controllers.all import build_controllers
from hostler.operator.settings import OperatorSettings
from hostler.operator.shell import Operator
from hostler_contract import DatasetReport, ErrorReason

pytestmark = pytest.mark.usefixtures("crds")
GPU = "nvidia.com/gpu"
VOLUMES = "/api/v1/persistentvolumes"
Object = dict[str, Any]
OpenSite = Callable[[], AbstractAsyncContextManager["Site"]]


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


class Site:
    """One namespace with a pool of its own, and an operator that serves it."""

    def __init__(self, api: KubeClient, namespace: str, node: FakeNode, operator: Operator) -> None:
        self.api, self.namespace, self.node, self.operator = api, namespace, node, operator
        self.pool = node.name

    def job(self, **spec: Any) -> Object:
        accelerators = {"accelerators": {"pool": self.pool}}
        return make_training_job("tiny", namespace=self.namespace, **(accelerators | spec))

    def service(self, **spec: Any) -> Object:
        accelerators = {"accelerators": {"pool": self.pool}}
        return make_inference_service("tiny", namespace=self.namespace, **(accelerators | spec))

    def create(self, manifest: Object) -> Object:
        answer = self.api.create(manifest)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str) -> Object:
        """An object of the namespace by the end of its path; empty where it is not there."""
        group, _, rest = path.partition("/")
        prefix = {"core": "/api/v1", "apps": "/apis/apps/v1", "batch": "/apis/batch/v1"}.get(group)
        answer = self.api.get(f"{prefix or '/apis/hostler.dev/v1alpha1'}/namespaces/{self.namespace}/{rest}")
        return answer.json() if answer.is_success else {}

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

    def writes(self) -> int:
        metrics = self.operator.metrics.registry.collect()
        samples = [s for metric in metrics if metric.name == "hostler_operator_api_requests" for s in metric.samples]
        return int(sum(s.value for s in samples if s.labels["verb"] in WRITES))

    def patch(self, path: str, body: Object) -> None:
        answer = self.api.http.patch(path, json=body, headers={"Content-Type": MERGE})
        assert answer.is_success, answer.text


@pytest.fixture
def open_site(api: KubeClient, namespace: str, kubeconfig: Path) -> OpenSite:
    """Not an async fixture: at its end, kopf cancels every task that began after it, such as a fixture's teardown."""
    return lambda: _site(api, namespace, kubeconfig)


@asynccontextmanager
async def _site(api: KubeClient, namespace: str, kubeconfig: Path) -> AsyncIterator[Site]:
    text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text"}, "data": {"text": "some words"}}
    assert api.http.post(f"/api/v1/namespaces/{namespace}/configmaps", json=text).is_success
    pool = namespace
    assert api.http.post(VOLUMES, json=_volume(namespace)).is_success
    async with fake_node(api, pool, resource=GPU, devices=4) as node, _operator(kubeconfig, namespace) as operator:
        assert api.create(make_pool(pool)).is_success
        yield Site(api, namespace, node, operator)
    api.delete(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{pool}")
    api.delete(f"{VOLUMES}/{namespace}")


def _volume(namespace: str) -> Object:
    """Something for the claim `tiny` to bind to, because no provisioner runs here."""
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": "tiny"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": spec}


@asynccontextmanager
async def _operator(kubeconfig: Path, namespace: str) -> AsyncIterator[Operator]:
    settings = OperatorSettings(
        train_image="registry/train:1",
        serve_image="registry/serve:1",
        variant_images={},
        namespace=namespace,
        watch_namespaces=(namespace,),
        identity=uuid.uuid4().hex,
        progress_interval=1.0,
        metrics_port=free_port(),
        probes_port=free_port(),
    )
    operator = Operator(settings, connection=await connect(kubeconfig), build=build_controllers)
    task = asyncio.create_task(operator.run())
    try:
        await until(lambda: operator.lease.leading or task.done(), what="the operator to lead")
        yield operator
    finally:
        operator.finish(0)
        assert await asyncio.wait_for(task, PATIENCE) == 0


async def _pods(site: Site, count: int, **labels: str) -> list[Object]:
    def running() -> list[Object] | None:
        pods = [pod for pod in site.node.pods(**labels) if pod["status"]["phase"] == "Running"]
        return pods if len(pods) == count else None

    return await until(running, what=f"{count} running pods with {labels}")


async def test_a_job_fails_once_succeeds_and_is_served(open_site: OpenSite) -> None:
    async with open_site() as site:
        job = site.create(site.job(pods={"min": 2, "max": 2}))
        first, _ = await _pods(site, 2, training_job="tiny", attempt="0")
        await site.reaches("hostler/trainingjobs/tiny", "Ready", "True", "Training")
        pool = site.api.get(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{site.pool}").json()
        await until(lambda: _in_use(site) == 2, what="the pool to count what the pods hold")
        assert pool["status"]["capacity"] == 4

        site.node.end(first, failure(ErrorReason.INTERNAL, "a cosmic ray"))
        for pod in await _pods(site, 2, training_job="tiny", attempt="1"):
            site.node.end(pod, success())
        await site.reaches("hostler/trainingjobs/tiny", "Succeeded", "True", "Succeeded")
        status = site.get("hostler/trainingjobs/tiny")["status"]
        assert (status["attempt"], status["restarts"], status["model"]) == (1, 1, "tiny")
        assert status["lastFailure"] == {"reason": "InternalError", "message": "a cosmic ray", "exitCode": 1}

        model = site.get("hostler/models/tiny")
        assert model["spec"]["lineage"]["trainingJobUid"] == job["metadata"]["uid"]
        claim = site.get("core/persistentvolumeclaims/tiny")
        assert [owner["uid"] for owner in claim["metadata"]["ownerReferences"]] == [model["metadata"]["uid"]]

        site.create(site.service())
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
        served = site.get("hostler/inferenceservices/tiny")["status"]
        assert (served["readyReplicas"], served["url"]) == (1, f"http://tiny.{site.namespace}.svc")


def _in_use(site: Site) -> int:
    pool = site.api.get(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{site.pool}").json()
    return int(pool.get("status", {}).get("inUse", -1))


async def test_an_update_rolls_to_a_new_revision_and_leaves_no_old_file(open_site: OpenSite) -> None:
    async with open_site() as site:
        _model(site)
        site.create(site.service(pods={"min": 2, "max": 2}))
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
        before = site.get("hostler/inferenceservices/tiny")["status"]["revision"]
        path = f"/apis/hostler.dev/v1alpha1/namespaces/{site.namespace}/inferenceservices/tiny"
        site.node.ready = False
        site.patch(path, {"spec": {"serving": {"maxNewTokens": 64}}})
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "False", "Updating")
        deployment = site.get("apps/deployments/tiny")
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        await until(lambda: len(site.node.pods(inference_service="tiny")) == 3, what="a surge pod")
        site.node.ready = True
        (stuck,) = [p for p in site.node.pods(inference_service="tiny") if not _is_ready(p)]
        site.node._start(stuck)
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
        assert site.get("hostler/inferenceservices/tiny")["status"]["revision"] != before

        def configs() -> list[str]:
            found = site.api.get(f"/api/v1/namespaces/{site.namespace}/configmaps").json()["items"]
            return [c["metadata"]["name"] for c in found if c["metadata"]["name"].startswith("tiny-")]

        await until(lambda: len(configs()) == 1, what="the file of the old revision to go")


def _is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def _model(site: Site) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "tiny"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    claims = f"/api/v1/namespaces/{site.namespace}/persistentvolumeclaims"
    assert site.api.http.post(claims, json=claim).is_success
    source = {"pvc": {"claimName": "tiny", "path": "model"}}
    metadata = {"name": "tiny", "namespace": site.namespace}
    spec = {"family": "chat", "artifacts": {"source": source}}
    site.create({"apiVersion": "hostler.dev/v1alpha1", "kind": "Model", "metadata": metadata, "spec": spec})


async def test_suspending_ends_the_pods_and_resuming_makes_the_next_attempt(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job())
        await _pods(site, 1, training_job="tiny", attempt="0")
        path = f"/apis/hostler.dev/v1alpha1/namespaces/{site.namespace}/trainingjobs/tiny"
        site.patch(path, {"spec": {"suspend": True}})
        await until(lambda: not site.node.pods(training_job="tiny"), what="the pods to go")
        await site.reaches("hostler/trainingjobs/tiny", "Suspended", "True")
        site.patch(path, {"spec": {"suspend": False}})
        await _pods(site, 1, training_job="tiny", attempt="1")
        await site.reaches("hostler/trainingjobs/tiny", "Ready", "True", "Training")
        assert site.get("hostler/trainingjobs/tiny")["status"]["restarts"] == 0


async def test_a_deleted_pod_is_replaced_by_another_attempt(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job())
        (pod,) = await _pods(site, 1, training_job="tiny", attempt="0")
        site.api.delete(f"/api/v1/namespaces/{site.namespace}/pods/{pod['metadata']['name']}")
        await _pods(site, 1, training_job="tiny", attempt="1")
        # Children are written before the status that tells of them.
        await until(lambda: site.get("hostler/trainingjobs/tiny")["status"]["restarts"] == 1, what="a restart")


async def test_a_dataset_is_looked_at_and_a_job_trains_on_it(open_site: OpenSite) -> None:
    async with open_site() as site:
        source = {"configMap": {"name": "text", "key": "text"}}
        site.create(make_dataset("books", namespace=site.namespace, source=source, format="text", columns={}))
        site.create(site.job(dataset={"ref": {"name": "books"}}))
        (pod,) = await _pods(site, 1, dataset="books", generation="1")
        await site.reaches("hostler/trainingjobs/tiny", "Accepted", "False", "DatasetNotReady")
        site.node.end(pod, DatasetReport(rows=7, files=1, size_bytes=10, sha256="b" * 64, roles=["text"]))
        await site.reaches("hostler/datasets/books", "Ready", "True", "Valid")
        (trainer,) = await _pods(site, 1, training_job="tiny", attempt="0")
        site.node.end(trainer, success())
        await site.reaches("hostler/trainingjobs/tiny", "Succeeded", "True")
        lineage = site.get("hostler/models/tiny")["spec"]["lineage"]
        assert (lineage["dataset"], lineage["datasetVersion"], lineage["datasetSha256"]) == ("books", 1, "b" * 64)

        path = f"/apis/hostler.dev/v1alpha1/namespaces/{site.namespace}/datasets/books"
        site.patch(path, {"spec": {"maxLength": 64}})
        (pod,) = await _pods(site, 1, dataset="books", generation="2")
        site.node.end(pod, DatasetReport(rows=8, files=1, size_bytes=11, sha256="c" * 64, roles=["text"]))
        await until(lambda: site.get("hostler/datasets/books")["status"]["version"] == 2, what="the second version")
        await until(lambda: not site.get("batch/jobs/books-inspect-1"), what="the first Job to go")


async def test_a_name_that_somebody_else_uses_is_not_taken_over(open_site: OpenSite) -> None:
    async with open_site() as site:
        _model(site)
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "tiny"},
            "spec": {"ports": [{"port": 1}]},
        }
        services = f"/api/v1/namespaces/{site.namespace}/services"
        assert site.api.http.post(services, json=service).is_success
        site.create(site.service())
        await site.reaches("hostler/inferenceservices/tiny", "Accepted", "False", "NameTaken")
        assert site.get("core/services/tiny")["spec"]["ports"][0]["port"] == 1
        assert site.get("apps/deployments/tiny") == {}


async def test_a_quota_of_the_namespace_that_refuses_a_job_is_said(open_site: OpenSite) -> None:
    async with open_site() as site:
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": {"count/jobs.batch": "0"}},
        }
        assert site.api.http.post(f"/api/v1/namespaces/{site.namespace}/resourcequotas", json=quota).is_success
        await until(
            lambda: site.get("core/resourcequotas/none").get("status", {}).get("hard"), what="the quota to hold"
        )
        site.create(site.job())
        await site.reaches("hostler/trainingjobs/tiny", "Ready", "False", "ChildRefused")
        assert "exceeded quota" in site.condition("hostler/trainingjobs/tiny", "Ready")[2]


async def test_fifty_resyncs_write_nothing(open_site: OpenSite) -> None:
    async with open_site() as site:
        _model(site)
        site.create(site.service())
        site.create(site.job(output={"name": "other", "transformer": site.job()["spec"]["output"]["transformer"]}))
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
        await site.reaches("hostler/trainingjobs/tiny", "Accepted", "False", "NameTaken")
        await _quiet(site)
        before = site.writes()
        for _ in range(50):
            site.operator.dispatcher.enqueue_all()
            await _quiet(site)
        assert site.writes() == before


async def _quiet(site: Site) -> None:
    queue = site.operator.queue
    await until(lambda: not len(queue) and not queue.in_hand, what="the queue to be empty")


async def test_children_go_with_their_job_and_the_weights_stay_with_the_model(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job())
        for pod in await _pods(site, 1, training_job="tiny", attempt="0"):
            site.node.end(pod, success())
        await site.reaches("hostler/trainingjobs/tiny", "Succeeded", "True", "Succeeded")
        site.api.delete(f"/apis/hostler.dev/v1alpha1/namespaces/{site.namespace}/trainingjobs/tiny")
        # The garbage collector looks for new kinds only every half minute.
        for path in ("batch/jobs/tiny-0", "core/services/tiny-0", "core/configmaps/tiny-0"):
            await until(lambda path=path: not site.get(path), what=f"{path} to go with its job")
        assert not site.get("core/persistentvolumeclaims/tiny")["metadata"].get("deletionTimestamp")
        assert site.condition("hostler/models/tiny", "Ready")[:2] == ("True", "ArtifactsAvailable")
