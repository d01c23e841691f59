"""Attention masks for rows that hold several sequences: each sequence sees itself and nothing else.

A library that is to find the borders by itself finds them only under conditions that are easy to miss (no mask, no
cache), and falls back to attending across them without a word; a boolean mask of four dimensions is read as numbers by
plain attention. An additive mask of floating point numbers means the same to every implementation.
"""

from __future__ import annotations

import torch
from torch import Tensor

PADDING_SEGMENT = 0
"""Segment id of positions that hold nothing; sequences count from 1."""


def block_mask(segment_ids: Tensor, *, causal: bool, dtype: torch.dtype | None = None) -> Tensor:
    """Rows x 1 x positions x positions: 0 where a query (third axis) may look, the type's lowest number elsewhere.

    ``segment_ids`` (rows x positions) says which sequence a position belongs to. Padding sees padding, so that no query
    is left without a key, which would make its softmax NaN. ``dtype`` is that in which attention is computed; None
    takes that of the autocast region around the call, or float32.
    """
    visible = segment_ids[:, :, None] == segment_ids[:, None, :]
    if causal:
        visible = visible.tril()
    dtype = dtype or _computed_in(segment_ids.device.type)
    mask = torch.zeros(visible.shape, dtype=dtype, device=segment_ids.device)
    return mask.masked_fill(~visible, torch.finfo(dtype).min)[:, None]


def is_plain(segment_ids: Tensor) -> bool:
    """True where every row is one sequence without padding, so that an ordinary (causal) attention is right."""
    first = segment_ids[:, :1]
    return bool(((segment_ids == first) & (first != PADDING_SEGMENT)).all())


def _computed_in(device_type: str) -> torch.dtype:
    if torch.is_autocast_enabled(device_type):
        return torch.get_autocast_dtype(device_type)
    return torch.float32
