"""Requests through the encoder: sequences of mixed lengths packed into as few rows as the longest of them allows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hostler_contract.job import PackingConfig
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.packing import Piece, lay_out, pack
from hostler_runtime.families.bert.requests import Reading
from hostler_runtime.protocols.tasks import TaskResult

MOST_POSITIONS = 1 << 14
"""Positions in one forward pass; more are done in several."""
PACKED = PackingConfig()


@torch.inference_mode()
def answer(
    network: PackedEncoder, readings: Sequence[Reading], *, pad_token: int, settings: PackingConfig = PACKED
) -> tuple[list[TaskResult], float]:
    """A result for each request, and the share of the computed positions that were padding.

    Rows are as long as the longest sequence, so packing never computes more than padding would.
    """
    pieces = [piece for one in readings for piece in one.pieces]
    hidden, padding = _hidden(network, pieces, pad_token=pad_token, settings=settings)
    asked = [which for one in readings for which in one.asked]
    logits = _logits(network, hidden, asked)
    results = []
    start = 0
    for one in readings:
        stretch = slice(start, start + len(one.pieces))
        results.append(one.result(hidden[stretch], logits[stretch]))
        start = stretch.stop
    return results, padding


def _hidden(
    network: PackedEncoder, pieces: Sequence[Piece], *, pad_token: int, settings: PackingConfig
) -> tuple[list[Tensor], float]:
    """The last layer of each sequence, tokens x width."""
    lengths = [len(piece.tokens) for piece in pieces]
    width = max(lengths)
    rows = pack(lengths, row_length=width, settings=settings)
    device = next(network.parameters()).device
    found: dict[int, Tensor] = {}
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
    return [found[index] for index in range(len(pieces))], 1 - sum(lengths) / (len(rows) * width)


def _logits(network: PackedEncoder, hidden: Sequence[Tensor], asked: Sequence[Sequence[int]]) -> list[Tensor]:
    """The head's answers for some tokens of each sequence, on the CPU."""
    if not any(asked):
        return [torch.empty(0)] * len(hidden)
    chosen = torch.cat([network.read(one, list(which)) for one, which in zip(hidden, asked, strict=True)])
    return list(network.answer(chosen).cpu().split([len(which) for which in asked]))
