"""Clips and captions as files that every process maps into memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from hostler_contract.result import DatasetFacts
from hostler_data.record import Record
from hostler_data.records import Records
from hostler_runtime.diffusion.losses import with_noise_levels
from hostler_runtime.protocols.preparing import CHUNK_OF_MEDIA, INLINE, Made, Work
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.captions import cut_captions, tokens_of
from hostler_runtime.video.clips import ClipShape, read_clip

PARTS = ("train", "validation")
_FACTS, _TOKENIZER = "facts.json", "tokenizer"


@dataclass(frozen=True)
class Part:
    """Clips (rows x frames x height x width x channels, uint8), their captions and the captions' tokens."""

    clips: np.ndarray
    captions: list[str]
    tokens: torch.Tensor

    def batch(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Clips as bytes with channels first."""
        clips = torch.from_numpy(self.clips[list(rows)]).permute(0, 4, 1, 2, 3)
        return {"clips": clips, "tokens": self.tokens[list(rows)]}


class ClipDataset:
    """Clips at the size of the super-resolution stage, and the tokenizer of their captions."""

    sequences_per_row = 1.0

    def __init__(self, directory: Path) -> None:
        stored = json.loads((directory / _FACTS).read_text())
        self.facts = DatasetFacts.model_validate(stored["dataset"])
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory / _TOKENIZER)
        self.train, self.validation = (self._part(directory, name, stored[name]) for name in PARTS)
        cut = cut_captions(self.tokenizer, [*self.train.captions, *self.validation.captions])
        self.facts = self.facts.without(cut)
        self.empty = tokens_of(self.tokenizer, [""])[0]
        """Tokens of the prompt that says nothing."""

    @property
    def train_rows(self) -> int:
        """Clips to train on."""
        return len(self.train.captions)

    @property
    def validation_rows(self) -> int:
        """Clips held out."""
        return len(self.validation.captions)

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """Clips and tokens."""
        return self.train.batch(rows)

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """With a fixed share of noise for each row."""
        return with_noise_levels(self.validation.batch(rows), rows)

    def held_out_captions(self, most: int) -> list[str]:
        """Captions of held-out clips, each once, in the order of the rows."""
        return list(dict.fromkeys(self.validation.captions))[:most]

    def _part(self, directory: Path, name: str, stored: dict[str, Any]) -> Part:
        shape = tuple(stored["shape"])
        clips = np.memmap(directory / f"{name}.clips", dtype=np.uint8, mode="r", shape=shape)
        return Part(clips, stored["captions"], tokens_of(self.tokenizer, stored["captions"]))


def write_dataset(
    directory: Path, records: Records, *, shape: ClipShape, tokenizer: Any, validation_percent: int, work: Work = INLINE
) -> None:
    """Both parts as raw bytes, the captions and what the data turned out to be. Raises ``DataError``."""
    tokenizer.save_pretrained(directory / _TOKENIZER)
    stored: dict[str, Any] = {
        name: _write_part(
            directory / f"{name}.clips",
            work.each(name, rows, lambda chunk, _: _made(chunk, shape), most=max(1, CHUNK_OF_MEDIA // _bytes(shape))),
            shape,
        )
        for name, rows in zip(PARTS, records.split(validation_percent), strict=True)
    }
    rows = sum(len(stored[name]["captions"]) for name in PARTS)
    facts = DatasetFacts(sha256=records.sha256, size_bytes=records.size_bytes, rows=rows)
    (directory / _FACTS).write_text(json.dumps({"dataset": facts.model_dump(mode="json"), **stored}))


def captions_of(rows: Iterable[Record]) -> Iterable[str]:
    """The caption of each row. Raises ``DataError``."""
    return (row.text("caption") for row in rows)


def _bytes(shape: ClipShape) -> int:
    return shape.frames * shape.size * shape.size * shape.channels


def _made(rows: Iterable[Record], shape: ClipShape) -> Iterator[Made]:
    for row in rows:
        caption = row.text("caption")
        yield Made({"pixels": np.asarray(read_clip(row, shape), dtype=np.uint8).reshape(-1)}, caption)


def _write_part(path: Path, passed: Iterable[Made], shape: ClipShape) -> dict[str, Any]:
    captions = []
    with path.open("wb") as file:
        for made in passed:
            captions.append(made.facts)
            file.write(made.arrays["pixels"].tobytes())
    return {
        "captions": captions,
        "shape": [len(captions), shape.frames, shape.size, shape.size, shape.channels],
    }
