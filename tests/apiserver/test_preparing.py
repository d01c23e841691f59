"""Data that is prepared before training, against a real API server, scheduler and Job controller."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver.operating import until
from apiserver.site import OpenSite, Site

from hostler_contract import ErrorReason
from hostler_contract.preparing import PreparationReport

pytestmark = pytest.mark.usefixtures("crds")
Object = dict[str, Any]


async def _pod(site: Site) -> Object:
    def running() -> Object | None:
        pods = [pod for pod in site.node.pods(preparation="tiny") if pod["status"]["phase"] == "Running"]
        return pods[0] if pods else None

    return await until(running, what="the pod that prepares the data")


def _jobs(site: Site) -> list[Object]:
    query = "?labelSelector=hostler.dev/preparation=tiny"
    found: list[Object] = site.api.get(f"/apis/batch/v1/namespaces/{site.namespace}/jobs{query}").json()["items"]
    return found


async def test_data_is_prepared_while_others_have_the_accelerators(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job(preparation="Separate", accelerators={"pool": site.pool, "perPod": 4}))
        pod = await _pod(site)
        await site.reaches("hostler/trainingjobs/tiny", "Ready", "False", "Preparing")
        assert "placement" not in site.get("hostler/trainingjobs/tiny")["status"]

        site.node.end(pod, PreparationReport(key="k" * 32, sha256="d" * 64, size_bytes=10, seconds=1.5))

        await site.reaches("hostler/trainingjobs/tiny", "Ready", "True")
        await until(lambda: not _jobs(site), what="the Job to go, whose pod holds the claim")
        (trainer,) = site.node.pods(training_job="tiny")
        assert '"prepared":"' + "k" * 32 in trainer["metadata"]["annotations"]["hostler.dev/job-config"]


async def test_data_that_is_at_fault_ends_the_job_with_the_first_pod(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job(preparation="Separate"))
        said = PreparationReport(reason=ErrorReason.DATASET_INVALID, message="rows.jsonl:3: the text is empty")
        site.node.end(await _pod(site), said, code=2)

        await site.reaches("hostler/trainingjobs/tiny", "Stalled", "True", "DatasetInvalid")
        (job,) = _jobs(site)
        assert job["status"]["failed"] == 1
