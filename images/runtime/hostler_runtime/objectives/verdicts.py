"""Rows of praise and criticism as tokens: pairs for DPO, single verdicts for KTO.

Nothing is packed here, whatever the job's ``packing`` says: each sequence has a padded row of its own. The loss
compares whole sequences: with DPO the two of a pair, which therefore share a step and a micro-batch, with KTO each one
with the mean of its batch. It needs one likelihood for each row, and packing would tear pairs apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hostler_contract import ErrorReason, JobConfig, PackingConfig
from hostler_contract.result import DatasetFacts
from hostler_data.answers import praise_of
from hostler_data.judged import are_messages
from hostler_data.records import Records, Rows
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.objectives.judged import JudgedAnswers
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.rows import collate
from hostler_runtime.text.sequences import IGNORED, Example, Sequences, write
from hostler_runtime.text.starting import context_length, made_for, starting_notes, tokenizer_for, vocabulary_size
from hostler_runtime.text.tokenizer import load_tokenizer

_PARTS = ("train", "validation")
_FACTS, _TOKENIZER, _VERDICTS = "facts.json", "tokenizer", "verdicts.npy"


class Verdicts:
    """A ``Dataset`` of completions: two for each row with dpo, one and what was said of it with kto."""

    def __init__(self, directory: Path) -> None:
        stored = json.loads((directory / _FACTS).read_text())
        self.method: str = stored["method"]
        self.facts = DatasetFacts.model_validate(stored["dataset"])
        self.tokenizer: Any = load_tokenizer(directory / _TOKENIZER)
        self.context_length: int = stored["contextLength"]
        self.notes: list[str] = stored["notes"]
        self.vocabulary_size: int = stored["vocabularySize"]
        self.sequences_per_row = 1.0
        self.extra = {"messages": True}
        """Answers are turns of a conversation for the family that saves the model."""
        self._each = 2 if self.method == "dpo" else 1
        self._parts = {part: Sequences(directory / part) for part in _PARTS}
        self._verdicts = {part: np.load(directory / part / _VERDICTS) for part in _PARTS}

    @property
    def train_rows(self) -> int:
        """Pairs, or verdicts, to learn from."""
        return len(self._parts["train"]) // self._each

    @property
    def validation_rows(self) -> int:
        """Pairs, or verdicts, held out."""
        return len(self._parts["validation"]) // self._each

    @property
    def longest_row(self) -> int:
        """Positions of the longest row of both parts."""
        return max(int(part.lengths.max()) for part in self._parts.values())

    @property
    def praised_share(self) -> float:
        """Share of praise among the verdicts to learn from."""
        return float(self._verdicts["train"].mean())

    def held_out_prompts(self, count: int) -> list[list[int]]:
        """Tokens of the first held-out prompts."""
        part = self._parts["validation"]
        found = (part[index * self._each] for index in range(min(count, self.validation_rows)))
        return [inputs[: int(np.argmax(targets != IGNORED)) + 1].tolist() for inputs, targets in found]

    def held_out_verdicts(self, count: int) -> set[bool]:
        """Which there are, praise or criticism, in the first held-out rows."""
        return {bool(praised) for praised in self._verdicts["validation"][:count]}

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """See ``text.rows.collate``; with ``praised`` (1 or 0) for each sequence."""
        return self._batch("train", rows)

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """See ``train_batch``."""
        return self._batch("validation", rows)

    def _batch(self, part: str, rows: Sequence[int]) -> Batch:
        members = [row * self._each + offset for row in rows for offset in range(self._each)]
        padding = self.tokenizer.pad_token_id
        batch = collate(
            [[self._parts[part][member]] for member in members],
            padding=self.tokenizer.eos_token_id if padding is None else padding,
        )
        return {**batch, "praised": torch.from_numpy(self._verdicts[part][members].astype(np.float32))}


def prepare(job: JobConfig, records: Records, directory: Path) -> None:
    """Prompts with their completions as tokens of the base model."""
    tokenizer = tokenizer_for(job, ())
    length, vocabulary = context_length(job), vocabulary_size(job, tokenizer)
    method = _method(job, records)
    completions = Completions(context_length=length, overlong=job.overlong)
    judged = JudgedAnswers(tokenizer, completions, talks=are_messages(next(iter(records))))
    tokenizer.save_pretrained(directory / _TOKENIZER)
    tokens = 0
    for part, found in zip(_PARTS, records.split(job.dataset.validation_percent), strict=True):
        verdicts: list[bool] = []
        written = write(
            _examples(found, verdicts, method=method, judged=judged, completions=completions),
            directory / part,
            context_length=length,
            vocabulary_size=vocabulary,
        )
        completions.check_left(len(verdicts))
        np.save(directory / part / _VERDICTS, np.array(verdicts, dtype=bool))
        tokens += written.tokens
    completions.check()
    facts = DatasetFacts(
        sha256=records.sha256,
        size_bytes=records.size_bytes,
        rows=completions.rows,
        tokens=tokens,
    ).without(completions.left_out)
    stored = {
        "dataset": facts.model_dump(mode="json"),
        "method": method,
        "contextLength": made_for(job),
        "notes": starting_notes(job.model_copy(update={"packing": PackingConfig(mode="off")})),
        "vocabularySize": vocabulary,
    }
    (directory / _FACTS).write_text(json.dumps(stored))


def _method(job: JobConfig, records: Records) -> str:
    """What the first row calls for, or what the job says, where the rows allow it."""
    first = next(iter(records))
    found = "dpo" if "chosen" in first.values else "kto" if "praise" in first.values else None
    if found is None:
        columns = ", ".join(sorted(first.values)) or "none"
        raise first.error(
            "preference needs the columns prompt, chosen and rejected, or prompt, completion and praise; "
            f"the columns are: {columns}"
        )
    wanted = job.objective.preference.method
    if wanted not in ("auto", found):
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"preference.method is {wanted}, the rows are made for {found}"
        )
    return found


def _examples(
    rows: Rows, verdicts: list[bool], *, method: str, judged: JudgedAnswers, completions: Completions
) -> Iterator[Example]:
    for record in rows:
        sides = [("chosen", True), ("rejected", False)] if method == "dpo" else [("completion", praise_of(record))]
        examples = judged.examples(record, [role for role, _ in sides])
        if completions.take(record):
            verdicts += [praised for _, praised in sides]
            yield from examples
