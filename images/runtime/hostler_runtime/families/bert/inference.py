"""Sequences of mixed lengths through the encoder at once, packed into as few rows as the longest of them allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hostler_contract.job import PackingConfig
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.packing import Piece, lay_out, pack

MOST_POSITIONS = 1 << 15
"""Positions in one forward pass; more are done in several."""
_PACKED = PackingConfig()


@dataclass(frozen=True)
class Hidden:
    """The last layer for each sequence, tokens x width, in the order asked for."""

    tokens: list[Tensor]
    padding: float
    """Share of the computed positions that were padding."""


def run_packed(
    network: PackedEncoder, pieces: Sequence[Piece], *, pad_token: int, settings: PackingConfig = _PACKED
) -> Hidden:
    """Rows are as long as the longest sequence, so packing never computes more than padding would."""
    lengths = [len(piece.tokens) for piece in pieces]
    width = max(lengths)
    rows = pack(lengths, row_length=width, settings=settings)
    device = next(network.parameters()).device
    found: list[Any] = [None] * len(pieces)
    most = max(1, MOST_POSITIONS // width)
    for first in range(0, len(rows), most):
        portion = rows[first : first + most]
        layout = lay_out([[pieces[index] for index in row] for row in portion], length=width, pad_token=pad_token)
        hidden = network.hidden(
            layout.input_ids.to(device),
            segments=layout.segments.to(device),
            positions=layout.positions.to(device),
            token_types=layout.token_types.to(device),
        )
        for number, row in enumerate(portion):
            start = 0
            for index in row:
                found[index] = hidden[number, start : start + lengths[index]]
                start += lengths[index]
    return Hidden(found, padding=1 - sum(lengths) / (len(rows) * width))


@torch.inference_mode()
def answer_logits(network: PackedEncoder, hidden: Hidden, *, tokens: Sequence[Sequence[int]]) -> list[Tensor]:
    """The head's logits for some tokens of each sequence: tokens x classes for each."""
    chosen = torch.cat([one[list(which)] for one, which in zip(hidden.tokens, tokens, strict=True)])
    return list(network.answer(chosen).cpu().split([len(which) for which in tokens]))
