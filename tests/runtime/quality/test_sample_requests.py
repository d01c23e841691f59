"""The control plane's sample request of every family makes a replica of that family ready: neither side's half alone
can show it. The models have learnt nothing in their few steps; what they answer is the other tests' business."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime.quality import moving_digits, speech_jobs
from runtime.quality.jobs import served, train
from runtime.quality.pictures import few_digits, images_of

from hostler.families import family

Fields = dict[str, Any]
QUICK = {"steps": 2, "batchSize": 4, "learningRate": 1e-3}
WORDS = {"layers": 1, "hiddenSize": 32, "heads": 2, "contextLength": 32, "vocabularySize": 320}
TEXT_ENCODER = {"layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": 16, "vocabularySize": 400}
FIRST_STAGE = {"imageSize": 16, "latentChannels": 2, "blockWidths": [8, 8]}


def sentences(root: Path) -> Fields:
    """Three dozen short texts."""
    rows = [json.dumps({"text": f"def f{n}(a):\n    return a + {n}\n"}) for n in range(36)]
    (root / "rows.jsonl").write_text("\n".join(rows) + "\n")
    return {
        "source": {"kind": "path", "location": str(root / "rows.jsonl")},
        "format": "jsonl",
        "validationPercent": 20,
    }


def pictures(root: Path) -> Fields:
    """Sixty digits."""
    return images_of(few_digits(root / "digits"))


def clips(root: Path) -> Fields:
    """Two dozen digits that move."""
    shard = moving_digits.write_shard(root / "clips.tar", count=24)
    return {"source": {"kind": "path", "location": str(shard)}, "format": "webdataset", "validationPercent": 20}


def recordings(root: Path) -> Fields:
    """Two dozen English sayings."""
    data = speech_jobs.few_recordings(root / "recordings", tasks=(("en", "en"),))
    return speech_jobs.fields(data, None)["dataset"] | {"validationPercent": 20}


MODELS: dict[str, tuple[str, Fields, Callable[[Path], Fields]]] = {
    "chat": ("chat", {"transformer": WORDS}, sentences),
    "code": ("code", {"transformer": {**WORDS, "architecture": "llama"}}, sentences),
    "bert": ("bert", {"encoder": WORDS}, sentences),
    "text-to-image": (
        "text-to-image",
        {"diffusion": {"autoencoder": FIRST_STAGE, "textEncoder": TEXT_ENCODER, "blockWidths": [16, 16]}},
        pictures,
    ),
    "text-to-video": (
        "text-to-video",
        {"video": {"imageSize": 16, "frames": moving_digits.FRAMES, "textEncoder": TEXT_ENCODER, "upscale": 2}},
        clips,
    ),
    "whisper": ("speech-to-text", {"speech": {**speech_jobs.WHISPER, **speech_jobs.TINY}}, recordings),
    "conformer": ("speech-to-text", {"speech": {**speech_jobs.CONFORMER, **speech_jobs.TINY}}, recordings),
    "gan": ("gan", {"gan": {"imageSize": 16, "latentSize": 8, "baseWidth": 4}}, pictures),
    "vae": ("vae", {"autoencoder": FIRST_STAGE}, pictures),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_replica_is_ready_when_the_familys_own_sample_was_answered(name: str, tmp_path: Path) -> None:
    chosen, model, data = MODELS[name]
    facts = family(chosen)
    trained = train(tmp_path, family=chosen, model=model, dataset=data(tmp_path), hyperparameters=QUICK)
    sample = facts.sample_request().model_dump(mode="json", by_alias=True, exclude_none=True)
    with served(trained, tmp_path, task=facts.task, sampleRequest=sample) as client:
        assert [found.id for found in client.models.list()] == ["tiny"]
