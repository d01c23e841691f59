"""Prepared text: token sequences in rows, the tokenizer that made them, and what counting alone would score."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.figures import Need
from hostler_contract.result import DatasetFacts
from hostler_data.records import Records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.baselines import unigram_and_bigram_loss
from hostler_runtime.text.fitting import Fitting
from hostler_runtime.text.rows import Rows, lay_out
from hostler_runtime.text.sequences import Example, Sequences, write
from hostler_runtime.text.starting import made_for, packing_of, starting_notes
from hostler_runtime.text.tokenizer import load_tokenizer

PARTS = ("train", "validation")
_FACTS, _TOKENIZER = "facts.json", "tokenizer"


class TokenDataset:
    """A ``Dataset`` of packed rows."""

    def __init__(self, directory: Path) -> None:
        stored = json.loads((directory / _FACTS).read_text())
        self.directory = directory
        self.facts = DatasetFacts.model_validate(stored["dataset"])
        self.context_length: int = stored["contextLength"]
        """Longest sequence that the model reads, in tokens; those that it is trained on may be shorter."""
        self.notes: list[str] = stored["notes"]
        self.vocabulary_size: int = stored["vocabularySize"]
        self.baselines: dict[str, float] = stored["baselines"]
        """Nats per held-out target of models that only count, by name."""
        self.tokens_per_byte: float | None = stored["tokensPerByte"]
        """Held-out targets per byte of their text; None where they are no plain text."""
        self.extra: dict[str, Any] = stored["extra"]
        """What the family noted."""
        self.tokenizer: Any = load_tokenizer(directory / _TOKENIZER)
        padding = self.tokenizer.pad_token_id
        self.train, self.validation = (
            Rows(directory / part, padding=padding if padding is not None else self.tokenizer.eos_token_id)
            for part in PARTS
        )

    @property
    def train_rows(self) -> int:
        """Rows to train on."""
        return len(self.train)

    @property
    def validation_rows(self) -> int:
        """Rows held out."""
        return len(self.validation)

    @property
    def sequences_per_row(self) -> float:
        """The packing factor."""
        return self.train.sequences_per_row

    @property
    def longest_row(self) -> int:
        """Positions of the longest row of both parts."""
        return max(self.train.longest, self.validation.longest)

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """See ``text.rows.collate``."""
        return self.train.batch(rows)

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """See ``text.rows.collate``."""
        return self.validation.batch(rows)

    def score(self, loss: float) -> dict[str, float]:
        """A held-out loss in nats per target, as figures that can be compared: with counting, and with models that have
        other tokenizers."""
        figures = {"validation_loss": loss, "validation_perplexity": _perplexity(loss)}
        figures |= {f"{name}_perplexity": _perplexity(value) for name, value in self.baselines.items()}
        if self.tokens_per_byte is not None:
            figures["validation_bits_per_byte"] = loss / math.log(2) * self.tokens_per_byte
        return figures


def text_lacks(dataset: TokenDataset) -> set[Need]:
    """What figures of every decoder need and the data does not have."""
    return {Need.TEXT_SIZES} if dataset.tokens_per_byte is None else set()


def store(
    job: JobConfig,
    records: Records,
    directory: Path,
    *,
    tokenizer: Any,
    context_length: int,
    vocabulary_size: int,
    train: Iterable[Example],
    validation: Iterable[Example],
    validation_bytes: int | None,
    rows: int | None = None,
    fitting: Fitting | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write both parts, their rows and their baselines. Raises ``RuntimeFailure`` where a part teaches nothing.

    ``rows`` is how many the data has, where that is not the number of examples; ``fitting`` is what the examples came
    through, where some of them may have been too long, and knows that by itself.
    """
    packing = packing_of(job)
    tokenizer.save_pretrained(directory / _TOKENIZER)
    written = {
        part: write(examples, directory / part, context_length=context_length, vocabulary_size=vocabulary_size)
        for part, examples in zip(PARTS, (train, validation), strict=True)
    }
    if fitting is not None:
        fitting.check()
        # What was not learnt is no text that a loss could be compared with.
        validation_bytes = validation_bytes and max(1, round(validation_bytes * fitting.share))
    sequences = {part: Sequences(directory / part) for part in PARTS}
    targets = {part: _require_targets(sequences[part], part=part) for part in PARTS}
    for part in PARTS:
        lay_out(sequences[part], directory / part, capacity=context_length, packing=packing)
    unigram, bigram = unigram_and_bigram_loss(
        sequences["train"], sequences["validation"], vocabulary_size=vocabulary_size
    )
    factor = Rows(directory / "train", padding=0).sequences_per_row
    facts = DatasetFacts(
        sha256=records.sha256,
        size_bytes=records.size_bytes,
        rows=fitting.rows if fitting is not None else rows or sum(each.documents for each in written.values()),
        tokens=sum(each.tokens for each in written.values()),
        packing_factor=factor if packing.mode == "auto" else None,
    ).without(fitting.left_out if fitting is not None else [])
    stored = {
        "dataset": facts.model_dump(mode="json"),
        "contextLength": made_for(job),
        "notes": starting_notes(job),
        "vocabularySize": vocabulary_size,
        "baselines": {"unigram": unigram, "bigram": bigram},
        "tokensPerByte": targets["validation"] / validation_bytes if validation_bytes else None,
        "extra": dict(extra or {}),
    }
    (directory / _FACTS).write_text(json.dumps(stored))


def _require_targets(sequences: Sequences, *, part: str) -> int:
    count = sum(len(targets) for _, targets in sequences.pairs())
    if not count:
        raise RuntimeFailure(
            ErrorReason.DATASET_INVALID, f"the {part} part has no token that could be learnt: bring more data"
        )
    return count


def _perplexity(value: float) -> float:
    return math.exp(min(value, 700.0))
