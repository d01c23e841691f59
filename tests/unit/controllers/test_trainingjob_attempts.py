"""Attempts of a training job: what is tried again and what is not, one at a time, suspended and resumed."""

from __future__ import annotations

from typing import Any

import pytest
from bench import Bench
from fakes import Crash
from tables import table
from world import completed, due, failed, failure, jobs, progress, running, states, submitted

from hostler_contract import ErrorReason


@table(
    ("result", "code", "want_reason"),
    {
        "a container killed from outside leaves no word": (None, 137, "ContainerFailed"),
        "an error that nobody foresaw": (failure(ErrorReason.INTERNAL), 1, "InternalError"),
    },
)
async def test_what_may_go_better_is_tried_again(bench: Bench, result: Any, code: int, want_reason: str) -> None:
    await running(bench)
    await failed(bench, result=result, code=code)
    assert jobs(bench) == ["tiny-0", "tiny-1"]
    status = bench.status("TrainingJob", "tiny")
    assert (status["attempt"], status["restarts"]) == (1, 1)
    assert status["lastFailure"]["reason"] == want_reason
    await running(bench, attempt=1)
    await completed(bench, attempt=1)
    assert states(bench)["Succeeded"] == ("True", "Succeeded")
    assert bench.status("TrainingJob", "tiny")["restarts"] == 1


@table(
    "reason",
    {f"{reason.value} stops the job for good": reason for reason in ErrorReason if not reason.retryable},
)
async def test_what_only_a_person_can_change_is_not_tried_again(bench: Bench, reason: ErrorReason) -> None:
    await running(bench)
    await failed(bench, result=failure(reason, "the file is not there"))
    assert jobs(bench) == ["tiny-0"]
    status, why, message = bench.condition("TrainingJob", "tiny", "Stalled")
    assert (status, why) == ("True", reason.value)
    assert message.startswith("the file is not there. Another attempt would meet it again: ")
    assert bench.condition("TrainingJob", "tiny", "Failed") == (status, why, message), "for kubectl wait"
    assert states(bench)["Ready"] == ("False", "Failed")
    assert states(bench)["Succeeded"] == ("False", "Failed")
    assert bench.status("TrainingJob", "tiny")["restarts"] == 0


OOM = failure(ErrorReason.OUT_OF_MEMORY, "memory ran out")


def told(bench: Bench, attempt: int) -> int:
    """How many times smaller the trainer of an attempt is asked to make what it computes at once."""
    return bench.job_config(f"tiny-{attempt}").shrink


@table(
    ("training", "want"),
    {
        "it can be halved": (
            {"batchSize": 8},
            "memory ran out. Another attempt would meet it again: make a new job with larger accelerators; "
            "gradientAccumulation 2, or onOutOfMemory: shrink, which finds it by trying; shorter sequences, or a "
            "smaller network; parallelism: sharded over more processes. Weights, gradients and optimizer state alone "
            "take about 2.1Mi of the accelerator's 80Gi.",
        ),
        "one sequence at once, and sharded": (
            {"batchSize": 2, "gradientAccumulation": 2, "parallelism": "sharded"},
            "memory ran out. Another attempt would meet it again: make a new job with larger accelerators; shorter "
            "sequences, or a smaller network. Weights, gradients and optimizer state alone take about 2.1Mi of the "
            "accelerator's 80Gi.",
        ),
    },
)
async def test_what_did_not_fit_is_not_tried_again_at_the_same_size(
    bench: Bench, training: dict[str, Any], want: str
) -> None:
    await running(bench, training={"steps": 20} | training)
    await failed(bench, result=OOM)
    assert jobs(bench) == ["tiny-0"]
    assert bench.condition("TrainingJob", "tiny", "Stalled")[1:] == ("OutOfMemory", want)


async def test_where_it_may_shrink_half_as_much_is_computed_at_once_until_it_fits(bench: Bench) -> None:
    await running(bench, training={"steps": 20, "batchSize": 8, "onOutOfMemory": "shrink"}, maxRestarts=0)
    assert told(bench, 0) == 1
    for attempt in range(2):
        await failed(bench, attempt=attempt, result=OOM)
        await running(bench, attempt=attempt + 1)
    assert told(bench, 2) == 4
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["retry"]["halvings"]) == (0, 2), "a smaller size is no second try"
    assert "half as many sequences at once" in status["lastFailure"]["message"]
    await completed(bench, attempt=2)
    assert states(bench)["Succeeded"] == ("True", "Succeeded")


async def test_what_has_shrunk_stays_small_after_another_failure_and_a_checkpoint(bench: Bench) -> None:
    (pod,) = await running(bench, training={"steps": 20, "batchSize": 8, "onOutOfMemory": "shrink"})
    await failed(bench, result=OOM)
    (pod,) = await running(bench, attempt=1)
    bench.facts.answers[pod["metadata"]["uid"]] = progress(10, checkpoint_step=10)
    await bench.settle()
    await failed(bench, attempt=1, result=failure(ErrorReason.INTERNAL))
    assert told(bench, 2) == 2


async def test_shrinking_ends_at_one_sequence_for_each_process(bench: Bench) -> None:
    await running(bench, training={"steps": 20, "batchSize": 2, "onOutOfMemory": "shrink"})
    await failed(bench, result=OOM)
    await running(bench, attempt=1)
    await failed(bench, attempt=1, result=OOM)
    assert jobs(bench) == ["tiny-0", "tiny-1"]
    assert bench.condition("TrainingJob", "tiny", "Stalled")[1] == "OutOfMemory"


async def test_restarts_end_at_the_limit_with_the_last_cause(bench: Bench) -> None:
    await running(bench, maxRestarts=1)
    await failed(bench, result=failure(ErrorReason.INTERNAL, "first"))
    await running(bench, attempt=1)
    await failed(bench, attempt=1, result=failure(ErrorReason.INTERNAL, "second"))
    status, reason, message = bench.condition("TrainingJob", "tiny", "Stalled")
    assert (status, reason) == ("True", "RestartsExhausted")
    assert "spec.maxRestarts is 1" in message
    assert "second" in message
    assert jobs(bench) == ["tiny-0", "tiny-1"]


async def test_a_deleted_pod_means_another_attempt(bench: Bench) -> None:
    (pod,) = await running(bench)
    bench.cluster.remove(pod)
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    assert jobs(bench) == ["tiny-0", "tiny-1"]
    assert bench.status("TrainingJob", "tiny")["lastFailure"]["reason"] == "PodDeleted"


async def test_the_first_real_cause_wins_over_its_echoes(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2})
    bench.cluster.end(first, result=failure(ErrorReason.INTERNAL, "contact with another process was lost"))
    bench.cluster.clock.advance(1)
    bench.cluster.end(second, result=failure(ErrorReason.DATASET_INVALID, "not UTF-8"))
    bench.cluster.finish("tiny-0", "Failed")
    await bench.settle()
    status, reason, message = bench.condition("TrainingJob", "tiny", "Stalled")
    assert (status, reason) == ("True", "DatasetInvalid")
    assert message.startswith("not UTF-8.")


async def test_two_attempts_never_run_at_once(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2})
    bench.cluster.end(first, result=failure(ErrorReason.INTERNAL))
    job = bench.cluster.object("Job", "tiny-0")
    bench.cluster.set_status(job, conditions=[{"type": "Failed", "status": "True"}])
    await bench.settle()
    assert jobs(bench) == ["tiny-0"], "the second pod may still write to the workspace"
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "Restarting")
    assert message == f"Attempt 0 failed. Waits for the end of pod {second['metadata']['name']}."
    bench.cluster.remove(second)
    await bench.settle()
    await due(bench)
    assert jobs(bench) == ["tiny-0", "tiny-1"]


async def test_a_pod_on_a_lost_node_is_waited_for_and_the_ways_out_are_named(bench: Bench) -> None:
    (pod,) = await running(bench)
    pod = bench.cluster.object("Pod", pod["metadata"]["name"])
    bench.cluster.put({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    bench.cluster.set_status(bench.cluster.object("Node", "gpu-1"), conditions=[{"type": "Ready", "status": "Unknown"}])
    await bench.settle()
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "Restarting")
    for words in ("gpu-1 is not ready", "is deleted", "node.kubernetes.io/out-of-service:NoExecute"):
        assert words in message
    assert jobs(bench) == ["tiny-0"]


async def test_only_the_newest_failed_job_stays_for_its_logs(bench: Bench) -> None:
    await running(bench, pods={"min": 2, "max": 2})
    for attempt in range(3):
        await failed(bench, attempt=attempt, result=failure(ErrorReason.INTERNAL))
        await running(bench, attempt=attempt + 1)
    assert jobs(bench) == ["tiny-2", "tiny-3"]
    assert [s["metadata"]["name"] for s in bench.cluster.all("Service")] == ["tiny-3"]
    assert bench.status("TrainingJob", "tiny")["restarts"] == 3


async def test_a_suspended_job_never_starts_and_makes_nothing(bench: Bench) -> None:
    await submitted(bench, suspend=True)
    assert [w for w in bench.writer.writes if w.startswith("apply")] == []
    assert states(bench)["Suspended"] == ("True", "Suspended")
    assert states(bench)["Admitted"] == ("False", "Suspended")
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]


async def test_a_job_that_is_resumed_while_it_stops_does_not_begin_the_same_attempt_again(bench: Bench) -> None:
    await submitted(bench)
    assert "attempt" not in bench.status("TrainingJob", "tiny"), "nobody has written down that it has begun"
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    bench.writer.crash_after = 1
    with pytest.raises(Crash):
        await bench.reconcile("TrainingJob", "tiny")
    assert bench.writer.writes[-1] == "status TrainingJob tiny", "before its Job goes, its number is used up"
    bench.writer.crash_after = None
    bench.restart()
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert jobs(bench) == ["tiny-1"]
    assert bench.status("TrainingJob", "tiny")["restarts"] == 0


async def test_suspending_stops_the_pods_keeps_the_claim_and_resumes_with_the_next_attempt(bench: Bench) -> None:
    await running(bench)
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.settle()
    assert jobs(bench) == []
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is not None
    assert states(bench)["Ready"] == ("False", "Suspended")
    assert "placement" not in bench.status("TrainingJob", "tiny")
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert jobs(bench) == ["tiny-1"]
    status = bench.status("TrainingJob", "tiny")
    assert (status["attempt"], status["restarts"]) == (1, 0), "a suspension is no failure"


async def test_a_suspended_job_keeps_its_seat_until_its_last_pod_has_ended(bench: Bench) -> None:
    """Its devices are not free before: whoever was promised them would find them taken."""
    (pod,) = await running(bench, accelerators={"pool": "gpu", "perPod": 3})
    await submitted(bench, "next", accelerators={"pool": "gpu", "perPod": 3})
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.reconcile("TrainingJob", "tiny")
    assert bench.status("TrainingJob", "tiny")["placement"]["nodes"], "in the very write that says it is suspended"
    bench.cluster.put({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": bench.cluster.clock.now()}})
    await bench.settle()
    assert "placement" in bench.status("TrainingJob", "tiny")
    assert states(bench, "next")["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.remove(bench.cluster.object("Pod", pod["metadata"]["name"]))
    await bench.settle()
    assert "placement" not in bench.status("TrainingJob", "tiny")
    assert states(bench, "next")["Admitted"][0] == "True"


async def test_a_resumed_job_does_not_take_an_older_failure_for_a_new_one(bench: Bench) -> None:
    await running(bench, maxRestarts=1)
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    await running(bench, attempt=1)
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.settle()
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert (status["attempt"], status["restarts"]) == (2, 1)
    assert states(bench)["Stalled"] == ("False", "NotFinished")


async def test_a_job_that_no_cache_shows_is_looked_for_before_another_is_made(bench: Bench) -> None:
    await submitted(bench)
    bench.cluster.hidden.add(("Job", "default", "tiny-0"))
    bench.restart()
    await bench.settle()
    assert jobs(bench) == ["tiny-0"], "its status came back before its Job did"


async def test_the_end_is_final(bench: Bench) -> None:
    await running(bench)
    await failed(bench, result=failure(ErrorReason.DATASET_INVALID))
    bench.cluster.edit("TrainingJob", "tiny", maxRestarts=9)
    await bench.settle()
    assert states(bench)["Stalled"] == ("True", "DatasetInvalid")
    assert bench.status("TrainingJob", "tiny")["observedGeneration"] == 2
    assert jobs(bench) == ["tiny-0"]


async def test_a_result_that_is_lost_means_another_attempt(bench: Bench) -> None:
    (pod,) = await running(bench)
    bench.cluster.remove(pod)
    bench.cluster.finish("tiny-0", "Complete")
    await bench.settle()
    assert jobs(bench) == ["tiny-0", "tiny-1"]
    assert bench.status("TrainingJob", "tiny")["lastFailure"]["reason"] == "ResultMissing"
