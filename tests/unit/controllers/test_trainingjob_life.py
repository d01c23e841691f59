"""A training job from apply to Model, with its children, its progress, its result and its events."""

from __future__ import annotations

from typing import Any

import pytest
from bench import Bench
from builders import make_model, make_training_job
from tables import table
from world import completed, failed, failure, jobs, progress, running, states, submitted, success

from hostler.cluster.errors import Forbidden
from hostler.controllers.trainingjob.actions.live import END_SECONDS
from hostler_contract import ErrorReason

Object = dict[str, Any]


async def test_a_job_that_fits_gets_its_children_and_says_so(bench: Bench) -> None:
    await submitted(bench, pods={"min": 1, "max": 3}, accelerators={"pool": "gpu", "perPod": 2})
    made = [write for write in bench.writer.writes if write.startswith("apply")]
    assert made == [
        "apply PersistentVolumeClaim tiny",
        "apply Service tiny-0",
        "apply Job tiny-0",
    ]
    assert states(bench) == {
        "Accepted": ("True", "Valid"),
        "Admitted": ("True", "Placed"),
        "Ready": ("False", "Starting"),
        "Succeeded": ("False", "NotFinished"),
        "Stalled": ("False", "NotFinished"),
        "Failed": ("False", "NotFinished"),
        "Suspended": ("False", "NotSuspended"),
    }
    status = bench.status("TrainingJob", "tiny")
    assert status["placement"] == {
        "pool": "gpu",
        "acceleratorType": "nvidia-a100-80",
        "pods": 2,
        "perPod": 2,
        "nodes": [{"name": "gpu-1", "pods": 2}],
        "requests": {"cpu": "1000m", "memory": str(2 * 2**30), "nvidia.com/gpu": "2", "pods": "1"},
        "deadline": "2026-01-01T00:07:30Z",
    }
    assert (status["restarts"], status["observedGeneration"]) == (0, 1)
    config = bench.job_config("tiny-0").to_dict()
    assert config["topology"] == {"pods": 2, "processesPerPod": 2}
    assert "peakFlopsPerProcess" not in config, "a share of a simulated device's peak would be made up"


async def test_a_job_of_one_pod_that_fits_at_once_needs_few_writes_and_three_events_in_its_whole_life(
    bench: Bench,
) -> None:
    bench.cluster.claim("shared")
    await running(bench, storage={"claimName": "shared"})
    await completed(bench)
    own = [write for write in bench.writer.writes if "tiny" in write and "Model" not in write]
    assert own == [
        "status TrainingJob tiny",
        "apply Job tiny-0",
        "status TrainingJob tiny",
        "status TrainingJob tiny",
    ]
    told = [reason for reason, _, _ in bench.writer.events]
    assert told == ["Starting", "Training", "Succeeded"]


async def test_a_claim_of_its_own_is_made_once_and_handed_over_once(bench: Bench) -> None:
    await running(bench)
    await completed(bench)
    assert bench.writer.writes.count("apply PersistentVolumeClaim tiny") == 2


async def test_pods_that_run_at_once_are_training_without_a_word_of_starting_between(bench: Bench) -> None:
    bench.cluster.claim("shared")
    bench.cluster.put(make_training_job(storage={"claimName": "shared"}))
    await bench.reconcile("TrainingJob", "tiny")
    bench.admitter.run_pass()
    await bench.reconcile("TrainingJob", "tiny")
    before = len(bench.writer.writes)
    await running(bench)
    assert bench.writer.writes[before:].count("status TrainingJob tiny") == 1


async def test_all_pods_running_means_ready(bench: Bench) -> None:
    first, second = await running(bench, pods={"min": 2, "max": 2})
    assert states(bench)["Ready"] == ("True", "Training")
    bench.cluster.set_status(second, phase="Pending")
    await bench.settle()
    assert bench.condition("TrainingJob", "tiny", "Ready") == ("False", "Starting", "1 of 2 pods of attempt 0 run.")
    assert first["metadata"]["name"] == "tiny-0-0-xyz"


@table(
    ("ended", "seconds", "want_message"),
    {
        "the first of two has finished": (1, 0, "1 of 2 pods of attempt 0 finished; others still run."),
        "both have, and the Job will say so in a moment": (2, END_SECONDS - 1, "All 2 pods of attempt 0 run."),
        "both have, and the Job does not say so": (
            2,
            END_SECONDS,
            "2 of 2 pods of attempt 0 finished; the end of the Job is awaited.",
        ),
    },
)
async def test_pods_that_have_finished_are_not_missing(
    bench: Bench, ended: int, seconds: float, want_message: str
) -> None:
    pods = await running(bench, pods={"min": 2, "max": 2})
    told = list(bench.writer.events)
    for pod in pods[:ended]:
        bench.cluster.end(pod, result=success())
    # The Job controller lets go of a pod that it has counted, and somebody may remove it then.
    finished = bench.cluster.object("Pod", pods[0]["metadata"]["name"])
    bench.cluster.put({**finished, "metadata": {**finished["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    bench.cluster.clock.advance(seconds)
    await bench.settle()
    assert bench.condition("TrainingJob", "tiny", "Ready") == ("True", "Training", want_message)
    assert bench.writer.events == told, "nothing has begun anew"


async def test_progress_that_is_known_is_shown_and_written_once(bench: Bench) -> None:
    await running(bench)
    uid = bench.cluster.object("Pod", "tiny-0-0-xyz")["metadata"]["uid"]
    bench.facts.answers[uid] = progress(5, loss=5.43219, units_per_second=1234.4, eta_seconds=130, checkpoint_step=4)
    outcome = await bench.reconcile("TrainingJob", "tiny")
    assert outcome.requeue_after is None, "whoever asks the pod wakes the job"
    assert bench.status("TrainingJob", "tiny")["progress"] == {
        "percent": 25,
        "step": 5,
        "totalSteps": 20,
        "loss": "5.432",
        "speed": {"value": "1234", "unit": "tokens/s"},
        "eta": "2m10s",
        "checkpointStep": 4,
        "stage": "Training",
    }
    writes = len(bench.writer.writes)
    bench.cluster.clock.advance(5)
    await bench.reconcile("TrainingJob", "tiny")
    assert len(bench.writer.writes) == writes


@pytest.mark.parametrize("figure", [float("inf"), 1e300])
async def test_figures_without_sense_are_not_known_and_stop_nobody(bench: Bench, figure: float) -> None:
    await running(bench)
    uid = bench.cluster.object("Pod", "tiny-0-0-xyz")["metadata"]["uid"]
    bench.facts.answers[uid] = progress(5, units_per_second=figure, eta_seconds=figure)
    await bench.settle()
    shown = bench.status("TrainingJob", "tiny")["progress"]
    assert (shown["step"], "speed" in shown, "eta" in shown) == (5, False, False)


async def test_a_trainer_that_does_not_answer_keeps_the_last_known_progress(bench: Bench) -> None:
    await running(bench)
    uid = bench.cluster.object("Pod", "tiny-0-0-xyz")["metadata"]["uid"]
    bench.facts.answers[uid] = progress(5)
    await bench.settle()
    bench.facts.answers.clear()
    await bench.settle()
    assert bench.status("TrainingJob", "tiny")["progress"]["step"] == 5


async def test_success_registers_a_model_and_hands_over_the_claim(bench: Bench) -> None:
    await running(
        bench, output={"license": "PSF-2.0", "transformer": make_training_job()["spec"]["output"]["transformer"]}
    )
    await completed(bench)
    job = bench.cluster.object("TrainingJob", "tiny")
    model = bench.cluster.object("Model", "tiny")
    assert model["spec"]["artifacts"]["source"] == {"pvc": {"claimName": "tiny", "path": "model"}}
    assert model["spec"]["license"] == "PSF-2.0"
    assert model["spec"]["metrics"] == [
        {"name": "validation_loss", "value": "3.25"},
        {"name": "validation_perplexity", "value": "25.79"},
    ]
    assert model["spec"]["lineage"] == {
        "trainingJob": "tiny",
        "trainingJobUid": job["metadata"]["uid"],
        "attempt": 0,
        "datasetSha256": "b" * 64,
        "objective": "pretrain",
    }
    assert "ownerReferences" not in model["metadata"]
    (owner,) = bench.cluster.object("PersistentVolumeClaim", "tiny")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Model", model["metadata"]["uid"])
    assert states(bench)["Succeeded"] == ("True", "Succeeded")
    assert states(bench)["Ready"] == ("True", "Succeeded")
    status = bench.status("TrainingJob", "tiny")
    assert (status["model"], status["progress"]["percent"]) == ("tiny", 100)


async def test_a_claim_that_was_enlarged_meanwhile_is_handed_over_as_large_as_it_is(bench: Bench) -> None:
    await running(bench)
    claim = bench.cluster.object("PersistentVolumeClaim", "tiny")
    claim["spec"]["resources"]["requests"]["storage"] = "5Gi"
    bench.cluster.put(claim)
    await completed(bench)
    claim = bench.cluster.object("PersistentVolumeClaim", "tiny")
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "Model"
    assert claim["spec"]["resources"]["requests"] == {"storage": "5Gi"}


async def test_the_model_and_its_weights_outlive_the_job(bench: Bench) -> None:
    await running(bench)
    await completed(bench)
    bench.cluster.remove(bench.cluster.object("TrainingJob", "tiny"))
    await bench.settle()
    assert jobs(bench) == []
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is not None
    bench.cluster.remove(bench.cluster.object("Model", "tiny"))
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is None


async def test_a_finished_job_does_not_keep_a_deleted_claim_from_going_away(bench: Bench) -> None:
    await running(bench)
    await completed(bench)
    assert jobs(bench) == ["tiny-0"], "kept for its logs"
    claim = bench.cluster.object("PersistentVolumeClaim", "tiny")
    bench.cluster.put({**claim, "metadata": {**claim["metadata"], "deletionTimestamp": bench.cluster.clock.now()}})
    await bench.settle()
    assert jobs(bench) == [], "a pod that has ended protects the claim that it mounts"
    assert bench.condition("TrainingJob", "tiny", "Succeeded")[0] == "True"


async def test_a_claim_of_the_users_is_used_in_a_directory_of_the_job_and_stays_the_users(bench: Bench) -> None:
    bench.cluster.claim("shared")
    await running(bench, storage={"claimName": "shared"})
    config = bench.job_config("tiny-0").to_dict()
    assert config["workspace"] == "/workspace/tiny"
    for pod in bench.cluster.all("Pod"):
        bench.cluster.end(pod, result=success(path="tiny/model"))
    bench.cluster.finish("tiny-0", "Complete")
    await bench.settle()
    assert bench.cluster.object("Model", "tiny")["spec"]["artifacts"]["source"]["pvc"] == {
        "claimName": "shared",
        "path": "tiny/model",
    }
    assert "ownerReferences" not in bench.cluster.object("PersistentVolumeClaim", "shared")["metadata"]
    assert bench.cluster.find("PersistentVolumeClaim", "tiny") is None


async def test_a_result_that_is_on_its_way_is_waited_for(bench: Bench) -> None:
    (pod,) = await running(bench)
    job = bench.cluster.object("Job", "tiny-0")
    bench.cluster.set_status(job, conditions=[{"type": "Complete", "status": "True"}])
    await bench.settle()
    assert states(bench)["Ready"] == ("True", "Registering")
    bench.cluster.end(pod, result=success())
    await bench.settle()
    assert states(bench)["Succeeded"] == ("True", "Succeeded")


async def test_an_artifact_outside_the_volume_is_no_result(bench: Bench) -> None:
    (pod,) = await running(bench)
    bench.cluster.end(pod, result=success(path="../other"))
    bench.cluster.finish("tiny-0", "Complete")
    await bench.settle()
    assert bench.cluster.find("Model", "tiny") is None


async def test_a_result_that_makes_no_model_stops_the_job_instead_of_every_look_at_it(bench: Bench) -> None:
    (pod,) = await running(bench)
    said = success()
    assert said.artifact is not None
    wrong = said.artifact.model_copy(update={"sha256": "not a hash"})
    bench.cluster.end(pod, result=said.model_copy(update={"artifact": wrong}))
    bench.cluster.finish("tiny-0", "Complete")
    await bench.settle()
    status, reason, message = bench.condition("TrainingJob", "tiny", "Stalled")
    assert (status, reason) == ("True", "ResultMissing")
    assert message.startswith("the result of attempt 0 makes no Model: artifacts.sha256: ")


async def test_a_model_that_somebody_made_meanwhile_is_not_overwritten(bench: Bench) -> None:
    await running(bench)
    bench.cluster.put(make_model("tiny"))
    await completed(bench)
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "NameTaken")
    assert message.startswith("Model tiny exists and was not made by this job")
    bench.cluster.remove(bench.cluster.object("Model", "tiny"))
    await bench.settle()
    assert states(bench)["Succeeded"] == ("True", "Succeeded")


async def test_a_child_that_the_server_refuses_is_said_and_its_seat_is_not_held_for_ever(bench: Bench) -> None:
    await submitted(bench, "other", accelerators={"pool": "gpu", "perPod": 4}, suspend=True)
    bench.writer.refuse["Job"] = Forbidden("jobs is forbidden: exceeded quota", code=403)
    await submitted(bench, accelerators={"pool": "gpu", "perPod": 4})
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "ChildRefused")
    assert message == "The API server refused Job tiny-0: jobs is forbidden: exceeded quota"
    bench.cluster.clock.advance(451)
    await bench.settle()
    assert states(bench)["Ready"] == ("False", "StartTimeout")
    bench.writer.refuse.clear()
    bench.cluster.edit("TrainingJob", "other", suspend=False)
    await bench.settle()
    assert states(bench, "other")["Ready"] == ("False", "Starting"), "the oldest is not given the same seat at once"


async def test_a_service_that_somebody_deleted_comes_back_while_pods_still_need_it(bench: Bench) -> None:
    await submitted(bench, pods={"min": 2, "max": 2})
    bench.cluster.make_pods("tiny-0", node="gpu-1")
    bench.cluster.remove(bench.cluster.object("Service", "tiny-0"))
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert bench.cluster.find("Service", "tiny-0") is not None


async def test_a_spec_that_this_release_cannot_read_is_said_once(bench: Bench) -> None:
    manifest = make_training_job()
    manifest["spec"]["accelerators"]["perPod"] = 0
    bench.cluster.put(manifest)
    await bench.settle()
    status, reason, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert (status, reason) == ("False", "InvalidSpec")
    assert message.startswith("accelerators.perPod:")


async def test_a_job_that_is_being_deleted_is_left_to_the_garbage_collector(bench: Bench) -> None:
    manifest = make_training_job()
    manifest["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    bench.cluster.put(manifest)
    await bench.settle()
    assert not [write for write in bench.writer.writes if "tiny" in write]


async def test_fifty_resyncs_write_nothing(bench: Bench) -> None:
    await running(bench)
    await submitted(bench, "waits", accelerators={"pool": "gpu", "perPod": 4})
    await submitted(bench, "wrong", accelerators={"pool": "nowhere"})
    await submitted(bench, "paused", suspend=True)
    before = list(bench.writer.writes)
    for _ in range(50):
        bench.cluster.clock.advance(30)
        await bench.settle()
    assert bench.writer.writes == before


async def test_events_tell_of_changes_only(bench: Bench) -> None:
    await running(bench)
    await bench.settle()
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    await running(bench, attempt=1)
    await completed(bench, attempt=1)
    told = [(reason, warning) for reason, _, warning in bench.writer.events]
    assert told == [
        ("Starting", False),
        ("Training", False),
        ("BackOff", True),
        ("Starting", False),
        ("Training", False),
        ("Succeeded", False),
    ]


async def test_a_job_that_has_ended_asks_the_server_nothing(bench: Bench) -> None:
    await running(bench)
    await completed(bench)
    bench.cluster.remove(bench.cluster.object("Job", "tiny-0"))
    asked = bench.reader.asked
    await bench.settle()
    assert bench.reader.asked == asked
