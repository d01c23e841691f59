"""Jobs of the speech family on recordings that are made here, and what their models write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from runtime.quality import voices
from runtime.quality.jobs import Trained, train
from safetensors.torch import load_file

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.serving_protocol import LoadOptions
from hostler_runtime.families.speech_to_text.serving import SpeechModel, load
from hostler_runtime.families.tasks import SpeechRequest, SpeechResult
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.run import Surroundings, run

WHISPER = {
    "architecture": "whisper", "encoderLayers": 2, "decoderLayers": 2, "hiddenSize": 64, "heads": 4,
    "vocabularySize": 320, "maxSeconds": 2, "maxTextTokens": 32, "frameMilliseconds": 20,
}  # fmt: skip
CONFORMER = {
    "architecture": "conformer", "encoderLayers": 2, "hiddenSize": 64, "heads": 4, "vocabularySize": 48,
    "maxSeconds": 2, "frameMilliseconds": 16, "subsampling": 2,
}  # fmt: skip
TINY = {"encoderLayers": 1, "hiddenSize": 16, "heads": 2}
"""Changes that make a network which learns nothing, quickly."""
QUICK = {"steps": 6, "batchSize": 4, "learningRate": 1e-3, "warmupSteps": 2}


def fields(data: Path, sizes: Mapping[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """Of a job on recordings."""
    return {
        "family": "speech-to-text",
        "model": {} if sizes is None else {"speech": dict(sizes)},
        "dataset": {
            "source": {"kind": "path", "location": str(data)},
            "format": "audio",
            "license": "CC0-1.0",
            "validationPercent": 5,
        },
        "hyperparameters": QUICK,
        **changes,
    }


def few_recordings(directory: Path, *, tasks: Sequence[tuple[str, str]] = voices.TASKS) -> Path:
    """Two dozen."""
    made = voices.sayings(5, count=24, speakers=voices.TRAINING_SPEAKERS, tasks=tasks)
    return voices.write_recordings(directory, made)


def model_of(trained: Trained) -> SpeechModel:
    """As a server loads it."""
    return load(trained.model, options=LoadOptions())


def asked(model: SpeechModel, made: Sequence[voices.Saying], **changes: Any) -> list[SpeechResult]:
    """What a model writes for sayings, each in the language that is wanted of it unless ``changes`` say otherwise."""
    requests = [SpeechRequest(voices.samples_of(each), **{"target_language": each.target, **changes}) for each in made]
    for request in requests:
        model.check(request)
    return [result for result in model.run_batch(requests).results if isinstance(result, SpeechResult)]


def interrupted_then_resumed(root: Path, *, after: int, **document: Any) -> dict[str, Any]:
    """Weights after a SIGTERM in the middle and a second attempt."""
    with pytest.raises(RuntimeFailure) as caught:
        _attempt(root, stop_after=after, **document)
    assert caught.value.reason is ErrorReason.INTERRUPTED
    return load_file(train(root, **document).model / "model.safetensors")


def _attempt(root: Path, *, stop_after: int, **document: Any) -> None:
    job = JobConfig.model_validate(
        {
            "name": "job", "namespace": "tests", "attempt": 0, "modelName": "tiny",
            "checkpoint": {"everySteps": 1_000_000}, "topology": {"pods": 1, "processesPerPod": 1},
            "workspace": str(root / "workspace"), **document,
        }
    )  # fmt: skip
    Path(job.workspace).mkdir(parents=True, exist_ok=True)
    board = ProgressBoard(job, world_size=1)
    with joined({}) as alone:
        run(job, Surroundings(alone, board, lambda: board.snapshot.step >= stop_after, Path(job.workspace)))
