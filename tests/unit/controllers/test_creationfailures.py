"""Why a Job has no pods is asked seldom, and what is not known is not said."""

from __future__ import annotations

from typing import Any

import pytest
from fakeaccess import FakeReader
from fakes import FakeCluster
from refusing import LIMITED, refuse_pods

from hostler.cluster.errors import Forbidden
from hostler.controllers.creationfailures import ASK_SECONDS, CreationFailures
from hostler.planning.refusals import GRACE_SECONDS

Object = dict[str, Any]


def _job(cluster: FakeCluster, name: str = "tiny-0") -> Object:
    metadata = {"name": name, "namespace": "default"}
    return cluster.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"parallelism": 1}})


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


async def test_nobody_is_asked_before_the_controller_has_had_time(cluster: FakeCluster) -> None:
    reader = FakeReader(cluster)
    failures = CreationFailures(reader, cluster.clock)
    job = _job(cluster)
    refuse_pods(cluster, job)
    cluster.clock.advance(GRACE_SECONDS - 1)
    assert await failures.of_job(job, []) == ""
    assert reader.asked == 0
    cluster.clock.advance(1)
    assert LIMITED in await failures.of_job(job, [])
    assert reader.asked == 1


async def test_one_job_is_asked_for_once_in_a_while_and_forgotten_with_its_pods(cluster: FakeCluster) -> None:
    reader = FakeReader(cluster)
    failures = CreationFailures(reader, cluster.clock)
    job = _job(cluster)
    cluster.clock.advance(GRACE_SECONDS)
    assert await failures.of_job(job, []) == "", "the Event is not there yet"
    refuse_pods(cluster, job)
    for _ in range(100):
        assert await failures.of_job(job, []) == ""
    assert reader.asked == 1
    cluster.clock.advance(ASK_SECONDS)
    assert LIMITED in await failures.of_job(job, [])
    pod = {"metadata": {"creationTimestamp": cluster.clock.now()}, "status": {"phase": "Pending"}}
    assert await failures.of_job(job, [pod]) == ""
    assert reader.asked == 2


async def test_many_jobs_at_once_ask_at_a_bounded_rate_and_each_gets_its_turn(cluster: FakeCluster) -> None:
    reader = FakeReader(cluster)
    failures = CreationFailures(reader, cluster.clock)
    refused = [_job(cluster, f"job-{number}") for number in range(150)]
    for job in refused:
        refuse_pods(cluster, job)
    cluster.clock.advance(GRACE_SECONDS)
    said = [await failures.of_job(job, []) for job in refused]
    first = reader.asked
    assert 0 < first < len(refused)
    assert first == sum(map(bool, said))
    for _ in range(60):
        cluster.clock.advance(5)
        before = reader.asked
        said = [await failures.of_job(job, []) for job in refused]
        assert reader.asked - before <= first, "no more in five seconds than at once"
    assert all(said)


async def test_an_answer_is_kept_while_the_api_server_refuses_to_list(cluster: FakeCluster) -> None:
    class Refusing(FakeReader):
        refuses = False

        async def events(self, about: Object) -> list[Object]:
            if self.refuses:
                raise Forbidden("events is forbidden", code=403)
            return await super().events(about)

    reader = Refusing(cluster)
    failures = CreationFailures(reader, cluster.clock)
    job = _job(cluster)
    refuse_pods(cluster, job)
    cluster.clock.advance(GRACE_SECONDS)
    before = await failures.of_job(job, [])
    reader.refuses = True
    cluster.clock.advance(ASK_SECONDS)
    assert await failures.of_job(job, []) == before != ""


async def test_a_job_that_stays_refused_is_asked_about_ever_more_seldom(cluster: FakeCluster) -> None:
    reader = FakeReader(cluster)
    failures = CreationFailures(reader, cluster.clock)
    job = _job(cluster)
    refuse_pods(cluster, job)
    for _ in range(120):
        cluster.clock.advance(30)
        await failures.of_job(job, [])
    assert reader.asked <= 10, "in an hour"
