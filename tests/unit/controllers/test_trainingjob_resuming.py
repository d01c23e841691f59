"""A job that starts from another one's checkpoints."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_transformer
from tables import table
from world import completed, failed, failure, jobs, progress, running, states, submitted, told

from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler_contract import ErrorReason

Object = dict[str, Any]

RESUME = {"trainingJob": "first"}
CLAIM = ("PersistentVolumeClaim", "shared")


async def stopped(bench: Bench, **spec: Any) -> None:
    """A job that stopped for good after some checkpoints."""
    (pod,) = await running(bench, "first", **spec)
    told(bench, pod, progress(9, checkpoint_step=8))
    await bench.settle()
    await failed(bench, "first", result=failure(ErrorReason.TRAINING_DIVERGED, "the loss is not finite"))


def resume_mount(bench: Bench, job: str) -> tuple[Object, Object] | None:
    """Volume and mount of the other job's claim."""
    template = bench.cluster.object("Job", job)["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in template["volumes"]}
    mounts = {mount["name"]: mount for mount in template["containers"][0]["volumeMounts"]}
    return (volumes["resume"], mounts["resume"]) if "resume" in volumes else None


async def test_a_stopped_job_says_how_its_work_is_kept(bench: Bench) -> None:
    await stopped(bench)
    message = bench.condition("TrainingJob", "first", "Failed")[2]
    assert message.endswith("A new job with spec.resumeFrom.trainingJob: first goes on from step 8.")
    assert bench.cluster.find("PersistentVolumeClaim", "first") is not None


async def test_the_other_jobs_volume_is_mounted_read_only_and_its_workspace_named(bench: Bench) -> None:
    await stopped(bench)
    await submitted(bench, "second", resumeFrom=RESUME)
    found = resume_mount(bench, "second-0")
    assert found is not None
    volume, mount = found
    assert volume["persistentVolumeClaim"]["claimName"] == "first"
    assert (mount["mountPath"], mount["readOnly"]) == ("/resume", True)
    config = bench.job_config("second-0").to_dict()
    assert config["resumeFrom"] == "/resume"


async def test_a_workspace_on_a_claim_of_the_users_is_a_directory_of_it(bench: Bench) -> None:
    bench.cluster.claim("shared")
    await stopped(bench, storage={"claimName": "shared"})
    await submitted(bench, "second", resumeFrom=RESUME, storage={"claimName": "shared"})
    config = bench.job_config("second-0").to_dict()
    assert (config["workspace"], config["resumeFrom"]) == ("/workspace/second", "/resume/first")


async def test_a_job_that_has_succeeded_is_a_start_as_well(bench: Bench) -> None:
    await running(bench, "first")
    await completed(bench, "first")
    await submitted(bench, "second", resumeFrom=RESUME, training={"steps": 40})
    assert jobs(bench) == ["first-0", "second-0"]


@table(
    ("first", "want_reason", "want_words"),
    {
        "no such job": (None, "CheckpointNotFound", "there is no TrainingJob first in namespace default"),
        "a job under way": ({}, "CheckpointInUse", "suspend it with spec.suspend, or wait for its end"),
        "another family": ({"family": "code"}, "IncompatibleCheckpoint", "TrainingJob first has another spec.family"),
        "other sizes": (
            {"output": {"transformer": make_transformer(layers=4)}},
            "IncompatibleCheckpoint",
            "another spec.output.transformer, so its weights do not fit",
        ),
    },
)
async def test_what_is_no_start_is_refused_with_path_and_way_out(
    bench: Bench, first: Object | None, want_reason: str, want_words: str
) -> None:
    if first is not None:
        await submitted(bench, "first", **first)
    await submitted(bench, "second", resumeFrom=RESUME)
    status, reason, message = bench.condition("TrainingJob", "second", "Accepted")
    assert (status, reason) == ("False", want_reason)
    assert message.startswith("spec.resumeFrom.trainingJob: ")
    assert want_words in message
    assert bench.cluster.find("Job", "second-0") is None


async def test_a_job_is_no_start_for_itself(bench: Bench) -> None:
    await submitted(bench, "first", resumeFrom=RESUME)
    assert states(bench, "first")["Accepted"] == ("False", "CheckpointNotFound")


async def test_a_suspended_job_is_a_start_once_its_pods_have_gone(bench: Bench) -> None:
    (pod,) = await running(bench, "first")
    bench.cluster.edit("TrainingJob", "first", suspend=True)
    await bench.reconcile("TrainingJob", "first")
    still = {"phase": "Running", "containerStatuses": [{"name": "trainer", "state": {"running": {}}}]}
    bench.cluster.put({**pod, "status": still})
    await submitted(bench, "second", resumeFrom=RESUME)
    assert states(bench, "second")["Accepted"] == ("False", "CheckpointInUse")
    bench.cluster.remove(bench.cluster.object("Pod", pod["metadata"]["name"]))
    await bench.settle()
    assert states(bench, "second")["Accepted"] == ("True", "Valid")


async def test_without_the_claim_there_is_nothing_to_start_from(bench: Bench) -> None:
    await stopped(bench)
    bench.cluster.remove(bench.cluster.object("PersistentVolumeClaim", "first"))
    await submitted(bench, "second", resumeFrom=RESUME)
    assert states(bench, "second")["Accepted"] == ("False", "CheckpointNotFound")


async def test_a_job_with_checkpoints_of_its_own_needs_nobody_elses(bench: Bench) -> None:
    await stopped(bench)
    (pod,) = await running(bench, "second", resumeFrom=RESUME)
    told(bench, pod, progress(12, checkpoint_step=12))
    await bench.settle()
    bench.cluster.remove(bench.cluster.object("TrainingJob", "first"))
    await failed(bench, "second", result=failure(ErrorReason.INTERNAL))
    assert bench.cluster.find("Job", "second-1") is not None
    assert resume_mount(bench, "second-1") is None


def wakes(bench: Bench, change: Change) -> bool:
    """Whether this change has somebody look at the job ``second`` again."""
    return Key("TrainingJob", "default", "second") in bench.controllers["TrainingJob"].affected(change)


async def test_who_waits_for_anothers_checkpoints_is_woken_and_does_not_look_again_and_again(bench: Bench) -> None:
    (pod,) = await running(bench, "first")
    await submitted(bench, "second", resumeFrom=RESUME)
    assert states(bench, "second")["Accepted"] == ("False", "CheckpointInUse")
    assert (await bench.reconcile("TrainingJob", "second")).requeue_after is None

    changes: list[Change] = []
    bench.cluster.objects.listeners.append(changes.append)
    told(bench, pod, progress(9, checkpoint_step=8))
    await bench.settle()
    assert not [change for change in changes if wakes(bench, change)], "its figures are nobody else's news"

    await failed(bench, "first", result=failure(ErrorReason.TRAINING_DIVERGED, "the loss is not finite"))
    woke = {change.kind for change in changes if wakes(bench, change)}
    assert woke >= {"Pod", "TrainingJob"}, "its last pod has ended, and it has come to rest"
    assert states(bench, "second")["Accepted"] == ("True", "Valid")


async def test_who_waits_for_a_job_or_its_claim_is_woken_by_either(bench: Bench) -> None:
    bench.cluster.claim("shared")
    await submitted(bench, "second", resumeFrom=RESUME)
    await stopped(bench, storage={"claimName": "shared"})
    first, claim = (bench.cluster.object(kind, name) for kind, name in (("TrainingJob", "first"), CLAIM))
    assert wakes(bench, Change("TrainingJob", None, first))
    assert wakes(bench, Change(CLAIM[0], claim, None)), "although its own spec does not name it"
    assert wakes(bench, Change("TrainingJob", first, None))


def kept(bench: Bench, job: str) -> int:
    """Checkpoints that the attempt leaves after success."""
    return bench.job_config(job).checkpoint.keep_after_success


NONE = {"checkpoint": {"keepAfterSuccess": 0}}


async def test_a_job_that_nobody_waits_for_may_leave_no_checkpoint(bench: Bench) -> None:
    await running(bench, "first", **NONE)
    assert kept(bench, "first-0") == 0


async def test_what_another_job_is_to_start_from_stays(bench: Bench) -> None:
    await submitted(bench, "first", **NONE, suspend=True)
    await submitted(bench, "second", resumeFrom=RESUME)
    bench.cluster.edit("TrainingJob", "first", suspend=False)
    await bench.settle()
    assert kept(bench, "first-0") == 1
