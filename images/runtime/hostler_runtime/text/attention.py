"""Attention masks for rows that hold several sequences: each sequence sees itself and nothing else.

A library that is to find the borders by itself finds them only under conditions that are easy to miss (no mask, no
cache), and falls back to attending across them without a word; a boolean mask of four dimensions is read as numbers by
plain attention. An additive mask of floating point numbers means the same to every implementation. A mask that is given
is taken as it is, though: layers that see a window only need theirs with the window in it.
"""

from __future__ import annotations

import torch
from torch import Tensor

PADDING_SEGMENT = 0
"""Segment id of positions that hold nothing; sequences count from 1."""


def block_mask(
    segment_ids: Tensor, *, causal: bool, dtype: torch.dtype | None = None, window: int | None = None
) -> Tensor:
    """Rows x 1 x positions x positions: 0 where a query (third axis) may look, the type's lowest number elsewhere.

    ``segment_ids`` (rows x positions) says which sequence a position belongs to. Padding sees padding, so that no query
    is left without a key, which would make its softmax NaN. ``dtype`` is that in which attention is computed; None
    takes that of the autocast region around the call, or float32. ``window`` counts as transformers does: a causal
    layer sees itself and the ``window - 1`` positions before it, another one ``window`` positions to either side.
    """
    visible = segment_ids[:, :, None] == segment_ids[:, None, :]
    if causal:
        visible = visible.tril()
    if window is not None:
        places = torch.arange(segment_ids.shape[1], device=segment_ids.device)
        far = (places[:, None] - places[None, :]).abs()
        visible = visible & (far < window if causal else far <= window)
    dtype = dtype or _computed_in(segment_ids.device.type)
    mask = torch.zeros(visible.shape, dtype=dtype, device=segment_ids.device)
    return mask.masked_fill(~visible, torch.finfo(dtype).min)[:, None]


LONGEST_BY_DEFAULT = 4096
"""Tokens in a sequence where nobody says how many: what a row takes grows with its length, logits and activations in
proportion, a mask with the square. A base model that was made for 131,072 tokens does not ask for rows of as many."""


def shortened(length: int, *, limit: int) -> str:
    """The sentence for whoever did not say how long sequences are, and has a base model that reads longer ones."""
    return (
        f"sequences have at most {length:,} of the {limit:,} tokens that the base model was made for: "
        "set training.contextLength for longer ones"
    )


def shares_rows(segment_ids: Tensor) -> bool:
    """Whether some row holds more than one sequence. Where none does, what a causal network computes for a sequence
    depends on nothing after it, padding included, and an ordinary causal attention is right."""
    return bool((segment_ids > 1).any())


def _computed_in(device_type: str) -> torch.dtype:
    if torch.is_autocast_enabled(device_type):
        return torch.get_autocast_dtype(device_type)
    return torch.float32
