"""Limits in time, and jobs that are another controller's."""

from __future__ import annotations

from bench import Bench
from builders import make_training_job
from tables import table
from world import completed, failed, failure, jobs, progress, running, states, submitted, told

from hostler_contract import ErrorReason

DEADLINE = {"activeDeadlineSeconds": 600}


async def test_a_job_that_is_active_for_too_long_has_failed_for_good(bench: Bench) -> None:
    (pod,) = await running(bench, **DEADLINE)
    bench.cluster.clock.advance(400)
    told(bench, pod, progress(10, checkpoint_step=8))
    outcome = await bench.reconcile("TrainingJob", "tiny")
    assert outcome.requeue_after == 200, "no event tells when it is time"
    bench.cluster.clock.advance(200)
    await bench.settle()
    want = (
        "its attempts have taken 10m00s, and spec.activeDeadlineSeconds is 600. Another attempt would meet it again: "
        "only a new job with a larger activeDeadlineSeconds can finish it. A new job with "
        "spec.resumeFrom.trainingJob: tiny goes on from step 8."
    )
    assert bench.condition("TrainingJob", "tiny", "Failed") == ("True", "DeadlineExceeded", want)
    assert states(bench)["Stalled"] == ("True", "DeadlineExceeded")
    assert jobs(bench) == [], "its pods are stopped, and nothing comes after them"
    assert bench.status("TrainingJob", "tiny")["completionTime"] == "2026-01-01T00:10:00Z"


async def test_attempts_add_up_and_what_lies_between_them_does_not_count(bench: Bench) -> None:
    await running(bench, **DEADLINE)
    bench.cluster.clock.advance(300)
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.settle()
    bench.cluster.clock.advance(5000)
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert jobs(bench)[-1] == "tiny-2"
    await running(bench, attempt=2)
    bench.cluster.clock.advance(250)
    await bench.settle()
    assert states(bench)["Ready"] == ("True", "Training")
    bench.cluster.clock.advance(50)
    await bench.settle()
    assert states(bench)["Failed"] == ("True", "DeadlineExceeded")


async def test_an_attempt_counts_until_it_ended_not_until_somebody_looked(bench: Bench) -> None:
    await running(bench, **DEADLINE)
    bench.cluster.clock.advance(100)
    (pod,) = bench.cluster.pods_of(bench.cluster.object("Job", "tiny-0"))
    bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL), code=1)
    bench.cluster.finish("tiny-0", "Failed")
    bench.cluster.clock.advance(10_000)
    await bench.settle()
    assert bench.status("TrainingJob", "tiny")["retry"]["activeSeconds"] == 100
    assert states(bench)["Failed"][0] == "False"


async def test_a_suspended_attempt_counts_once(bench: Bench) -> None:
    await running(bench, **DEADLINE)
    bench.cluster.clock.advance(100)
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    for _ in range(3):
        await bench.settle()
        bench.cluster.clock.advance(30)
    assert bench.status("TrainingJob", "tiny")["retry"]["activeSeconds"] == 100


async def test_a_new_checkpoint_does_not_give_time_back(bench: Bench) -> None:
    (pod,) = await running(bench, **DEADLINE)
    bench.cluster.clock.advance(100)
    told(bench, pod, progress(10, checkpoint_step=8))
    await bench.settle()
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    assert bench.status("TrainingJob", "tiny")["retry"]["activeSeconds"] == 100


async def test_time_in_line_does_not_count(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={"nvidia.com/gpu": "4"})
    await submitted(bench, **DEADLINE)
    bench.cluster.clock.advance(10_000)
    await bench.settle()
    assert states(bench)["Ready"] == ("False", "WaitingForCapacity")


async def test_a_job_that_has_succeeded_goes_when_its_time_has_passed_and_the_model_stays(bench: Bench) -> None:
    await running(bench, ttlSecondsAfterFinished=600)
    await completed(bench)
    outcome = await bench.reconcile("TrainingJob", "tiny")
    assert outcome.requeue_after == 600
    bench.cluster.clock.advance(599)
    await bench.settle()
    assert bench.cluster.find("TrainingJob", "tiny") is not None
    bench.cluster.clock.advance(1)
    await bench.reconcile("TrainingJob", "tiny")
    assert bench.cluster.find("TrainingJob", "tiny") is None
    assert jobs(bench) == [], "its attempts belong to it"
    assert bench.cluster.find("Model", "tiny") is not None
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is not None, "the Model's by now"


async def test_a_job_that_has_failed_goes_with_its_claim(bench: Bench) -> None:
    await running(bench, ttlSecondsAfterFinished=60, maxRestarts=0)
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is not None
    bench.cluster.clock.advance(60)
    await bench.reconcile("TrainingJob", "tiny")
    assert bench.cluster.find("TrainingJob", "tiny") is None
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is None


async def test_a_job_that_is_under_way_is_kept_whatever_its_age(bench: Bench) -> None:
    await running(bench, ttlSecondsAfterFinished=0)
    bench.cluster.clock.advance(10_000)
    await bench.settle()
    assert states(bench)["Ready"] == ("True", "Training")


async def test_a_job_of_another_controller_is_left_alone_and_says_so_once(bench: Bench) -> None:
    await submitted(bench, managedBy="kueue.x-k8s.io/multikueue")
    assert [write for write in bench.writer.writes if "tiny" in write] == ["status TrainingJob tiny"]
    want = (
        "spec.managedBy is kueue.x-k8s.io/multikueue: Hostler does nothing for this job, and "
        "kueue.x-k8s.io/multikueue writes its status."
    )
    assert bench.condition("TrainingJob", "tiny", "Accepted") == ("Unknown", "ManagedElsewhere", want)
    assert bench.condition("TrainingJob", "tiny", "Ready") == ("Unknown", "ManagedElsewhere", want)
    assert bench.admitter.waiting == 0
    theirs = {
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        ],
        "placement": {
            "pool": "gpu", "acceleratorType": "nvidia-a100-80", "pods": 1, "perPod": 4,
            "nodes": [{"name": "gpu-1", "pods": 1}], "requests": {"nvidia.com/gpu": "4", "pods": "1"},
        },
        "retry": {"after": 0, "activeSeconds": 500_000},
    }  # fmt: skip
    bench.cluster.set_status(bench.cluster.object("TrainingJob", "tiny"), **theirs)
    await bench.settle()
    assert bench.status("TrainingJob", "tiny")["conditions"] == theirs["conditions"]
    await submitted(bench, "ours", accelerators={"pool": "gpu", "perPod": 4})
    assert jobs(bench) == ["ours-0"], "what another cluster has reserved under a node's name is not reserved here"
    bench.restart()
    await submitted(bench, "next")
    shares = bench.admitter.usage.snapshot(["gpu"]).shares["gpu"]
    assert shares["default"] < 0.001, "nor is what it has used there used here"


@table("manager", {"nobody is named": None, "ourselves": "hostler.dev/operator"})
async def test_a_job_of_ours_is_carried_out(bench: Bench, manager: str | None) -> None:
    bench.cluster.put(make_training_job(**({"managedBy": manager} if manager else {})))
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
