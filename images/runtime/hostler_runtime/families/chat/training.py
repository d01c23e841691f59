"""Training half of the chat family: a GPT-2 or Llama decoder on documents or on conversations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import tokenizers
import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.figures import Need
from hostler_data.record import Record
from hostler_data.records import Records
from hostler_data.turns import conversation_of, said
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.chat.answers import answer_figures, held_out_questions, write_answers
from hostler_runtime.protocols.training import Evaluation, ModelFacts, Stage, Update
from hostler_runtime.text.conversations import Conversations, spoken_bytes
from hostler_runtime.text.dataset import TokenDataset, store, text_lacks
from hostler_runtime.text.decoder import describe, facts_of, logits, loss, prunable
from hostler_runtime.text.documents import continuations, documents, utf8_bytes, write_continuations
from hostler_runtime.text.fitting import Fitting
from hostler_runtime.text.room import demand
from hostler_runtime.text.saving import save_decoder
from hostler_runtime.text.starting import build_decoder, context_length, preparation, tokenizer_for, vocabulary_size
from hostler_runtime.text.templates import ROLE_TOKENS, adopt_template
from hostler_runtime.text.tokenizer import borders

__all__ = ["demand", "logits", "loss", "prunable"]

UNIT: Final = "tokens"
BLOCK: Final = "transformer"
_MESSAGES = "messages"
_TEMPERATURE = 0.8
"""At which a model that was made here answers; one with a base keeps the base's."""


def fingerprint(job: JobConfig) -> str:
    """A new release of the tokenizer library may cut differently."""
    return f"chat 4 {preparation(job)} {job.overlong} tokenizers {tokenizers.__version__}"


def prepare(job: JobConfig, records: Records, directory: Path) -> None:
    """Train the tokenizer on the training part and store both parts as packed rows."""
    train, validation = records.split(job.dataset.validation_percent)
    talks = _MESSAGES in next(iter(train)).values
    if not talks and job.overlong != "truncate":
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"the data has documents, which are cut into pieces, whatever their length: remove overlong {job.overlong}",
        )
    tokenizer = tokenizer_for(job, _texts(train, talks=talks), special_tokens=ROLE_TOKENS)
    fitting = Fitting(context_length=context_length(job), overlong=job.overlong) if talks else None
    if fitting is not None:
        adopt_template(tokenizer)
        borders(tokenizer)  # a model whose answers nothing ends would never stop
        spoken = Conversations(tokenizer).of_rows
        examples = [fitting.examples(spoken(part)) for part in (train, validation)]
        size = spoken_bytes(validation)
    else:
        examples = [documents(tokenizer, part) for part in (train, validation)]
        size = utf8_bytes(validation)
    store(
        job,
        records,
        directory,
        tokenizer=tokenizer,
        context_length=context_length(job),
        vocabulary_size=vocabulary_size(job, tokenizer),
        train=examples[0],
        validation=examples[1],
        validation_bytes=size,
        fitting=fitting,
        extra={_MESSAGES: talks},
    )


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
    """Perplexity beside those of counting; after conversations also how many held-out answers are right."""
    figures = dataset.score(around.mean_loss(_update(model)))
    if dataset.extra[_MESSAGES]:
        figures |= answer_figures(model, dataset)
    return figures


def lacking(model: torch.nn.Module, dataset: TokenDataset) -> set[Need]:
    """What figures need and the data does not have."""
    lacks = text_lacks(dataset)
    if not dataset.extra[_MESSAGES] or not held_out_questions(dataset, most=1):
        lacks.add(Need.CONVERSATIONS)
    return lacks


def sample(model: torch.nn.Module, dataset: TokenDataset, directory: Path, *, count: int) -> None:
    """``samples.jsonl``: held-out questions with the model's answers, or beginnings that it goes on with."""
    if dataset.extra[_MESSAGES]:
        write_answers(model, dataset, directory, questions=held_out_questions(dataset, most=count))
    else:
        write_continuations(model, dataset, directory, prompts=continuations(dataset, most=count))


def save(model: Any, dataset: TokenDataset, directory: Path) -> ModelFacts:
    """Safetensors, configuration, generation defaults, tokenizer with its chat template."""
    tokenizer = dataset.tokenizer
    save_decoder(model, tokenizer, directory)
    learnt = "conversations" if dataset.extra[_MESSAGES] else "documents"
    return facts_of(model, context_length=dataset.context_length, description=describe(model, trained_on=learnt))


def card_header() -> dict[str, Any]:
    """For the model card."""
    return {"library_name": "transformers", "pipeline_tag": "text-generation"}


def _update(model: torch.nn.Module) -> Update:
    return Update("decoder", model, loss)


def _texts(rows: Iterable[Record], *, talks: bool) -> Iterator[str]:
    for record in rows:
        if talks:
            yield from (said(turn) for turn in conversation_of(record))
        else:
            yield record.text()
