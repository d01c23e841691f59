"""Jobs of the speech family on recordings that are made here, and what their models write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.families import voices
from runtime.families.jobs import Trained, train
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.speech_to_text.serving import SpeechModel, load
from hostler_runtime.protocols.serving import LoadOptions
from hostler_runtime.protocols.tasks import SpeechRequest, SpeechResult
from hostler_runtime.training.assembled import Surroundings
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.run import run

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


def write_openai_whisper(directory: Path, *, multilingual: bool = True) -> Path:
    """A tiny checkpoint in the layout of OpenAI's: windows of 30 s, every language, timestamps, no sizes of ours."""
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    learned.train_from_iterator([" ".join(voices.PHRASES)], trainer=trainer)
    model = json.loads(learned.to_str())["model"]
    special = [
        "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES), "<|translate|>", "<|transcribe|>",
        "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    ]  # fmt: skip
    tokenizer = WhisperTokenizer(
        vocab={**model["vocab"], "<|endoftext|>": len(model["vocab"])},
        merges=[tuple(pair) for pair in model["merges"]],
        extra_special_tokens=special,
    )
    tokenizer.add_tokens([f"<|{index * 0.02:.2f}|>" for index in range(1501)])
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in ("<|endoftext|>", *special)}
    end = ids["<|endoftext|>"]
    torch.manual_seed(0)
    network = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, decoder_start_token_id=ids[special[0]],
            pad_token_id=end, bos_token_id=end, eos_token_id=end, max_target_positions=64, begin_suppress_tokens=[end],
        )
    )  # fmt: skip
    told: dict[str, Any] = {"is_multilingual": multilingual, "no_timestamps_token_id": ids["<|notimestamps|>"]}
    if multilingual:
        told["lang_to_id"] = {f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES}
        told["task_to_id"] = {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")}
    network.generation_config = GenerationConfig(
        decoder_start_token_id=ids[special[0]], eos_token_id=end, pad_token_id=end, bos_token_id=end, max_length=64,
        suppress_tokens=[ids[name] for name in special], begin_suppress_tokens=[end], **told,
    )  # fmt: skip
    network.save_pretrained(directory)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(directory)
    return directory
