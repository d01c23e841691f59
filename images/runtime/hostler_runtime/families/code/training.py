"""Training half of the code family: a decoder on source files or functions, half of them rearranged for filling in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import tokenizers
import torch

from hostler_contract import JobConfig
from hostler_contract.figures import Need
from hostler_data.records import Records
from hostler_runtime.families.code.cutting import examples
from hostler_runtime.families.code.figures import code_figures, code_lacks, write_code_samples, write_probes
from hostler_runtime.protocols.training import Evaluation, ModelFacts, Stage, Update
from hostler_runtime.text.dataset import TokenDataset, store, text_lacks
from hostler_runtime.text.decoder import describe, facts_of, logits, loss, prunable
from hostler_runtime.text.documents import documents, utf8_bytes
from hostler_runtime.text.infilling import FIM_TOKENS, prefer_spm, sentinels_of
from hostler_runtime.text.room import demand
from hostler_runtime.text.saving import save_decoder
from hostler_runtime.text.starting import build_decoder, context_length, preparation, tokenizer_for, vocabulary_size

__all__ = ["demand", "logits", "loss", "prunable"]

UNIT: Final = "tokens"
BLOCK: Final = "transformer"
_VARIANTS = 3
"""How often a document of a small dataset is cut, each time elsewhere: passes over the same cuts teach the cuts."""
_SMALL_BYTES = 8 << 20
_TEMPERATURE = 0.2
"""At which a model that was made here writes; one with a base keeps the base's."""


def fingerprint(job: JobConfig) -> str:
    """A new release of the tokenizer library may cut differently; the seed decides where documents are cut."""
    return f"code 1 {preparation(job)} seed {job.hyperparameters.seed} tokenizers {tokenizers.__version__}"


def prepare(job: JobConfig, records: Records, directory: Path) -> None:
    """Train the tokenizer on the training part; store that part as it is and rearranged, the held-out part as it is."""
    train, validation = records.split(job.dataset.validation_percent)
    tokenizer = tokenizer_for(job, (record.text() for record in train), special_tokens=FIM_TOKENS, newlines="alone")
    if job.inputs.base is None:
        prefer_spm(tokenizer)
    seed, context = job.hyperparameters.seed, context_length(job)
    variants = _VARIANTS if records.size_bytes <= _SMALL_BYTES else 1
    store(
        job,
        records,
        directory,
        tokenizer=tokenizer,
        context_length=context,
        vocabulary_size=vocabulary_size(job, tokenizer),
        train=examples(
            tokenizer,
            (record.text() for _ in range(variants) for record in train),
            marks=sentinels_of(tokenizer),
            context_length=context,
            seed=seed,
        ),
        validation=documents(tokenizer, validation),
        validation_bytes=utf8_bytes(validation),
        rows=sum(1 for part in (train, validation) for _ in part),
    )
    write_probes((record.text() for record in validation), directory, seed=seed)


def open_dataset(job: JobConfig, directory: Path) -> TokenDataset:
    """Open what ``prepare`` wrote."""
    return TokenDataset(directory)


def build(job: JobConfig, dataset: TokenDataset) -> torch.nn.Module:
    """A decoder with fresh weights, or the base model."""
    model: torch.nn.Module = build_decoder(job, dataset.tokenizer, temperature=_TEMPERATURE)
    return model


def stages(job: JobConfig, model: torch.nn.Module, dataset: TokenDataset) -> Sequence[Stage]:
    """One stage, one optimizer."""
    return (Stage("decoder", (_update(model),)),)


def evaluate(model: torch.nn.Module, dataset: TokenDataset, around: Evaluation) -> dict[str, float]:
    """Perplexity beside those of counting; how many generated bodies parse; what the suffix is worth."""
    return dataset.score(around.mean_loss(_update(model))) | code_figures(model, dataset)


def lacking(model: torch.nn.Module, dataset: TokenDataset) -> set[Need]:
    """What figures need and the data does not have."""
    return text_lacks(dataset) | code_lacks(dataset)


def sample(model: torch.nn.Module, dataset: TokenDataset, directory: Path, *, count: int) -> None:
    """``samples.jsonl``: functions with generated bodies, then programs with generated middles."""
    write_code_samples(model, dataset, directory, count=count)


def save(model: Any, dataset: TokenDataset, directory: Path) -> ModelFacts:
    """Safetensors, configuration, generation defaults, tokenizer with the tokens for filling in."""
    tokenizer = dataset.tokenizer
    save_decoder(model, tokenizer, directory)
    return facts_of(model, context_length=dataset.context_length, description=describe(model, trained_on="programs"))


def card_header() -> dict[str, Any]:
    """For the model card."""
    return {"library_name": "transformers", "pipeline_tag": "text-generation"}


def _update(model: torch.nn.Module) -> Update:
    return Update("decoder", model, loss)
