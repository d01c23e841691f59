"""Sequences of mixed lengths beside each other in rows, and rows as tensors; which go together, a library decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hostler_contract.job import PackingConfig
from hostler_data.packing import pack_lengths


@dataclass(frozen=True, slots=True)
class Piece:
    """One sequence as it stands in a row."""

    tokens: np.ndarray | list[int]
    second: int
    """Index of the first token of the second text; the length where there is none."""


@dataclass(frozen=True)
class Layout:
    """Packed rows as tensors, rows x length, on the CPU."""

    input_ids: Tensor
    segments: Tensor
    """Number of the sequence within its row, from 1; 0 is padding."""
    positions: Tensor
    token_types: Tensor

    @property
    def first(self) -> Tensor:
        """Marks where each sequence begins."""
        return first_tokens(self.segments, self.positions)

    @property
    def real(self) -> int:
        """Tokens without padding."""
        return int((self.segments > 0).sum())


def lay_out(rows: Sequence[Sequence[Piece]], *, length: int | None, pad_token: int) -> Layout:
    """Fill rows from the left; ``length`` None makes them as long as the fullest."""
    width = length or max(sum(len(piece.tokens) for piece in row) for row in rows)
    shape = (len(rows), width)
    tokens = np.full(shape, pad_token, dtype=np.int64)
    segments, positions, types = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for index, row in enumerate(rows):
        start = 0
        for number, piece in enumerate(row, 1):
            end = start + len(piece.tokens)
            tokens[index, start:end] = piece.tokens
            segments[index, start:end] = number
            positions[index, start:end] = np.arange(end - start)
            types[index, start + piece.second : end] = 1
            start = end
    return Layout(*map(torch.from_numpy, (tokens, segments, positions, types)))


def first_tokens(segments: Tensor, positions: Tensor) -> Tensor:
    """Marks where each sequence begins, in the order in which sequences stand in the rows."""
    return (positions == 0) & (segments > 0)


def pack(lengths: Sequence[int], *, row_length: int, settings: PackingConfig) -> list[list[int]]:
    """Indices of the sequences in each row, as the job wants them packed; a row for each where it does not."""
    if settings.mode == "off":
        return [[index] for index in range(len(lengths))]
    return pack_lengths(lengths, max_length=row_length, strategy=settings.strategy, max_per_pack=settings.max_per_pack)
