"""Token streams on disk, read as rows of a fixed length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch


def write_tokens(path: Path, chunks: Iterable[list[int]], *, vocabulary_size: int) -> int:
    """Store a token stream in the smallest type that holds it; returns its length."""
    kind = np.uint16 if vocabulary_size <= 1 << 16 else np.uint32
    parts = [np.asarray(chunk, dtype=kind) for chunk in chunks]
    tokens = np.concatenate(parts) if parts else np.empty(0, dtype=kind)
    np.save(path, tokens)
    return int(tokens.size)


class Blocks:
    """Rows of ``context_length`` inputs and the token that follows; neighbours share a token, only a tail is lost."""

    def __init__(self, path: Path, *, context_length: int) -> None:
        self.tokens = np.load(path, mmap_mode="r")
        self._context = context_length

    def __len__(self) -> int:
        return max(0, (self.tokens.size - 1) // self._context)

    def batch(self, rows: Sequence[int]) -> torch.Tensor:
        """``len(rows)`` x ``context_length + 1`` tokens."""
        length = self._context
        stacked = np.stack([self.tokens[row * length : (row + 1) * length + 1] for row in rows])
        return torch.from_numpy(stacked.astype(np.int64))


def unigram_loss(train: np.ndarray, targets: np.ndarray, *, vocabulary_size: int) -> float:
    """Loss of a model that knows only how frequent each token is (add-one smoothing): what training must beat."""
    counts = np.bincount(train, minlength=vocabulary_size) + 1.0
    probabilities = np.log(counts / counts.sum())
    return float(-probabilities[targets].mean())
