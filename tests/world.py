"""Steps that tests of controllers share: what trainers say, and jobs brought to a certain point."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_training_job

from hostler.planning import moments
from hostler.planning.verdicts import Loss, TakeBack, Workload
from hostler_contract import ArtifactFacts, ErrorReason, Progress, Result
from hostler_contract.progress import Stage
from hostler_contract.result import DatasetFacts

Object = dict[str, Any]


def success(*, path: str = "model") -> Result:
    """What rank 0 says at the end."""
    artifact = ArtifactFacts(
        path=path, size_bytes=4096, sha256="a" * 64, parameters=1000, context_length=64, vocabulary_size=512
    )
    return Result(
        succeeded=True,
        steps=20,
        metrics={"validation_loss": 3.25, "validation_perplexity": 25.79},
        artifact=artifact,
        dataset=DatasetFacts(sha256="b" * 64, size_bytes=100, tokens=40),
    )


def failure(reason: ErrorReason, message: str = "it went wrong") -> Result:
    """What a trainer says when it fails."""
    return Result(succeeded=False, reason=reason, message=message)


def progress(step: int, **figures: Any) -> Progress:
    """A snapshot in the middle of training."""
    return Progress(stage=Stage.TRAINING, step=step, total_steps=20, **figures)


async def submitted(bench: Bench, name: str = "tiny", **spec: Any) -> None:
    """A job, looked at."""
    bench.cluster.put(make_training_job(name, **spec))
    await bench.settle()


async def running(bench: Bench, name: str = "tiny", attempt: int = 0, **spec: Any) -> list[Object]:
    """A job whose attempt runs on the GPU node."""
    if bench.cluster.find("TrainingJob", name) is None:
        await submitted(bench, name, **spec)
    pods = bench.cluster.make_pods(f"{name}-{attempt}", node="gpu-1")
    for pod in pods:
        bench.cluster.run(pod)
    await bench.settle()
    return pods


async def failed(bench: Bench, name: str = "tiny", attempt: int = 0, *, result: Result | None, code: int = 1) -> None:
    """Its first pod ends with an error, the Job controller draws the consequence, and the back-off passes."""
    (first, *_) = bench.cluster.pods_of(bench.cluster.object("Job", f"{name}-{attempt}"))
    bench.cluster.end(first, result=result, code=code)
    bench.cluster.finish(f"{name}-{attempt}", "Failed")
    await bench.settle()
    await due(bench, name)


async def due(bench: Bench, name: str = "tiny") -> None:
    """The back-off before the next attempt passes."""
    until = bench.status("TrainingJob", name).get("retry", {}).get("notBefore")
    if until is not None:
        bench.cluster.clock.advance(max(0.0, moments.elapsed(bench.cluster.clock.now(), now=until)))
        await bench.settle()


async def completed(bench: Bench, name: str = "tiny", attempt: int = 0, *, result: Result | None = None) -> None:
    """All its pods end well."""
    for pod in bench.cluster.pods_of(bench.cluster.object("Job", f"{name}-{attempt}")):
        bench.cluster.end(pod, result=result or success())
    bench.cluster.finish(f"{name}-{attempt}", "Complete")
    await bench.settle()


def jobs(bench: Bench) -> list[str]:
    """Names of the Jobs there are."""
    return [job["metadata"]["name"] for job in bench.cluster.all("Job")]


def states(bench: Bench, name: str = "tiny") -> dict[str, tuple[str, str]]:
    """Status and reason of every condition of a job."""
    found = bench.status("TrainingJob", name)["conditions"]
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in found}


def told(bench: Bench, pod: Object, found: Progress) -> None:
    """What the pod has answered when it was asked last."""
    bench.facts.answers[pod["metadata"]["uid"]] = found


def taken_back(bench: Bench, attempt: str, *, loss: Loss = Loss.SEAT_TAKEN) -> None:
    """The planner's word about an attempt, while its Job is there. A new process has to find out again."""
    workload = Workload("TrainingJob", "default", attempt.rpartition("-")[0])
    if bench.cluster.find("Job", attempt):
        bench.admitter.take_back(workload, TakeBack(loss=loss, nodes=("gpu-1",)), 0.0)


def preempted(bench: Bench, name: str = "tiny") -> Object:
    """What status says of the newest preemption."""
    found: Object = bench.status("TrainingJob", name).get("preempted") or {}
    return found
