"""Prepared sequences as packed batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hostler_contract.job import PackingConfig
from hostler_contract.objective import SemiSupervisedConfig
from hostler_contract.result import DatasetFacts
from hostler_runtime.families.bert.losses import loss_sum
from hostler_runtime.families.bert.masking import IGNORED, drop_tokens, hide_tokens
from hostler_runtime.families.bert.packing import Layout, lay_out, pack
from hostler_runtime.families.bert.plan import Plan
from hostler_runtime.families.bert.preparation import Question
from hostler_runtime.families.bert.semi_supervised import (
    STRONG,
    STRONG_SHARE,
    WEAK,
    WEAK_SHARE,
    semi_supervised_loss,
    survey,
)
from hostler_runtime.families.bert.store import StoredExamples
from hostler_runtime.protocols.training import Batch, LossSum, Survey

TRAIN, VALIDATION, UNLABELLED = "train", "validation", "unlabelled"
"""Directories of the parts."""
FACTS, QUESTIONS, TOKENIZER = "facts.json", "questions.jsonl", "tokenizer"
_EVALUATION_SEED = 20_18
"""Of the masks of held-out rows: the same for every model, whatever the seed of its training."""


class Part:
    """Stored sequences, packed into rows."""

    def __init__(self, directory: Path, *, packing: PackingConfig, context_length: int) -> None:
        self.examples = StoredExamples(directory)
        self.rows = pack(self.examples.lengths, row_length=context_length, settings=packing)
        # Packed rows are full, so they all have the whole length, which accelerators with fixed shapes ask for.
        self._width = context_length if packing.mode == "auto" else None

    @property
    def longest(self) -> int:
        """Positions of the longest row."""
        return self._width or int(max(self.examples.lengths))

    def layout(self, rows: Sequence[int], *, pad_token: int) -> Layout:
        """Rows as tensors."""
        pieces = [[self.examples.piece(index) for index in self.rows[row]] for row in rows]
        return lay_out(pieces, length=self._width, pad_token=pad_token)

    def column(self, name: str, rows: Sequence[int]) -> list[np.ndarray]:
        """What the table says of the sequences of each row."""
        return [self.examples.table[name][self.rows[row]] for row in rows]


class EncoderDataset:
    """A ``protocols.training.Dataset``."""

    def __init__(
        self,
        directory: Path,
        *,
        plan: Plan,
        packing: PackingConfig,
        semi_supervised: SemiSupervisedConfig,
        notes: Sequence[str] = (),
    ) -> None:
        stored: dict[str, Any] = json.loads((directory / FACTS).read_text())
        self.plan = plan
        self.notes = list(notes)
        self.labels: list[str] = stored["labels"]
        self.tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(directory / TOKENIZER)
        self.train, self.validation = (
            Part(directory / name, packing=packing, context_length=plan.context_length) for name in (TRAIN, VALIDATION)
        )
        self.unlabelled = None
        if (directory / UNLABELLED).exists():
            self.unlabelled = Part(directory / UNLABELLED, packing=packing, context_length=plan.context_length)
        self._ratio = semi_supervised.unlabelled_ratio
        self.loss: Callable[[Any, Batch], LossSum] = loss_sum
        self.survey: Callable[[Any, Batch], Survey] | None = None
        if plan.semi_supervised:
            self.loss = semi_supervised_loss(semi_supervised, shares=self._label_shares())
            self.survey = survey
        self._questions = directory / QUESTIONS
        self._special = torch.tensor(sorted(set(self.tokenizer.all_special_ids)))
        self.facts = DatasetFacts(**stored["dataset"], packing_factor=max(1.0, self.sequences_per_row))

    @property
    def train_rows(self) -> int:
        """Rows to train on."""
        return len(self.train.rows)

    @property
    def validation_rows(self) -> int:
        """Rows held out."""
        return len(self.validation.rows)

    @property
    def sequences_per_row(self) -> float:
        """The packing factor."""
        return len(self.train.examples) / len(self.train.rows)

    @property
    def longest_row(self) -> int:
        """Positions of the longest row of both parts."""
        return max(self.train.longest, self.validation.longest)

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """Hidden tokens and variations are drawn from torch's global generator."""
        layout = self.train.layout(rows, pad_token=self.tokenizer.pad_token_id)
        if self.plan.head == "masked-lm":
            return self._masked(layout, draws=torch.rand(layout.input_ids.shape))
        batch = self._batch(layout, self._targets(self.train, layout, rows))
        if self.unlabelled is None:
            return batch
        batch["input_ids"] = self._vary(layout, share=STRONG_SHARE)
        drawn = torch.randint(len(self.unlabelled.rows), (len(rows) * self._ratio,)).tolist()
        other = self.unlabelled.layout(drawn, pad_token=self.tokenizer.pad_token_id)
        for view, share in ((WEAK, WEAK_SHARE), (STRONG, STRONG_SHARE)):
            shown = {**self._batch(other, {}), "input_ids": self._vary(other, share=share)}
            batch.update({f"{view}{name}": tensor for name, tensor in shown.items()})
        return batch

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """The same masks for the same row, whatever else is in the batch."""
        layout = self.validation.layout(rows, pad_token=self.tokenizer.pad_token_id)
        if self.plan.head != "masked-lm":
            return self._batch(layout, self._targets(self.validation, layout, rows))
        width = layout.input_ids.shape[1]
        draws = torch.stack([self._fixed_draws(row)[:width] for row in rows])
        return self._masked(layout, draws=draws)

    def questions(self) -> list[Question]:
        """The held-out questions."""
        with self._questions.open() as stream:
            return [Question(**json.loads(line)) for line in stream]

    def ordinary(self, tokens: Tensor) -> Tensor:
        """Marks tokens that stand for text."""
        return ~torch.isin(tokens, self._special.to(tokens.device))

    def _label_shares(self) -> list[float]:
        counts = np.bincount(self.train.examples.table["label"], minlength=len(self.labels))
        shares: list[float] = (counts / counts.sum()).tolist()
        return shares

    def _batch(self, layout: Layout, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            "input_ids": layout.input_ids,
            "segments": layout.segments,
            "positions": layout.positions,
            "token_types": layout.token_types,
            **targets,
        }

    def _masked(self, layout: Layout, *, draws: Tensor) -> Batch:
        inputs, targets = hide_tokens(
            layout.input_ids,
            self.ordinary(layout.input_ids),
            draws=draws,
            mask_token=self.tokenizer.mask_token_id,
            vocabulary_size=len(self.tokenizer),
        )
        return {**self._batch(layout, {"targets": targets}), "input_ids": inputs}

    def _fixed_draws(self, row: int) -> Tensor:
        generator = torch.Generator().manual_seed(_EVALUATION_SEED + row)
        return torch.rand(self.plan.context_length, generator=generator)

    def _vary(self, layout: Layout, *, share: float) -> Tensor:
        ordinary = self.ordinary(layout.input_ids)
        return drop_tokens(layout.input_ids, ordinary, share=share, mask_token=self.tokenizer.mask_token_id)

    def _targets(self, part: Part, layout: Layout, rows: Sequence[int]) -> dict[str, Tensor]:
        """Targets at the first token of each sequence; answers as columns of the row."""
        if self.plan.head == "classification":
            return {"targets": _at_first(layout, part.column("label", rows))}
        starts = [np.cumsum(lengths) - lengths for lengths in part.column("length", rows)]
        return {
            name: _at_first(layout, [a + b for a, b in zip(part.column(column, rows), starts, strict=True)])
            for name, column in (("targets", "begin"), ("ends", "end"))
        }


def _at_first(layout: Layout, values: Sequence[np.ndarray]) -> Tensor:
    placed = torch.full_like(layout.input_ids, IGNORED)
    placed[layout.first] = torch.from_numpy(np.concatenate(values).astype(np.int64))
    return placed
