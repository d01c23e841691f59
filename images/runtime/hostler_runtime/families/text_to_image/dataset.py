"""Images with captions and their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoTokenizer

from hostler_runtime.diffusion.losses import with_noise_levels
from hostler_runtime.images.store import ImageDataset, Part
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.captions import cut_captions, tokens_of

TOKENIZER: Final = "tokenizer"


class CaptionedDataset(ImageDataset):
    """A ``protocols.training.Dataset`` whose batches have ``images`` and ``tokens``."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory / TOKENIZER, local_files_only=True)
        self._train_tokens = tokens_of(self.tokenizer, self.train.captions)
        self._validation_tokens = tokens_of(self.tokenizer, self.validation.captions)
        cut = cut_captions(self.tokenizer, [*self.train.captions, *self.validation.captions])
        self.facts = self.facts.without(cut)
        self.empty = tokens_of(self.tokenizer, [""])[0]
        """Tokens of the prompt that says nothing."""

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """Images and tokens."""
        return _batch(self.train, self._train_tokens, rows)

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """With a fixed share of noise for each row."""
        return with_noise_levels(_batch(self.validation, self._validation_tokens, rows), rows)


def _batch(part: Part, tokens: torch.Tensor, rows: Sequence[int]) -> dict[str, torch.Tensor]:
    return {"images": part.images(rows), "tokens": tokens[list(rows)]}
