"""The pod that looks at a dataset: it is refused, does not begin, is kept alive by a stranger, or keeps a claim."""

from __future__ import annotations

import copy
from typing import Any

from bench import SETTINGS, Bench
from refusing import LIMITED, refuse_pods
from refusing import tell as tell_of
from tables import table
from unit.controllers.datasets import created, inspected, report
from world import jobs

from hostler.planning.refusals import MOUNT_SECONDS
from hostler_contract import DatasetReport, ErrorReason

Condition = tuple[str, str, str]

CREATING = {"reason": "ContainerCreating"}
PROXY = {"name": "istio-proxy", "state": {"running": {}}, "ready": True}


def ready(bench: Bench) -> Condition:
    """The condition Ready."""
    return bench.condition("Dataset", "books", "Ready")


def beside_a_proxy(bench: Bench, *, said: DatasetReport | None, code: int) -> None:
    """The inspector ends, and a container that a webhook put beside it does not."""
    (pod,) = bench.cluster.make_pods("books-inspect-1", node="gpu-1")
    message = said.to_json() if said else "Killed"
    ended = {"exitCode": code, "reason": "Error", "message": message, "finishedAt": bench.cluster.clock.now()}
    statuses = [{"name": "inspector", "state": {"terminated": ended}}, PROXY]
    bench.cluster.set_status(pod, phase="Running", containerStatuses=statuses)


async def test_a_report_counts_although_a_proxy_outlives_the_inspector(bench: Bench) -> None:
    await created(bench)
    beside_a_proxy(bench, said=report(), code=0)
    await bench.settle()
    assert ready(bench)[1] == "Valid"
    assert jobs(bench) == [], "the pod goes with its Job, or the proxy would run for ever"
    before = list(bench.writer.writes)
    bench.cluster.clock.advance(3600)
    await bench.settle()
    assert (bench.writer.writes, jobs(bench)) == (before, []), "and it is not looked at again"


@table(
    ("said", "want"),
    {
        "data that is not there": (
            DatasetReport(reason=ErrorReason.DATASET_NOT_FOUND, message="/data/books: no such file"),
            ("False", "DatasetNotFound", "/data/books: no such file"),
        ),
        "an end without a word": (
            None,
            (
                "False",
                "InspectionFailed",
                "Job books-inspect-1 ended without a report: pod books-inspect-1-0-xyz ended with exit code 137 "
                "(Error): Killed. Delete the Job, and the data is looked at again.",
            ),
        ),
    },
)
async def test_a_failure_counts_although_a_proxy_hides_it_from_the_job_controller(
    bench: Bench, said: DatasetReport | None, want: Condition
) -> None:
    await created(bench)
    before = copy.deepcopy(bench.cluster.object("Job", "books-inspect-1")["spec"])
    tries = before["backoffLimit"] + 1
    for number in range(1, tries):
        beside_a_proxy(bench, said=said, code=137)
        await bench.settle()
        assert ready(bench)[:2] == ("Unknown", "Inspecting")
        assert f"looked at again, because try {number} of {tries} has failed: " in ready(bench)[2]
        assert (said.message or "" if said else "exit code 137") in ready(bench)[2]
        job = bench.cluster.object("Job", "books-inspect-1")
        assert job["spec"] == before | {"suspend": True}, "its controller takes the pod away, and counts nothing"
        bench.cluster.clock.advance(SETTINGS.recheck_seconds)
        await bench.settle()
        assert bench.cluster.object("Job", "books-inspect-1")["spec"]["suspend"], "the pod is still there"
        for pod in bench.cluster.pods_of(job):
            bench.cluster.remove(pod)
        await bench.settle()
        assert bench.cluster.object("Job", "books-inspect-1")["spec"] == before | {"suspend": False}
        assert ready(bench)[1] == "Inspecting"

    beside_a_proxy(bench, said=said, code=137)
    await bench.settle()
    assert ready(bench) == want
    job = bench.cluster.object("Job", "books-inspect-1")
    ended = {"suspend": False, "activeDeadlineSeconds": 1}
    assert job["spec"] == before | ended, "its controller ends the pod, and the Job with it"

    for pod in bench.cluster.pods_of(job):
        bench.cluster.remove(pod)
    bench.cluster.finish("books-inspect-1", "Failed")
    await bench.settle()
    assert ready(bench) == want, "what the pod said is kept when the pod is gone"

    bench.cluster.remove(bench.cluster.object("Job", "books-inspect-1"))
    await bench.settle()
    assert ready(bench)[1] == "Inspecting", "without the Job the data is looked at again"
    assert "activeDeadlineSeconds" not in bench.cluster.object("Job", "books-inspect-1")["spec"]


async def test_data_that_is_wrong_is_not_looked_at_again_beside_a_proxy(bench: Bench) -> None:
    """As without one: the inspector has done its work, and ends with 0."""
    await created(bench)
    said = DatasetReport(reason=ErrorReason.DATASET_INVALID, message="books.jsonl:3: is not JSON")
    beside_a_proxy(bench, said=said, code=0)
    await bench.settle()
    assert ready(bench) == ("False", "DataInvalid", "books.jsonl:3: is not JSON")
    assert bench.cluster.object("Job", "books-inspect-1")["spec"]["activeDeadlineSeconds"] == 1


async def test_an_inspector_that_succeeds_at_its_second_try_counts(bench: Bench) -> None:
    await created(bench)
    beside_a_proxy(bench, said=None, code=137)
    await bench.settle()
    for pod in bench.cluster.pods_of(bench.cluster.object("Job", "books-inspect-1")):
        bench.cluster.remove(pod)
    await bench.settle()
    beside_a_proxy(bench, said=report(), code=0)
    await bench.settle()
    assert ready(bench)[1] == "Valid"
    assert jobs(bench) == []


async def test_a_job_that_somebody_else_suspends_is_left_alone(bench: Bench) -> None:
    await created(bench)
    job = bench.cluster.object("Job", "books-inspect-1")
    bench.cluster.put({**job, "spec": {**job["spec"], "suspend": True}})
    bench.cluster.clock.advance(SETTINGS.recheck_seconds)
    await bench.settle()
    assert bench.cluster.object("Job", "books-inspect-1")["spec"]["suspend"] is True


async def test_a_file_that_somebody_deletes_before_the_pod_has_read_it_is_written_anew(bench: Bench) -> None:
    await created(bench)
    (pod,) = bench.cluster.make_pods("books-inspect-1", node="gpu-1")
    bench.cluster.remove(bench.cluster.object("ConfigMap", "books-inspect-1"))
    bench.cluster.clock.advance(SETTINGS.recheck_seconds)
    await bench.settle()
    assert bench.cluster.find("ConfigMap", "books-inspect-1") is not None
    bench.cluster.run(pod)
    bench.cluster.remove(bench.cluster.object("ConfigMap", "books-inspect-1"))
    bench.cluster.clock.advance(SETTINGS.recheck_seconds)
    await bench.settle()
    assert bench.cluster.find("ConfigMap", "books-inspect-1") is None, "nobody reads it any more"


async def test_a_job_whose_pods_are_refused_is_said_within_a_minute_and_mends_itself(bench: Bench) -> None:
    await created(bench)
    job = bench.cluster.object("Job", "books-inspect-1")
    refuse_pods(bench.cluster, job)
    outcome = await bench.reconcile("Dataset", "books")
    assert ready(bench)[1] == "Inspecting", "its pod may still be on the way"
    assert outcome.requeue_after == SETTINGS.recheck_seconds < 60

    bench.cluster.clock.advance(SETTINGS.recheck_seconds)
    await bench.settle()
    assert ready(bench) == (
        "False",
        "ChildRefused",
        f"Pods of Job books-inspect-1 are refused: {LIMITED}: ask for less with spec.resources, or change the "
        "LimitRange.",
    )
    before = list(bench.writer.writes)
    for _ in range(20):
        bench.cluster.clock.advance(SETTINGS.recheck_seconds)
        outcome = await bench.reconcile("Dataset", "books")
        assert outcome.requeue_after == SETTINGS.recheck_seconds
    assert bench.writer.writes == before

    await inspected(bench, report())
    assert ready(bench)[1] == "Valid"


@table(
    ("tell", "want"),
    {
        "a volume that cannot be mounted": (
            lambda cluster, pod: tell_of(cluster, pod, reason="FailedMount", message="no such share"),
            "The data is to be looked at. Pod books-inspect-1-0-xyz cannot begin (FailedMount): no such share.",
        ),
        "a claim that no provisioner serves": (
            lambda cluster, _: tell_of(
                cluster,
                cluster.object("PersistentVolumeClaim", "data"),
                reason="ProvisioningFailed",
                message='storageclass.storage.k8s.io "fast" not found',
            ),
            "The data is to be looked at. Claim data gets no volume (ProvisioningFailed): storageclass.storage.k8s.io "
            '"fast" not found: create that storage class, or name another one.',
        ),
        "nothing that anybody says": (lambda *_: None, "The data is being looked at."),
    },
)
async def test_a_pod_that_does_not_begin_is_said_in_the_words_of_who_knows(bench: Bench, tell: Any, want: str) -> None:
    await created(bench)
    (pod,) = bench.cluster.make_pods("books-inspect-1", node="gpu-1")
    bench.cluster.set_status(pod, containerStatuses=[{"name": "c", "state": {"waiting": CREATING}}])
    bench.cluster.set_status(bench.cluster.object("PersistentVolumeClaim", "data"), phase="Pending")
    tell(bench.cluster, pod)
    await bench.settle()
    assert ready(bench)[2] == "The data is being looked at."
    bench.cluster.clock.advance(MOUNT_SECONDS)
    await bench.settle()
    assert ready(bench) == ("Unknown", "Inspecting", want)


@table(
    ("said", "want_before", "want_after"),
    {
        "data that was looked at": (report(), "Valid", "Valid"),
        "data that could not be looked at": (None, "InspectionFailed", "DatasetNotFound"),
    },
)
async def test_a_finished_job_does_not_keep_a_claim_from_going_away(
    bench: Bench, said: DatasetReport | None, want_before: str, want_after: str
) -> None:
    await created(bench)
    await inspected(bench, said)
    assert (ready(bench)[1], jobs(bench)) == (want_before, ["books-inspect-1"])
    claim = bench.cluster.object("PersistentVolumeClaim", "data")
    bench.cluster.put({**claim, "metadata": {**claim["metadata"], "deletionTimestamp": bench.cluster.clock.now()}})
    await bench.settle()
    assert jobs(bench) == [], "its pod would hold the claim"
    assert bench.cluster.find("ConfigMap", "books-inspect-1") is None
    assert ready(bench)[1] == want_after


async def test_a_job_that_looks_at_data_goes_on_though_its_claim_is_being_deleted(bench: Bench) -> None:
    await created(bench)
    bench.cluster.make_pods("books-inspect-1", node="gpu-1")
    claim = bench.cluster.object("PersistentVolumeClaim", "data")
    bench.cluster.put({**claim, "metadata": {**claim["metadata"], "deletionTimestamp": bench.cluster.clock.now()}})
    await bench.settle()
    assert jobs(bench) == ["books-inspect-1"]
