"""Who comes first in line, and what may change of a job on its way."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_inference_service, make_model, make_priority_class
from tables import table
from world import jobs, progress, running, states, submitted, told

from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler.planning.verdicts import Request, Workload

Object = dict[str, Any]
WHOLE = {"accelerators": {"pool": "gpu", "perPod": 4}}


def asked(bench: Bench, name: str = "tiny", kind: str = "TrainingJob") -> Request:
    """What a workload in line has asked for."""
    found = bench.admitter.request(Workload(kind, "default", name))
    assert found is not None
    return found


def full(bench: Bench) -> Object:
    """Nothing of the pool is free."""
    return bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})


async def test_the_class_is_part_of_what_is_asked_and_stands_on_the_pods_and_in_the_placement(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("polite", 500, preemptionPolicy="Never"))
    stranger = full(bench)
    await submitted(bench, priorityClassName="polite", estimatedDuration="1h")
    request = asked(bench)
    assert (request.priority, request.preempts, request.estimate) == (500, False, 3600.0)
    bench.cluster.remove(stranger)
    await bench.settle()
    assert bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]["priorityClassName"] == "polite"
    assert bench.status("TrainingJob", "tiny")["placement"]["priority"] == 500


async def test_without_a_class_pods_have_none_and_the_clusters_default_counts(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("usual", 10, globalDefault=True))
    stranger = full(bench)
    await submitted(bench)
    assert asked(bench).priority == 10
    bench.cluster.remove(stranger)
    await bench.settle()
    assert "priorityClassName" not in bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]


async def test_a_class_that_does_not_exist_is_said_and_its_coming_wakes_the_job(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("low", 1))
    await submitted(bench, priorityClassName="high")
    assert bench.condition("TrainingJob", "tiny", "Accepted") == (
        "False",
        "PriorityClassNotFound",
        "spec.priorityClassName: there is no PriorityClass high; there are low.",
    )
    assert bench.admitter.waiting == 0
    change = Change("PriorityClass", None, bench.cluster.put(make_priority_class("high", 1000)))
    assert list(bench.controllers["TrainingJob"].affected(change)) == [Key("TrainingJob", "default", "tiny")]
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]


@table(
    ("given", "spec", "wakes"),
    {
        "another class": ({"name": "low", "value": 1}, {"priorityClassName": "high"}, False),
        "a default, of who names none": ({"name": "low", "value": 1, "globalDefault": True}, {}, True),
        "a default, of who names one": (
            {"name": "low", "value": 1, "globalDefault": True},
            {"priorityClassName": "high"},
            False,
        ),
    },
)
async def test_whom_a_class_wakes(bench: Bench, given: Object, spec: Object, *, wakes: bool) -> None:
    await submitted(bench, **spec)
    change = Change("PriorityClass", None, bench.cluster.put(make_priority_class(**given)))
    assert bool(list(bench.controllers["TrainingJob"].affected(change))) is wakes


async def test_another_priority_changes_what_is_asked(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("high", 1000))
    full(bench)
    await submitted(bench)
    bench.cluster.edit("TrainingJob", "tiny", priorityClassName="high", estimatedDuration="30m")
    await bench.settle()
    assert (asked(bench).priority, asked(bench).estimate) == (1000, 1800.0)


async def test_a_service_asks_with_its_class_and_its_replicas_carry_it(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("high", 1000))
    bench.cluster.claim("tiny")
    bench.cluster.put(make_model())
    stranger = full(bench)
    bench.cluster.put(
        make_inference_service(priorityClassName="high", accelerators={"pool": "gpu", "topology": "preferred"})
    )
    await bench.settle()
    request = asked(bench, kind="InferenceService")
    assert (request.priority, request.topology) == (1000, "preferred")
    bench.cluster.remove(stranger)
    await bench.settle()
    deployment = bench.cluster.object("Deployment", "tiny")
    assert deployment["spec"]["template"]["spec"]["priorityClassName"] == "high"
    assert bench.status("InferenceService", "tiny")["placement"]["priority"] == 1000


async def test_a_service_whose_class_does_not_exist_is_refused_with_those_that_do(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("high", 1000))
    bench.cluster.claim("tiny")
    bench.cluster.put(make_model())
    bench.cluster.put(make_inference_service(priorityClassName="hihg"))
    await bench.settle()
    assert bench.condition("InferenceService", "tiny", "Accepted") == (
        "False",
        "PriorityClassNotFound",
        "spec.priorityClassName: there is no PriorityClass hihg; did you mean high?",
    )


async def test_the_end_of_a_job_is_foretold_by_its_estimate_and_then_by_its_progress(bench: Bench) -> None:
    (pod,) = await running(bench, estimatedDuration="1h", **WHOLE)
    workload = Workload("TrainingJob", "default", "tiny")
    assert bench.admitter.usage.ends(workload) == 3600.0
    bench.cluster.clock.advance(60)
    told(bench, pod, progress(10, eta_seconds=600.0))
    await bench.settle()
    assert bench.admitter.usage.ends(workload) == 660.0


async def test_what_is_changed_while_suspended_is_what_the_next_attempt_is_made_of(bench: Bench) -> None:
    await running(bench)
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.settle()
    bench.cluster.edit(
        "TrainingJob",
        "tiny",
        accelerators={"pool": "ipu", "perPod": 2},
        pods={"min": 2, "max": 2},
        resources={"cpu": "2", "memory": "4Gi"},
        checkpoint={"everySteps": 7},
        suspend=False,
    )
    await bench.settle()
    job = bench.cluster.object("Job", "tiny-1")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (job["spec"]["parallelism"], container["resources"]["requests"]["cpu"]) == (2, "2")
    assert container["resources"]["limits"]["c600.graphcore.ai/ipu"] == "2"
    assert bench.job_config("tiny-1").checkpoint.every_steps == 7
    assert bench.status("TrainingJob", "tiny")["placement"]["pool"] == "ipu"


async def test_a_seat_of_the_old_spec_is_not_used_by_a_job_that_is_resumed_before_its_pods_have_ended(
    bench: Bench,
) -> None:
    (pod,) = await running(bench)
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.reconcile("TrainingJob", "tiny")
    bench.cluster.put({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": bench.cluster.clock.now()}})
    bench.cluster.edit("TrainingJob", "tiny", accelerators={"pool": "ipu"}, suspend=False)
    await bench.settle()
    assert bench.status("TrainingJob", "tiny")["placement"]["pool"] == "gpu", "its last pod still sits there"
    bench.cluster.remove(bench.cluster.object("Pod", pod["metadata"]["name"]))
    await bench.settle()
    placement = bench.status("TrainingJob", "tiny")["placement"]
    assert (placement["pool"], placement["nodes"]) == ("ipu", [{"name": "ipu-1", "pods": 1}])
    assert jobs(bench) == ["tiny-1"]


async def test_an_attempt_of_another_spec_goes_though_nobody_saw_the_job_suspended(bench: Bench) -> None:
    """Suspended, changed and resumed while no operator ran."""
    await running(bench)
    bench.cluster.edit("TrainingJob", "tiny", suspend=False, checkpoint={"everySteps": 7})
    await bench.settle()
    assert jobs(bench) == ["tiny-1"]
    assert bench.job_config("tiny-1").checkpoint.every_steps == 7
    status = bench.status("TrainingJob", "tiny")
    assert (status["restarts"], status["disruptions"]) == (0, 0), "it costs nothing"


async def test_an_attempt_that_an_older_release_made_goes_on(bench: Bench) -> None:
    await running(bench)
    job = bench.cluster.object("Job", "tiny-0")
    metadata = {key: value for key, value in job["metadata"].items() if key != "annotations"}
    bench.cluster.put({**job, "metadata": metadata})
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
    assert states(bench)["Ready"] == ("True", "Training")
