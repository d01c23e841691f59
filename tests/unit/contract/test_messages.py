"""The messages between control plane and containers: round trips, leniency, limits."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from hostler_contract import ErrorReason, JobConfig, Progress, Result
from hostler_contract.progress import Stage
from hostler_contract.result import TERMINATION_MESSAGE_LIMIT, ArtifactFacts, Comparison, DatasetFacts, Measured

JOB = {
    "name": "tiny",
    "namespace": "default",
    "attempt": 0,
    "family": "chat",
    "modelName": "tiny",
    "model": {"transformer": {"layers": 2, "hiddenSize": 64, "heads": 2, "contextLength": 64, "vocabularySize": 512}},
    "dataset": {"source": {"kind": "path", "location": "/data/text"}},
    "hyperparameters": {"steps": 10, "batchSize": 4, "learningRate": 0.001},
    "checkpoint": {"everySteps": 5},
    "topology": {"pods": 2, "processesPerPod": 1},
    "flopsPerUnit": 1e6,
}


def test_a_job_survives_the_wire_byte_for_byte() -> None:
    first = JobConfig.from_json(json.dumps(JOB))
    assert JobConfig.from_json(first.to_json()) == first
    assert first.to_json() == JobConfig.from_json(first.to_json()).to_json()


def test_a_field_of_a_newer_release_is_ignored() -> None:
    assert JobConfig.model_validate(JOB | {"fromTheFuture": 1}).name == "tiny"


@pytest.mark.parametrize(
    ("change", "want_path"),
    [
        pytest.param({"schemaVersion": "v2"}, "schemaVersion", id="another major version is refused"),
        pytest.param({"flopsPerUnit": 0}, "flopsPerUnit", id="no operations per unit is impossible"),
        pytest.param({"objective": {"kind": "guess"}}, "objective.kind", id="an unknown objective is refused"),
        pytest.param(
            {"evaluation": {"stopAt": {"metric": "loss", "min": 1, "max": 2}}},
            "evaluation.stopAt",
            id="a target in two directions is none",
        ),
        pytest.param({"topology": {"pods": 0, "processesPerPod": 1}}, "topology.pods", id="no pods is no job"),
    ],
)
def test_a_broken_job_names_the_field(change: dict[str, object], want_path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobConfig.model_validate(JOB | change)
    assert want_path in [".".join(map(str, error["loc"])) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("stage", "step", "want"),
    [
        pytest.param(Stage.STARTING, 0, 0, id="nothing done"),
        pytest.param(Stage.TRAINING, 50, 50, id="half way"),
        pytest.param(Stage.EVALUATING, 100, 99, id="all steps done is not finished"),
        pytest.param(Stage.FINISHED, 100, 100, id="finished"),
    ],
)
def test_percent(stage: Stage, step: int, want: int) -> None:
    assert Progress(stage=stage, step=step, total_steps=100).percent == want


def test_a_long_failure_fits_into_the_termination_message() -> None:
    result = Result(succeeded=False, reason=ErrorReason.DATASET_INVALID, message="ü" * 9000)
    text = result.to_termination_message()
    assert len(text.encode()) <= TERMINATION_MESSAGE_LIMIT
    assert Result.from_json(text).reason is ErrorReason.DATASET_INVALID


def _measured(count: int) -> Measured:
    metrics = {f"validation_figure_{number}": 1.23456789012345 for number in range(count)}
    return Measured(size_bytes=10**9, parameters=10**8, latency_seconds=0.012345678901234, metrics=metrics)


def _full(*, notes: int = 0, compared: int = 0, metrics: int = 0, message: str | None = None) -> Result:
    """A success with as much in it as was asked for."""
    return Result(
        succeeded=True,
        steps=400,
        metrics={f"figure_{number:02}": 1.23456789012345 for number in range(metrics)},
        artifact=ArtifactFacts(path="model", size_bytes=10, sha256="a" * 64, parameters=1),
        dataset=DatasetFacts(sha256="b" * 64, size_bytes=5),
        comparison=Comparison(before=_measured(compared), after=_measured(compared)) if compared else None,
        notes=[f"note {number}: {'ü' * 100}" for number in range(notes)],
        message=message,
    )


@pytest.mark.parametrize(
    ("result", "want"),
    [
        pytest.param(_full(notes=2, compared=4, metrics=10), (2, 4, 10), id="what fits is left alone"),
        pytest.param(_full(notes=40, compared=4, metrics=10), (13, 4, 10), id="notes go first, the last one first"),
        pytest.param(_full(notes=3, compared=60, metrics=10), (0, 0, 10), id="then what was measured for comparison"),
        pytest.param(_full(notes=3, compared=9, metrics=200), (0, 0, 120), id="then figures, the last one first"),
    ],
)
def test_a_result_fits_into_the_termination_message(result: Result, want: tuple[int, int, int]) -> None:
    text = result.to_termination_message()
    assert len(text.encode()) <= TERMINATION_MESSAGE_LIMIT
    kept = Result.from_json(text)
    compared = len(kept.comparison.after.metrics) if kept.comparison else 0
    assert (len(kept.notes), compared, len(kept.metrics)) == want
    assert kept.artifact == result.artifact
    assert kept.notes == result.notes[: len(kept.notes)]
    assert list(kept.metrics) == list(result.metrics)[: len(kept.metrics)]
    if result.comparison:
        assert kept.comparison is not None
        assert kept.comparison.before.size_bytes == result.comparison.before.size_bytes


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"succeeded": True}, id="success without an artifact"),
        pytest.param({"succeeded": False, "reason": "InternalError"}, id="failure without a message"),
        pytest.param({"succeeded": False, "message": "why"}, id="failure without a reason"),
    ],
)
def test_half_a_result_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Result.model_validate(fields)


def test_a_success_carries_what_lineage_needs() -> None:
    artifact = ArtifactFacts(
        path="tiny/model", size_bytes=10, sha256="00", parameters=1, context_length=64, vocabulary_size=512
    )
    result = Result(succeeded=True, artifact=artifact, dataset=DatasetFacts(sha256="11", size_bytes=5, tokens=3))
    assert Result.from_json(result.to_json()) == result
