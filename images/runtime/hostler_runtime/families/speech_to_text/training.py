"""The training half of speech recognition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tokenizers
import torch
from torch import Tensor
from transformers.utils import logging as library_logging

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.figures import Need
from hostler_data.records import Records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.speech_to_text.artifacts import recognizer_of
from hostler_runtime.families.speech_to_text.conformer import ConformerFormat
from hostler_runtime.families.speech_to_text.dataset import SpeechDataset, prepare_speech
from hostler_runtime.families.speech_to_text.evaluation import figures, lacks, write_samples
from hostler_runtime.families.speech_to_text.networks import (
    conformer_loss,
    fresh_conformer,
    fresh_whisper,
    parameters_of,
    whisper_logits,
    whisper_loss,
)
from hostler_runtime.families.speech_to_text.plan import make_plan
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Batch, Evaluation, ModelFacts, Stage, Update

UNIT = "audio-seconds"
BLOCK = "speech"


def fingerprint(job: JobConfig) -> str:
    """Everything besides the data that decides what ``prepare`` writes."""
    sizes = job.model.speech
    parts = sizes.model_dump_json(exclude={"encoder_layers", "decoder_layers", "hidden_size", "heads"}) if sizes else ""
    return f"speech-to-text 1 {parts} tokenizers {tokenizers.__version__}"


def prepare(job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
    """Learn or take over the vocabulary, and store both parts as frames and tokens."""
    prepare_speech(make_plan(job), records, directory, validation_percent=job.dataset.validation_percent, work=work)


def open_dataset(job: JobConfig, directory: Path) -> SpeechDataset:
    """Open what ``prepare`` wrote."""
    return SpeechDataset(directory, plan=make_plan(job))


def build(job: JobConfig, dataset: SpeechDataset) -> Any:
    """transformers' own network: fresh, or from the base model."""
    plan = make_plan(job)
    base = plan.base
    if base is not None and not plan.fresh:
        model = from_base(lambda: base.network(dtype=torch.float32), what="the base model")
        known = dict(from_base(lambda: recognizer_of(model, dataset.format), what="the base model").text_languages)
    else:
        assert plan.sizes is not None, "fresh networks have sizes"
        make: Any = fresh_conformer if plan.architecture == "conformer" else fresh_whisper
        model = make(plan.sizes, dataset.format, dataset.text_languages)
        known = {}
    if isinstance(dataset.format, ConformerFormat) and not dataset.format.languages:
        known = {}  # without tokens for languages, the model hears the data's alone
    for spoken, targets in dataset.text_languages.items():
        known[spoken] = tuple(dict.fromkeys((*known.get(spoken, ()), *targets)))
    model.config.text_languages = {spoken: list(targets) for spoken, targets in known.items()}
    return model


def stages(job: JobConfig, model: Any, dataset: SpeechDataset) -> Sequence[Stage]:
    """One network, one loss."""
    return [Stage("recognizer", (update_of(model, dataset),))]


def update_of(model: Any, dataset: SpeechDataset) -> Update:
    """What is trained, and what held-out loss is measured with."""
    if isinstance(dataset.format, ConformerFormat):
        return Update("recognizer", model, loss=partial(conformer_loss, blank=int(model.config.pad_token_id)))
    return Update("recognizer", model, loss=whisper_loss)


def evaluate(model: Any, dataset: SpeechDataset, around: Evaluation) -> dict[str, float]:
    """Loss, and error rates of what the model writes."""
    return {
        "validation_loss": around.mean_loss(update_of(model, dataset)),
        **figures(model, dataset, batch_size=around.batch_size),
    }


def lacking(model: Any, dataset: SpeechDataset) -> set[Need]:
    """What figures need and the data does not have."""
    return lacks(dataset)


def sample(model: Any, dataset: SpeechDataset, directory: Path, *, count: int) -> None:
    """Transcripts of held-out recordings."""
    write_samples(model, dataset, directory, count=count)


def save(model: Any, dataset: SpeechDataset, directory: Path) -> ModelFacts:
    """Safetensors, configuration, generation settings, tokenizer and feature extractor: transformers' own layout."""
    library_logging.disable_progress_bar()  # a log is no terminal
    model.save_pretrained(directory)
    dataset.format.save(directory)
    config = model.config
    languages = ", ".join(
        f"{spoken} as {' or '.join(targets)}" for spoken, targets in list(dataset.text_languages.items())[:8]
    )
    conformer = isinstance(dataset.format, ConformerFormat)
    layers = config.encoder_config.num_hidden_layers if conformer else config.encoder_layers
    kind = f"A Conformer with CTC of {layers} layers" if conformer else f"A Whisper of {layers} encoder and "
    kind += "" if conformer else f"{config.decoder_layers} decoder layers"
    return ModelFacts(
        parameters=parameters_of(model),
        context_length=None if conformer else config.max_target_positions,
        vocabulary_size=config.vocab_size,
        description=f"{kind}, trained to write {languages}.",
    )


def card_header() -> dict[str, Any]:
    """For the model card."""
    return {"library_name": "transformers", "pipeline_tag": "automatic-speech-recognition"}


def logits(module: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """For distillation: logits of the language and the text, and the targets."""
    if "decoder_input_ids" not in batch:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            "CTC has no target for each step that a student could learn from: distill a whisper, or train the smaller "
            "conformer on the data",
        )
    return whisper_logits(module, batch)


def prunable(model: Any) -> Iterable[tuple[str, torch.nn.Module]]:
    """The linear layers of the blocks; convolutions that hear, embeddings and head stay whole."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and ".layers." in name and "subsampling" not in name:
            yield name, module
