"""Who pays for the end of an attempt: the program or the infrastructure; how long the next one waits; what a person can
raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bench import Bench
from builders import make_training_job
from fakes import Crash
from tables import table
from world import completed, due, failed, failure, jobs, progress, running, states, submitted, taken_back, told

from hostler.controllers.trainingjob.accounting import back_off_seconds
from hostler.planning import moments
from hostler.planning.failures import Toll
from hostler.planning.verdicts import Loss
from hostler_contract import ErrorReason

Object = dict[str, Any]


def disrupt(bench: Bench, pod: Object, *, reason: str) -> None:
    """What the cluster says of a pod before it takes it away."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": "because",
        "lastTransitionTime": bench.cluster.clock.now(),
    }
    bench.cluster.set_status(bench.cluster.object("Pod", pod["metadata"]["name"]), conditions=[condition])


def deleting(bench: Bench, pod: Object, *, grace: int = 60) -> None:
    """Somebody asks for the pod's deletion, which comes into force after the grace."""
    found = bench.cluster.object("Pod", pod["metadata"]["name"])
    ends = moments.later(bench.cluster.clock.now(), seconds=grace)
    metadata = {**found["metadata"], "deletionTimestamp": ends, "deletionGracePeriodSeconds": grace}
    bench.cluster.put({**found, "metadata": metadata})


async def lost(bench: Bench, *, attempt: int, reason: str = "DeletionByTaintManager") -> None:
    """One pod is taken away by the cluster, and the Job controller lets go of it before the Job has failed."""
    pods = bench.cluster.pods_of(bench.cluster.object("Job", f"tiny-{attempt}"))
    disrupt(bench, pods[0], reason=reason)
    deleting(bench, pods[0])
    await bench.settle()
    bench.cluster.remove(pods[0])
    for pod in pods[1:]:
        bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL, "contact with rank 0 was lost"))
    bench.cluster.finish(f"tiny-{attempt}", "Failed")
    await bench.settle()


@table(
    ("reason",),
    {
        "an eviction, as a drain makes": ("EvictionByEvictionAPI",),
        "a taint, as of a lost node or a spot instance that goes": ("DeletionByTaintManager",),
        "the garbage collector of pods, after its node has gone": ("DeletionByPodGC",),
        "the kubelet, for the node's own sake": ("TerminationByKubelet",),
        "the scheduler, for a pod of higher priority": ("PreemptionByScheduler",),
    },
)
async def test_what_the_infrastructure_does_costs_no_restart_and_no_time(bench: Bench, reason: str) -> None:
    await running(bench, pods={"min": 2, "max": 2}, maxRestarts=0)
    await lost(bench, attempt=0, reason=reason)
    assert jobs(bench) == ["tiny-0", "tiny-1"], "at once, although maxRestarts is 0"
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["disruptions"]) == (0, 1)
    assert status["lastFailure"]["reason"] == "PodLost"
    assert reason in status["lastFailure"]["message"], "the pod had gone before the Job had failed"


async def test_a_killed_container_of_a_lost_node_is_the_nodes_fault(bench: Bench) -> None:
    (pod,) = await running(bench, maxRestarts=0)
    bench.cluster.end(pod, code=137, result=None)
    disrupt(bench, pod, reason="DeletionByTaintManager")
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    assert (jobs(bench), bench.status("TrainingJob", "tiny")["disruptions"]) == (["tiny-0", "tiny-1"], 1)


async def test_a_peer_of_a_silent_node_fails_by_the_nodes_fault(bench: Bench) -> None:
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    first, second = await running(bench, pods={"min": 2, "max": 2}, maxRestarts=0)
    bench.cluster.node("gpu-2", labels=labels, devices={"nvidia.com/gpu": 4}, ready=False)
    pod = bench.cluster.object("Pod", second["metadata"]["name"])
    bench.cluster.put({**pod, "spec": {**pod["spec"], "nodeName": "gpu-2"}})
    bench.cluster.end(first, result=failure(ErrorReason.INTERNAL, "contact with another process was lost"))
    await bench.settle()
    deleting(bench, second)
    await bench.settle()
    bench.cluster.remove(bench.cluster.object("Pod", second["metadata"]["name"]))
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["disruptions"]) == (0, 1)
    assert "node gpu-2, which is not ready" in status["lastFailure"]["message"]


async def test_a_person_who_deletes_a_pod_costs_no_restart(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2}, maxRestarts=0)
    deleting(bench, first)
    await bench.settle()
    bench.cluster.clock.advance(5)
    for pod in (first, second):
        bench.cluster.end(bench.cluster.object("Pod", pod["metadata"]["name"]), code=143, result=None)
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["disruptions"], status["lastFailure"]["reason"]) == (0, 1, "PodDeleted")


async def test_pods_that_the_job_controller_deletes_after_a_failure_do_not_excuse_it(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2})
    bench.cluster.end(first, result=failure(ErrorReason.INTERNAL, "a bug"))
    bench.cluster.clock.advance(1)
    deleting(bench, second)
    await bench.settle()
    bench.cluster.end(bench.cluster.object("Pod", second["metadata"]["name"]), code=143, result=None)
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["disruptions"]) == (1, 0)
    assert status["lastFailure"]["message"] == "a bug"


async def test_a_job_that_somebody_deleted_costs_no_restart(bench: Bench) -> None:
    await running(bench, maxRestarts=0)
    bench.cluster.remove(bench.cluster.object("Job", "tiny-0"))
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert (jobs(bench), status["disruptions"], status["lastFailure"]["reason"]) == (["tiny-1"], 1, "JobDeleted")


async def test_failures_are_backed_off_from_and_the_time_of_the_next_try_is_said(bench: Bench) -> None:
    (pod,) = await running(bench)
    bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL, "a bug"))
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    until = moments.later(bench.cluster.clock.now(), seconds=10)
    want = f"The next attempt begins after {until}. Attempt 0 ended (InternalError): a bug."
    assert bench.condition("TrainingJob", "tiny", "Ready") == ("False", "BackOff", want)
    assert states(bench)["Admitted"] == ("False", "BackOff")
    bench.restart()
    bench.cluster.clock.advance(9)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"], "a new process does not forget it"
    outcome = await bench.reconcile("TrainingJob", "tiny")
    assert outcome.requeue_after is not None
    assert outcome.requeue_after <= 2.0
    bench.cluster.clock.advance(1)
    await bench.settle()
    assert jobs(bench) == ["tiny-0", "tiny-1"]


@table(
    ("toll", "want"),
    {
        "failures, like a Pod's": (Toll.FAILURE, [10, 20, 40, 80, 160, 300, 300]),
        "disruptions, of which the first is nobody's fault": (Toll.DISRUPTION, [0, 10, 20, 40, 80, 160, 300]),
        "seats that were given back": (Toll.REFUSAL, [60, 120, 240, 480, 960, 1800, 1800]),
    },
)
def test_the_back_off_doubles_up_to_its_bound(toll: Toll, want: list[float]) -> None:
    assert [back_off_seconds(toll, in_a_row=number) for number in range(1, 8)] == want
    assert back_off_seconds(toll, in_a_row=100_000) == want[-1]


async def test_a_new_checkpoint_begins_the_back_off_anew(bench: Bench) -> None:
    waits = []
    for attempt, checkpoint in enumerate([4, 4, 8, None]):
        (pod,) = await running(bench, attempt=attempt, maxRestarts=9)
        if checkpoint is not None:
            told(bench, pod, progress(checkpoint + 1, checkpoint_step=checkpoint))
            await bench.settle()
        bench.cluster.end(bench.cluster.object("Pod", pod["metadata"]["name"]), result=failure(ErrorReason.INTERNAL))
        bench.cluster.finish(f"tiny-{attempt}", "Failed")
        await bench.settle()
        until = bench.status("TrainingJob", "tiny")["retry"]["notBefore"]
        waits.append(moments.elapsed(bench.cluster.clock.now(), now=until))
        await due(bench)
    assert waits == [10, 20, 10, 20]
    assert bench.status("TrainingJob", "tiny")["restarts"] == 4, "that is what maxRestarts counts, progress or not"


async def test_a_clock_that_was_set_back_keeps_nobody_waiting(bench: Bench) -> None:
    bench.cluster.clock.advance(6 * 3600)
    (pod,) = await running(bench)
    bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL))
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    bench.cluster.clock.advance(-5 * 3600)
    await bench.settle()
    assert jobs(bench) == ["tiny-0", "tiny-1"]


async def test_disruptions_end_a_job_only_when_too_many_come_without_a_checkpoint_between_them(bench: Bench) -> None:
    for attempt in range(4):
        (pod,) = await running(bench, attempt=attempt, maxDisruptions=2)
        if attempt == 0:
            told(bench, pod, progress(5, checkpoint_step=4))
            await bench.settle()
        await lost(bench, attempt=attempt)
        await due(bench)
        stopped = states(bench)["Failed"][0] == "True"
        # The first one made a checkpoint; with the second, third and fourth, the row is three.
        assert stopped is (attempt == 2), attempt
        if stopped:
            break
    status, reason, message = bench.condition("TrainingJob", "tiny", "Stalled")
    assert (status, reason) == ("True", "DisruptionsExhausted")
    assert "3 disruptions in a row" in message
    assert bench.status("TrainingJob", "tiny")["restarts"] == 0


@table(
    ("limit", "raised"),
    {
        "restarts": ("maxRestarts", 1),
        "disruptions": ("maxDisruptions", 1),
    },
)
async def test_a_job_that_stopped_at_a_limit_goes_on_when_a_person_raises_it(
    bench: Bench, limit: str, raised: int
) -> None:
    await running(bench, **{limit: 0})
    if limit == "maxRestarts":
        await failed(bench, result=failure(ErrorReason.INTERNAL))
    else:
        await lost(bench, attempt=0)
    assert states(bench)["Failed"] == states(bench)["Stalled"]
    assert states(bench)["Stalled"][0] == "True"
    assert bench.status("TrainingJob", "tiny")["completionTime"]
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert states(bench)["Stalled"][0] == "True", "another edit is none of the limit"
    bench.cluster.edit("TrainingJob", "tiny", **{limit: raised})
    await bench.settle()
    assert jobs(bench) == ["tiny-0", "tiny-1"]
    assert "completionTime" not in bench.status("TrainingJob", "tiny")
    assert {states(bench)[kind] for kind in ("Stalled", "Failed", "Succeeded")} == {("False", "NotFinished")}
    await running(bench, attempt=1)
    await completed(bench, attempt=1)
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["disruptions"]) == ((1, 0) if limit == "maxRestarts" else (0, 1))


async def test_a_job_that_stopped_for_what_no_attempt_can_change_stays_stopped(bench: Bench) -> None:
    await running(bench)
    await failed(bench, result=failure(ErrorReason.DATASET_INVALID))
    bench.cluster.edit("TrainingJob", "tiny", maxRestarts=9, maxDisruptions=900)
    await bench.settle()
    assert states(bench)["Stalled"] == ("True", "DatasetInvalid")
    assert jobs(bench) == ["tiny-0"]


@table(
    ("loss", "waits"),
    {
        "pods that did not come, which may not come again": (Loss.PODS_DID_NOT_COME, True),
        "a stranger on the seat, of whom the next plan knows": (Loss.SEAT_TAKEN, False),
        "a node that is gone, which is not planned with again": (Loss.NODE_GONE, False),
    },
)
async def test_a_seat_that_is_taken_back_before_its_pods_ran_costs_nothing(
    bench: Bench, loss: Loss, *, waits: bool
) -> None:
    """Where others hold the Job back, such as Kueue, a hundred deadlines must not end it. And where only the seat was
    wrong, there is nothing to wait for: another one is free."""
    await submitted(bench, maxDisruptions=0)
    for number in range(2):
        taken_back(bench, f"tiny-{number}", loss=loss)
        await bench.settle()
        status = bench.status("TrainingJob", "tiny")
        assert (status["restarts"], status["disruptions"]) == (0, 0)
        assert (status["lastFailure"]["toll"], status["lastFailure"]["reason"]) == ("Refusal", "TakenBack")
        assert ("notBefore" in status["retry"]) is waits
        await due(bench)
        assert jobs(bench) == [f"tiny-{number + 1}"]


@table(
    "change",
    {
        "its node goes": lambda cluster: cluster.remove(cluster.object("Node", "gpu-1")),
        "a stranger sits down": lambda cluster: cluster.stranger("s", node="gpu-1", requests={"nvidia.com/gpu": "4"}),
    },
)
async def test_a_seat_that_is_lost_before_its_job_was_made_is_replaced_by_another_at_once(
    bench: Bench, change: Callable[[Any], None]
) -> None:
    """The process ends between the two writes, and the world changes before the next one."""
    bench.cluster.put(make_training_job("tiny"))
    await bench.reconcile("TrainingJob", "tiny")
    bench.admitter.run_pass()
    bench.writer.crash_after = 1
    with pytest.raises(Crash):
        await bench.reconcile("TrainingJob", "tiny")
    bench.writer.crash_after = None
    change(bench.cluster)
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-2", labels=labels, devices={"nvidia.com/gpu": 4})
    bench.restart()
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert [seat["name"] for seat in status["placement"]["nodes"]] == ["gpu-2"]
    assert jobs(bench) == [f"tiny-{status['attempt']}"]
    assert (status["lastFailure"]["reason"], status["retry"]["refusals"]) == ("TakenBack", 0)


async def test_the_plan_takes_a_seat_back_and_the_job_gets_in_line_again(bench: Bench) -> None:
    await running(bench, maxRestarts=0)
    taken_back(bench, "tiny-0")
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert jobs(bench) == ["tiny-1"], "the Job of attempt 0 was deleted, and its number is not used again"
    assert (status["restarts"], status["disruptions"]) == (0, 1)
    assert status["lastFailure"] == {
        "reason": "TakenBack",
        "message": "On node gpu-1, pods that Hostler did not place took what was reserved.",
        "attempt": 0,
        "toll": "Disruption",
    }
