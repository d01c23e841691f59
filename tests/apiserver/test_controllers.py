"""The controllers against a real API server, scheduler and controller-manager; only the containers are imagined."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver.operating import until
from apiserver.site import OpenSite, Site
from builders import make_dataset
from world import failure, success

from hostler_contract import DatasetReport, ErrorReason

pytestmark = pytest.mark.usefixtures("crds")
Object = dict[str, Any]


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
        assert status["lastFailure"] == {
            "reason": "InternalError",
            "message": "a cosmic ray",
            "exitCode": 1,
            "attempt": 0,
            "toll": "Failure",
        }

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
        site.model()
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
        await until(lambda: site.get("hostler/trainingjobs/tiny")["status"]["disruptions"] == 1, what="the count")
        assert site.get("hostler/trainingjobs/tiny")["status"]["restarts"] == 0


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
        site.model()
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
        site.model()
        site.create(site.service())
        site.create(site.job(output={"name": "other", "transformer": site.job()["spec"]["output"]["transformer"]}))
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
        await site.reaches("hostler/trainingjobs/tiny", "Accepted", "False", "NameTaken")
        # A pool counts every two seconds at most: what the service took is still to be said.
        await until(lambda: _in_use(site) == 1, what="the pool to count what the service holds")
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
