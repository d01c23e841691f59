"""Containers and pods of strangers: a mesh's proxy beside the trainer, and pods with our labels that are not ours."""

from __future__ import annotations

from typing import Any

from bench import Bench
from tables import table
from world import due, failure, jobs, running, states, submitted, success

from hostler_contract import ErrorReason, Result

Object = dict[str, Any]

PROXY = {"name": "istio-proxy", "state": {"running": {}}, "ready": True}


def beside_a_proxy(bench: Bench, pod: Object, *, result: Result | None, code: int, proxy: Object | None = None) -> None:
    """The trainer ends, and a container that a webhook put beside it does not."""
    ended = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "message": result.to_termination_message() if result else "",
        "finishedAt": bench.cluster.clock.now(),
    }
    statuses = [{"name": "trainer", "state": {"terminated": ended}}, proxy or PROXY]
    bench.cluster.set_status(pod, phase="Running", containerStatuses=statuses)


async def test_a_result_counts_although_a_proxy_outlives_the_trainers(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2})
    beside_a_proxy(bench, first, result=success(), code=0)
    await bench.settle()
    assert states(bench)["Ready"] == ("True", "Training"), "the other one still works"
    beside_a_proxy(bench, second, result=None, code=0)
    await bench.settle()
    assert states(bench)["Succeeded"] == ("True", "Succeeded")
    assert bench.cluster.find("Model", "tiny") is not None
    assert jobs(bench) == [], "the pods, and the devices that they hold, go with the Job"
    writes = list(bench.writer.writes)
    for _ in range(50):
        bench.cluster.clock.advance(30)
        await bench.settle()
    assert bench.writer.writes == writes


async def test_a_failure_counts_although_a_proxy_hides_it_from_the_job_controller(bench: Bench) -> None:
    (pod,) = await running(bench)
    beside_a_proxy(bench, pod, result=failure(ErrorReason.INTERNAL, "a bug"), code=1)
    await bench.settle()
    assert states(bench)["Ready"] == ("False", "BackOff")
    assert jobs(bench) == [], "or its pod would hold its devices for ever"
    await due(bench)
    assert jobs(bench) == ["tiny-1"]
    assert bench.status("TrainingJob", "tiny")["restarts"] == 1


async def test_the_rest_of_a_gang_has_a_moment_for_its_words_and_no_more(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2})
    beside_a_proxy(bench, first, result=failure(ErrorReason.INTERNAL, "contact was lost"), code=1)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
    assert states(bench)["Ready"] == ("False", "Restarting")
    bench.cluster.clock.advance(10)
    beside_a_proxy(bench, second, result=failure(ErrorReason.DATASET_INVALID, "not UTF-8"), code=1)
    await bench.settle()
    assert states(bench)["Failed"] == ("True", "DatasetInvalid")
    assert jobs(bench) == []


async def test_a_gang_whose_rest_says_nothing_is_ended_all_the_same(bench: Bench) -> None:
    first, _ = await running(bench, pods={"min": 2, "max": 2})
    beside_a_proxy(bench, first, result=failure(ErrorReason.INTERNAL), code=1)
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert jobs(bench) == []


async def test_a_proxy_that_ends_with_an_error_spoils_no_result(bench: Bench) -> None:
    (pod,) = await running(bench)
    ended = {"name": "istio-proxy", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}
    beside_a_proxy(bench, pod, result=success(), code=0, proxy=ended)
    bench.cluster.set_status(bench.cluster.object("Pod", pod["metadata"]["name"]), phase="Failed")
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    assert states(bench)["Succeeded"] == ("True", "Succeeded")


@table(
    "owner",
    {
        "nobody": None,
        "a plain Job": {"kind": "Job", "name": "miner", "uid": "uid-of-a-stranger", "controller": True},
        "a ReplicaSet": {"kind": "ReplicaSet", "name": "tiny-0", "uid": "uid-of-a-stranger", "controller": True},
    },
)
async def test_a_strangers_pod_with_our_labels_stops_no_job(bench: Bench, owner: Object | None) -> None:
    labels = {"hostler.dev/training-job": "tiny", "hostler.dev/attempt": "many", "hostler.dev/pool": "gpu"}
    metadata = {"name": "miner", "namespace": "default", "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    bench.cluster.put({"kind": "Pod", "metadata": metadata, "spec": {"containers": []}, "status": {"phase": "Pending"}})
    await submitted(bench)
    assert jobs(bench) == ["tiny-0"]
