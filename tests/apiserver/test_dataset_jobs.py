"""What the Job controller does with the Job of a dataset whose inspector a stranger's container has outlived."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver.operating import until
from apiserver.test_drift import client, of_kinds, wanted
from kubeclient import KubeClient

from hostler.cluster.client import Client
from hostler.cluster.matching import satisfied, stamped
from hostler.cluster.resources import resource_of
from hostler.manifests.datasetjob import overdue_job

Object = dict[str, Any]

__all__ = ["client"]


@pytest.mark.parametrize("path", of_kinds("Job"), ids=lambda path: path.stem)
async def test_a_job_with_a_deadline_that_has_passed_ends_with_its_pods(
    path: Any, namespace: str, client: Client, api: KubeClient
) -> None:
    job = wanted(path, namespace)
    await client.apply(stamped(job))
    where = resource_of("Job").path(namespace=namespace, name=job["metadata"]["name"])
    pods = resource_of("Pod").path(namespace=namespace)

    def found() -> Object:
        answer: Object = api.get(where).json()
        return answer

    def count() -> int:
        return len(api.get(pods).json()["items"])

    await until(lambda: count() > 0, what="the Job controller to make a pod")
    body = stamped(overdue_job(found()))
    answer = await client.apply(body)
    assert satisfied(answer, body), "it is written once"
    assert answer["spec"]["template"] == found()["spec"]["template"]
    await until(
        lambda: (
            [c["reason"] for c in found()["status"].get("conditions", ()) if c["type"] == "Failed"]
            == ["DeadlineExceeded"]
        ),
        what="the Job to have failed",
    )
    await until(lambda: count() == 0, what="its pods to be gone")
