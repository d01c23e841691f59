"""What text towers and denoisers learn, whether a caption is of an image or of a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch

from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.protocols.training import Batch, LossSum

UNCONDITIONAL: Final = 0.1
"""Share of rows whose caption is left out, so that guidance has something to lead away from (arXiv 2207.12598)."""
_NOISE_LEVEL: Final = "noise_level"
_GOLDEN: Final = 0.6180339887


def with_noise_levels(batch: Batch, rows: Sequence[int]) -> Batch:
    """The batch with a fixed share of noise for each row of the dataset: drawn ones would make the loss a lottery.

    The golden ratio spreads any number of rows evenly.
    """
    return {**batch, _NOISE_LEVEL: (torch.tensor(list(rows)) * _GOLDEN + 0.5) % 1}


def is_held_out(batch: Batch) -> bool:
    """Whether the batch is one that ``with_noise_levels`` has prepared for measuring."""
    return _NOISE_LEVEL in batch


def contrastive_loss(logits: torch.Tensor, tokens: torch.Tensor) -> LossSum:
    """Symmetric cross entropy (CLIP, arXiv 2103.00020). ``logits``: how well what is seen (rows) goes with each caption
    (columns). Rows with the same caption are not each other's negatives."""
    same = (tokens[:, None] == tokens[None]).all(dim=-1).float()
    wanted = same / same.sum(dim=1, keepdim=True)
    total = -(wanted * (logits.log_softmax(dim=1) + logits.T.log_softmax(dim=1))).sum() / 2
    return LossSum(total, len(tokens))


def denoising_loss(
    unet: Any,
    batch: Batch,
    *,
    scheduler: Any,
    empty: torch.Tensor,
    encode: Callable[[Batch], torch.Tensor],
    read: Callable[[torch.Tensor], Condition],
) -> LossSum:
    """Squared error of the noise or the velocity (arXiv 2202.00512) of noisy latents, given the captions.

    ``empty``: tokens of no caption. ``encode`` gives the latents of a batch and ``read`` what tokens say; neither
    learns here.
    """
    steps = int(scheduler.config.num_train_timesteps)
    tokens = batch["tokens"]
    count, device = len(tokens), tokens.device
    if is_held_out(batch):
        moments = (batch[_NOISE_LEVEL] * steps).long()
    else:
        moments = torch.randint(0, steps, (count,), device=device)
        without = torch.rand(count, device=device) < UNCONDITIONAL
        tokens = torch.where(without[:, None], empty.to(device), tokens)
    with torch.no_grad():
        latents, condition = encode(batch), read(tokens)
    noise = torch.randn_like(latents)
    noisy = scheduler.add_noise(latents, noise, moments)
    wanted = noise
    if scheduler.config.prediction_type == "v_prediction":
        wanted = scheduler.get_velocity(latents, noise, moments)
    predicted = unet(noisy, moments, **condition.arguments()).sample
    total = (predicted.float() - wanted.float()).square().flatten(1).mean(dim=1).sum()
    return LossSum(total, count)
