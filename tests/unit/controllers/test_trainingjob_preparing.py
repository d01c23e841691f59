"""Data is prepared before a job asks for accelerators: by a Job of its own that holds none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench import GPU, SETTINGS, Bench
from builders import make_dataset
from tables import table
from world import completed, jobs, running, states, submitted

from hostler_contract import DatasetReport, ErrorReason, Progress
from hostler_contract.preparing import PreparationReport
from hostler_contract.progress import Stage

KEY, SHA = "k" * 32, "d" * 64
SEPARATE: dict[str, Any] = {"preparation": "Separate"}
ON_CLAIM = {"source": {"pvc": {"claimName": "corpus"}}}


def job_of(bench: Bench, name: str = "tiny") -> str:
    """Name of the one Job that prepares the job's data."""
    (found,) = [each for each in jobs(bench) if each.startswith(f"{name}-prepare-")]
    return found


def report(**fields: Any) -> PreparationReport:
    """What the pod says at the end."""
    return PreparationReport(**({"key": KEY, "sha256": SHA, "size_bytes": 4096, "seconds": 12.34} | fields))


def failure(reason: ErrorReason, message: str) -> PreparationReport:
    """What it says where it has not come to one."""
    return PreparationReport(reason=reason, message=message)


async def at_it(bench: Bench, **spec: Any) -> Any:
    """A job whose data is being prepared; returns the pod."""
    await submitted(bench, **(SEPARATE | spec))
    (pod,) = bench.cluster.make_pods(job_of(bench), node="gpu-1")
    bench.cluster.run(pod)
    await bench.settle()
    return pod


async def ended(bench: Bench, said: PreparationReport | None, *, code: int | None = None, reason: str = "") -> None:
    """The pod ends with these words, and its Job with it."""
    name = job_of(bench)
    pods = bench.cluster.pods_of(bench.cluster.object("Job", name)) or bench.cluster.make_pods(name, node="gpu-1")
    bench.cluster.end(pods[0], result=said, code=code, reason=reason)
    bench.cluster.finish(name, "Complete" if said is not None and said.reason is None else "Failed")
    await bench.settle()


async def test_the_data_is_prepared_before_a_seat_is_asked_for(bench: Bench) -> None:
    await submitted(bench, **SEPARATE)

    name = job_of(bench)
    assert jobs(bench) == [name], "no attempt yet"
    assert [write for write in bench.writer.writes if write.startswith("apply")] == [
        "apply PersistentVolumeClaim tiny",
        f"apply Job {name}",
    ]
    found = states(bench)
    assert (found["Accepted"], found["Admitted"], found["Ready"]) == (
        ("True", "Valid"),
        ("Unknown", "Pending"),
        ("False", "Preparing"),
    )
    assert "placement" not in bench.status("TrainingJob", "tiny")
    (container,) = bench.cluster.object("Job", name)["spec"]["template"]["spec"]["containers"]
    assert GPU not in str(container["resources"])

    await ended(bench, report())

    assert jobs(bench) == ["tiny-0"], "its word is in the status, and its pod would keep the claim"
    assert bench.status("TrainingJob", "tiny")["prepared"] == {
        "job": name, "key": KEY, "sha256": SHA, "sizeBytes": 4096, "seconds": "12.3", "found": False,
    }  # fmt: skip
    assert bench.job_config("tiny-0").prepared == KEY
    assert states(bench)["Admitted"] == ("True", "Placed")
    await running(bench)
    await completed(bench)
    assert states(bench)["Succeeded"] == ("True", "Succeeded")


async def test_how_far_it_is_stands_where_progress_stands(bench: Bench) -> None:
    pod = await at_it(bench)
    bench.facts.answers[pod["metadata"]["uid"]] = Progress(
        stage=Stage.PREPARING_DATA, stage_percent=40, total_steps=20, eta_seconds=130
    )
    await bench.settle()

    assert states(bench)["Ready"] == ("False", "Preparing")
    shown = bench.status("TrainingJob", "tiny")["progress"]
    assert (shown["percent"], shown["eta"], shown["stage"]) == (40, "2m10s", "PreparingData")

    bench.facts.answers[pod["metadata"]["uid"]] = Progress(stage=Stage.IMPORTING, total_steps=20)
    await bench.settle()
    assert states(bench)["Ready"] == ("False", "Importing")

    await ended(bench, report())
    shown = bench.status("TrainingJob", "tiny")["progress"]
    assert ("eta" in shown, "stage" in shown, shown["percent"]) == (False, False, 0)


async def test_jobs_that_prepare_do_not_stand_in_line(bench: Bench) -> None:
    await submitted(bench, "first", accelerators={"pool": "gpu", "perPod": 4}, **SEPARATE)
    await submitted(bench, "second", accelerators={"pool": "gpu", "perPod": 4})
    assert states(bench, "second")["Admitted"] == ("True", "Placed"), "nobody holds accelerators for data"


async def test_a_new_operator_finds_it_again(bench: Bench) -> None:
    await at_it(bench)
    before = len(bench.writer.writes)
    bench.restart()
    await bench.settle()
    assert bench.writer.writes[before:] == []
    await ended(bench, report())
    assert jobs(bench) == ["tiny-0"]


@table(
    ("said", "code", "reason", "want_reason", "want_in_message"),
    {
        "the data is at fault": (
            failure(ErrorReason.DATASET_INVALID, "rows.jsonl:3: the text is empty"),
            2,
            "",
            "DatasetInvalid",
            "rows.jsonl:3: the text is empty. Another try would meet it again: correct the data.",
        ),
        "there is no data": (
            failure(ErrorReason.DATASET_NOT_FOUND, "/data/x does not exist"),
            2,
            "",
            "DatasetNotFound",
            "put the data where spec.dataset says",
        ),
        "the kernel killed it": (None, 137, "OOMKilled", "OutOfMemory", "reached its memory limit"),
        "what may pass has not": (
            failure(ErrorReason.INTERNAL, "the hub answered 503"),
            1,
            "",
            "InternalError",
            "the hub answered 503. 4 pods of Job tiny-prepare-",
        ),
    },
)
async def test_what_could_not_be_prepared_is_the_end_of_the_job(
    bench: Bench,
    said: PreparationReport | None,
    code: int,
    reason: str,
    want_reason: str,
    want_in_message: str,
) -> None:
    await at_it(bench)
    await ended(bench, said, code=code, reason=reason)

    status, found, message = bench.condition("TrainingJob", "tiny", "Stalled")
    assert (status, found) == ("True", want_reason)
    assert want_in_message in message
    assert states(bench)["Failed"] == ("True", want_reason)
    assert jobs(bench) == [job_of(bench)], "kept for its logs, and no attempt"


async def test_a_pod_that_gave_up_is_told_of_while_the_next_one_comes(bench: Bench) -> None:
    pod = await at_it(bench)
    bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL, "the hub answered 503"))
    await bench.settle()
    assert bench.condition("TrainingJob", "tiny", "Ready") == (
        "False",
        "Preparing",
        "The data is to be prepared. The last pod gave up, and another one goes on: the hub answered 503.",
    )


async def test_a_suspended_job_prepares_nothing_and_goes_on_when_it_is_resumed(bench: Bench) -> None:
    await at_it(bench)
    name = job_of(bench)
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.settle()
    assert jobs(bench) == []
    assert states(bench)["Suspended"] == ("True", "Suspended")

    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert jobs(bench) == [name]


async def test_another_version_of_the_data_is_prepared_anew(bench: Bench) -> None:
    bench.cluster.claim("corpus")
    bench.cluster.put(make_dataset("books", **ON_CLAIM))
    await bench.settle()
    await looked_at(bench, sha256="a" * 64, generation=1)
    await at_it(bench, dataset={"ref": {"name": "books"}})
    first = job_of(bench)

    bench.cluster.edit("Dataset", "books", source={"pvc": {"claimName": "corpus", "path": "new"}})
    await bench.settle()
    await looked_at(bench, sha256="b" * 64, generation=2)

    assert job_of(bench) != first


async def looked_at(bench: Bench, *, sha256: str, generation: int, size_bytes: int = 1 << 30) -> None:
    """The Dataset's Job says what the data is."""
    name = f"books-inspect-{generation}"
    (pod,) = bench.cluster.make_pods(name, node="gpu-1")
    said = DatasetReport(sha256=sha256, rows=10, files=1, size_bytes=size_bytes)
    bench.cluster.end(pod, result=said)
    bench.cluster.finish(name, "Complete")
    await bench.settle()


@table(
    ("spec", "size", "apart", "want"),
    {
        "asked for": ({**SEPARATE}, None, False, True),
        "not wanted by the job": ({"preparation": "WithTraining", "dataset": ON_CLAIM}, None, True, False),
        "left open, and the installation prepares apart": ({"dataset": ON_CLAIM}, None, True, True),
        "left open, and the installation does not": ({"dataset": ON_CLAIM}, None, False, False),
        "left open, and a ConfigMap holds little": ({}, None, True, False),
        "left open, and the Dataset is small": ({"dataset": {"ref": {"name": "books"}}}, 1 << 20, True, False),
        "left open, and the Dataset is large": ({"dataset": {"ref": {"name": "books"}}}, 1 << 30, True, True),
    },
)
async def test_when_data_is_prepared_apart(
    bench: Bench, *, spec: dict[str, Any], size: int | None, apart: bool, want: bool
) -> None:
    bench.restart(settings=replace(SETTINGS, prepares_apart=apart))
    bench.cluster.claim("corpus")
    if size is not None:
        bench.cluster.put(make_dataset("books", **ON_CLAIM))
        await bench.settle()
        await looked_at(bench, sha256="a" * 64, generation=1, size_bytes=size)
    await submitted(bench, **spec)
    assert any(name.startswith("tiny-prepare-") for name in jobs(bench)) is want


async def test_a_job_that_began_before_goes_on_as_it_has_begun(bench: Bench) -> None:
    bench.cluster.claim("corpus")
    await running(bench, dataset=ON_CLAIM)
    bench.restart(settings=replace(SETTINGS, prepares_apart=True))
    bench.cluster.edit("TrainingJob", "tiny", suspend=True)
    await bench.settle()
    for pod in bench.cluster.all("Pod"):
        bench.cluster.remove(pod)
    bench.cluster.edit("TrainingJob", "tiny", suspend=False)
    await bench.settle()
    assert jobs(bench) == ["tiny-1"]


async def test_a_stranger_of_the_label_changes_nothing(bench: Bench) -> None:
    await submitted(bench, **SEPARATE)
    name = job_of(bench)
    stranger = bench.cluster.object("Job", name)
    bench.cluster.remove(stranger)
    metadata = {**stranger["metadata"], "name": "strange", "ownerReferences": []}
    bench.cluster.put({**stranger, "metadata": {k: v for k, v in metadata.items() if k != "uid"}})
    bench.cluster.set_status(bench.cluster.object("Job", "strange"), conditions=[{"type": "Failed", "status": "True"}])
    await bench.settle()
    assert states(bench)["Ready"] == ("False", "Preparing")
    assert sorted(jobs(bench)) == ["strange", name]
