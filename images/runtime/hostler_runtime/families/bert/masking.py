"""Hidden tokens: what masked language modelling learns from, and how texts are varied for consistency."""

from __future__ import annotations

import torch
from torch import Tensor

IGNORED = -100
"""Target of tokens that are not asked for."""
MASKED_SHARE = 0.15
"""Of the tokens, as in arXiv 1810.04805: of these 80 % are hidden, 10 % replaced, 10 % left as they are."""


def hide_tokens(
    tokens: Tensor, ordinary: Tensor, *, draws: Tensor, mask_token: int, vocabulary_size: int
) -> tuple[Tensor, Tensor]:
    """Inputs and targets of masked language modelling, shaped like ``tokens``; only ``ordinary`` ones are chosen.

    ``draws`` are uniform in [0, 1) and decide everything, also which token takes the place of a replaced one.
    """
    chosen = (draws < MASKED_SHARE) & ordinary
    # Given that a draw is below a border it is uniform below it, so one draw answers one question after the other.
    rest = draws / MASKED_SHARE
    inputs = tokens.masked_fill(chosen & (rest < 0.8), mask_token)
    other = ((rest - 0.9) * 10 * vocabulary_size).long().clamp(0, vocabulary_size - 1)
    inputs = torch.where(chosen & (rest >= 0.9), other, inputs)
    return inputs, tokens.masked_fill(~chosen, IGNORED)


def drop_tokens(tokens: Tensor, ordinary: Tensor, *, share: float, mask_token: int) -> Tensor:
    """Tokens of which a random share is hidden (word dropout), drawn from torch's global generator."""
    return tokens.masked_fill((torch.rand(tokens.shape) < share) & ordinary, mask_token)


def shuffle_tokens(tokens: Tensor, ordinary: Tensor, *, seed: int) -> Tensor:
    """The same tokens in places that mean nothing: the wrong condition of every measurement."""
    found = tokens[ordinary]
    order = torch.randperm(found.numel(), generator=torch.Generator().manual_seed(seed))
    shuffled = tokens.clone()
    shuffled[ordinary] = found[order]
    return shuffled
