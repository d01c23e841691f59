"""The training half of encoders."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

from hostler_contract import JobConfig
from hostler_contract.result import DatasetFacts
from hostler_data.errors import DataError
from hostler_data.records import Record, Records, Rows
from hostler_runtime.families.bert import dataset as stored
from hostler_runtime.families.bert.dataset import EncoderDataset
from hostler_runtime.families.bert.encoders import longest_sequence
from hostler_runtime.families.bert.evaluation import evaluate_head, write_samples
from hostler_runtime.families.bert.losses import logits_of
from hostler_runtime.families.bert.network import PackedEncoder, fresh
from hostler_runtime.families.bert.plan import Plan, make_plan, plan_notes
from hostler_runtime.families.bert.pooling import copy_pooling
from hostler_runtime.families.bert.preparation import (
    Labels,
    Losses,
    Texts,
    class_examples,
    find_labels,
    held_out_question,
    labelled,
    question_examples,
    text_examples,
)
from hostler_runtime.families.bert.store import Example, write_examples
from hostler_runtime.families.bert.tokenizer import SequenceMaker, train_tokenizer
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.training import Batch, Evaluation, ModelFacts, Stage, Update

UNIT = "tokens"
BLOCK = "encoder"
_ROLES = {"masked-lm": ("text",), "classification": ("text",), "question-answering": ("question", "context")}
_READS = {
    "masked-lm": frozenset({"text"}),
    "classification": frozenset({"text", "label"}),
    "question-answering": frozenset({"question", "context", "answer", "answer_start"}),
}
_EMPTY = {stored.TRAIN: "the training part has no text", stored.VALIDATION: "the validation part has no text"}
_MISSING = {
    stored.TRAIN: "there is not one row with a label to train on",
    stored.UNLABELLED: "there is not one unlabelled row to train on, and semi-supervised training needs both kinds",
    stored.VALIDATION: "there is not one row with a label among those held out",
}
_BLOCKS = re.compile(r"\.encoder\.layer\.|^model\.model\.layers\.")
"""Names of what lies in the blocks: BERT's and RoBERTa's, ModernBERT's."""
_PIPELINES = {
    "masked-lm": "fill-mask",
    "classification": "text-classification",
    "question-answering": "question-answering",
}


def fingerprint(job: JobConfig) -> str:
    """Everything besides the data that decides what ``prepare`` writes."""
    plan, sizes = make_plan(job), job.model.encoder
    parts = (plan.head, plan.context_length, sizes.vocabulary_size if sizes is not None else None, job.overlong)
    return f"bert 5 {parts} tokenizers {tokenizers.__version__}"


def reads(job: JobConfig) -> frozenset[str]:
    """Roles of a row that the head reads."""
    return _READS[make_plan(job).head]


def prepare(job: JobConfig, records: Records, directory: Path) -> None:
    """Learn or take over vocabulary and labels, and store both parts as sequences."""
    plan = make_plan(job)
    train, validation = records.split(job.dataset.validation_percent)
    tokenizer = _tokenizer(plan, train)
    tokenizer.save_pretrained(directory / stored.TOKENIZER)
    maker = SequenceMaker(tokenizer, context_length=plan.context_length)
    labels = _labels(plan, records)
    losses = Losses(context_length=plan.context_length, overlong=job.overlong)
    tokens = rows = 0
    for name, part in _parts(plan, train=train, validation=validation):
        counted = _Counted(part)
        examples = _examples(plan, name, counted, maker=maker, labels=labels, losses=losses)
        written = write_examples(directory / name, examples)
        losses.rows.check_left(written)
        if not written:
            raise DataError(file=records.location, message=_MISSING[name] if plan.semi_supervised else _EMPTY[name])
        tokens += written
        rows += counted.number
    losses.rows.check()
    if plan.head == "question-answering":
        with (directory / stored.QUESTIONS).open("w") as stream:
            for record in validation:
                if losses.rows.has_left(record):
                    continue
                stream.write(json.dumps(dataclasses.asdict(held_out_question(record))) + "\n")
    if plan.semi_supervised:
        for record in validation:
            losses.held_out.add(used=labelled(record))
    facts = DatasetFacts(sha256=records.sha256, size_bytes=records.size_bytes, rows=rows, tokens=tokens)
    facts = facts.without(losses.left_out)
    content = {"dataset": facts.model_dump(mode="json", exclude={"packing_factor"}), "labels": labels.names}
    (directory / stored.FACTS).write_text(json.dumps(content))


def open_dataset(job: JobConfig, directory: Path) -> EncoderDataset:
    """Open what ``prepare`` wrote."""
    plan = make_plan(job)
    return EncoderDataset(
        directory,
        plan=plan,
        packing=job.packing,
        semi_supervised=job.objective.semi_supervised,
        notes=plan_notes(job, plan),
    )


def build(job: JobConfig, dataset: EncoderDataset) -> PackedEncoder:
    """An encoder with its head: fresh, or from the base model."""
    plan = make_plan(job)  # not the dataset's: an objective may ask for its teacher too
    if plan.takes_weights and plan.base is not None:
        base = plan.base
        return from_base(
            lambda: base.network(head=plan.head, labels=dataset.labels, dtype=torch.float32), what="the base model"
        )
    assert plan.sizes is not None, "a plan without a base has sizes"
    return fresh(plan.sizes, tokenizer=dataset.tokenizer, labels=dataset.labels)


def stages(job: JobConfig, model: PackedEncoder, dataset: EncoderDataset) -> Sequence[Stage]:
    """One network, one loss."""
    return [Stage("encoder", (update_of(model, dataset),))]


def update_of(model: PackedEncoder, dataset: EncoderDataset) -> Update:
    """What is trained, and what held-out loss is measured with."""
    return Update("encoder", model, loss=dataset.loss, survey=dataset.survey)


def evaluate(model: PackedEncoder, dataset: EncoderDataset, around: Evaluation) -> dict[str, float]:
    """Figures of the head on held-out rows, beside what a guess and a wrong context give."""
    return {
        "validation_loss": around.mean_loss(update_of(model, dataset)),
        **evaluate_head(model, dataset, batch_size=around.batch_size, device=around.device),
    }


def head_of(model: PackedEncoder) -> str | None:
    """The head of which there are figures."""
    return model.head


def sample(model: PackedEncoder, dataset: EncoderDataset, directory: Path, *, count: int) -> None:
    """What the model makes of held-out rows."""
    write_samples(model, dataset, directory, count=count)


def save(model: PackedEncoder, dataset: EncoderDataset, directory: Path) -> ModelFacts:
    """Safetensors, configuration with the labels' names, vocabulary: what any BERT of the ecosystem consists of."""
    library_logging.disable_progress_bar()  # a log is no terminal
    model.model.save_pretrained(directory)
    dataset.tokenizer.save_pretrained(directory)
    if dataset.plan.base is not None and dataset.plan.takes_weights:
        copy_pooling(dataset.plan.base.path, directory)
    config = model.model.config
    assert model.head is not None, "a model that was trained has a head"
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        context_length=longest_sequence(config),
        vocabulary_size=config.vocab_size,
        description=f"A `{config.model_type}` encoder of {config.num_hidden_layers} layers with a head for "
        f"{_PIPELINES[model.head]}.",
    )


def card_header() -> dict[str, Any]:
    """For the model card."""
    return {"library_name": "transformers", "pipeline_tag": "feature-extraction"}


def logits(module: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """For distillation: logits of everything that has a target, and the targets."""
    return logits_of(module, batch)


def prunable(model: PackedEncoder) -> Iterable[tuple[str, torch.nn.Module]]:
    """The linear layers of the encoder's blocks; embeddings and head stay whole."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and _BLOCKS.search(name):
            yield name, module


class _Counted:
    """Rows, counted while they pass."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self.number = 0

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.number += 1
            yield record


def _tokenizer(plan: Plan, train: Rows) -> PreTrainedTokenizerFast:
    if plan.base is not None:
        return from_base(plan.base.tokenizer, what="the base model's tokenizer")
    assert plan.sizes is not None, "a plan without a base has sizes"
    return train_tokenizer(
        Texts(train, _ROLES[plan.head]),
        vocabulary_size=plan.sizes.vocabulary_size,
        context_length=plan.made_for,
    )


def _labels(plan: Plan, records: Records) -> Labels:
    if plan.head != "classification":
        return Labels()
    if plan.base is not None and plan.base.head == "classification":
        return Labels(plan.base.labels)
    return find_labels(records)


def _parts(plan: Plan, *, train: Rows, validation: Rows) -> Iterator[tuple[str, Iterable[Record]]]:
    if not plan.semi_supervised:
        yield from ((stored.TRAIN, train), (stored.VALIDATION, validation))
        return
    yield stored.TRAIN, (record for record in train if labelled(record))
    yield stored.UNLABELLED, (record for record in train if not labelled(record))
    yield stored.VALIDATION, (record for record in validation if labelled(record))


def _examples(
    plan: Plan, name: str, records: Iterable[Record], *, maker: SequenceMaker, labels: Labels, losses: Losses
) -> Iterator[Example]:
    if plan.head == "masked-lm":
        return text_examples(records, maker)
    if plan.head == "question-answering":
        return question_examples(records, maker, losses=losses)
    number = (lambda record: 0) if name == stored.UNLABELLED else labels.number
    return class_examples(records, maker, number=number, losses=losses)
