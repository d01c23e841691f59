"""Rows of a batch: each holds one sequence, or as many as fit (arXiv 2107.02027).

Which sequences share a row is decided once, when the data is prepared, so that every process and every attempt sees the
same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hostler_contract.job import PackingConfig
from hostler_data.packing import pack_lengths
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.attention import PADDING_SEGMENT
from hostler_runtime.text.sequences import IGNORED, Sequences

_MEMBERS, _STARTS = "members.npy", "rows.npy"


def lay_out(sequences: Sequences, directory: Path, *, capacity: int, packing: PackingConfig) -> None:
    """Decide on the rows of at most ``capacity`` positions and store them."""
    lengths = sequences.lengths
    if packing.mode == "off":
        rows: Sequence[Sequence[int]] = [[index] for index in range(len(lengths))]
    else:
        rows = pack_lengths(
            lengths.tolist(),
            max_length=capacity,
            strategy=packing.strategy,
            max_per_pack=packing.max_per_pack,
        )
    np.save(directory / _MEMBERS, np.array([index for row in rows for index in row], dtype=np.int64))
    np.save(directory / _STARTS, np.cumsum([0, *map(len, rows)], dtype=np.int64))


class Rows:
    """Stored rows with their sequences."""

    def __init__(self, directory: Path, *, padding: int) -> None:
        self.sequences = Sequences(directory)
        self._members = np.load(directory / _MEMBERS)
        self._starts = np.load(directory / _STARTS)
        self._padding = padding

    def __len__(self) -> int:
        return len(self._starts) - 1

    @property
    def sequences_per_row(self) -> float:
        """The packing factor."""
        return len(self.sequences) / max(1, len(self))

    @property
    def longest(self) -> int:
        """Positions of the longest row."""
        return int(np.add.reduceat(self.sequences.lengths[self._members], self._starts[:-1]).max())

    def members(self, row: int) -> list[int]:
        """Numbers of the sequences of a row."""
        return [int(index) for index in self._members[self._starts[row] : self._starts[row + 1]]]

    def batch(self, rows: Sequence[int]) -> Batch:
        """``len(rows)`` rows as wide as the longest of them; see ``collate``."""
        return collate(
            [[self.sequences[member] for member in self.members(row)] for row in rows], padding=self._padding
        )


def collate(rows: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]], *, padding: int) -> Batch:
    """Rows of sequences (inputs, targets) as tensors of rows x positions.

    ``input_ids``; ``position_ids``, from 0 in each sequence; ``segment_ids``, which number the sequences of a row from
    1; ``targets``, what each position is to predict: the last position of a sequence never predicts the next
    sequence's first token.
    """
    width = max(sum(len(inputs) for inputs, _ in row) for row in rows)
    shape = (len(rows), width)
    batch = {
        "input_ids": np.full(shape, padding, dtype=np.int64),
        "position_ids": np.zeros(shape, dtype=np.int64),
        "segment_ids": np.full(shape, PADDING_SEGMENT, dtype=np.int64),
        "targets": np.full(shape, IGNORED, dtype=np.int64),
    }
    for index, row in enumerate(rows):
        place = 0
        for segment, (inputs, targets) in enumerate(row, start=1):
            here = np.s_[index, place : place + len(inputs)]
            batch["input_ids"][here] = inputs
            batch["position_ids"][here] = np.arange(len(inputs))
            batch["segment_ids"][here] = segment
            batch["targets"][here] = targets
            place += len(inputs)
    return {name: torch.from_numpy(values) for name, values in batch.items()}
