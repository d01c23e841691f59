"""What text towers and U-Net learn from a batch of images with captions."""

from __future__ import annotations

from typing import Any, Final

import torch

from hostler_runtime.families.text_to_image.networks import LatentDiffusion
from hostler_runtime.protocols.training import Batch, LossSum

UNCONDITIONAL: Final = 0.1
"""Share of images whose caption is left out, so that guidance has something to lead away from (arXiv 2207.12598)."""


def contrastive_loss(towers: Any, batch: Batch) -> LossSum:
    """Symmetric cross entropy. Rows with the same caption are not each other's negatives."""
    tokens = batch["tokens"]
    logits = towers(batch["images"], tokens)
    same = (tokens[:, None] == tokens[None]).all(dim=-1).float()
    wanted = same / same.sum(dim=1, keepdim=True)
    total = -(wanted * (logits.log_softmax(dim=1) + logits.T.log_softmax(dim=1))).sum() / 2
    return LossSum(total, len(tokens))


def denoising_loss(model: LatentDiffusion, empty: torch.Tensor, *, unet: Any, batch: Batch) -> LossSum:
    """Squared error of the noise or the velocity (arXiv 2202.00512) of noisy latents, given the captions. ``empty``:
    tokens of no caption."""
    scheduler = model.scheduler
    steps = int(scheduler.config.num_train_timesteps)
    images, tokens = batch["images"], batch["tokens"]
    if "noise_level" in batch:
        moments = (batch["noise_level"] * steps).long()
    else:
        moments = torch.randint(0, steps, (len(images),), device=images.device)
        without = torch.rand(len(images), device=images.device) < UNCONDITIONAL
        tokens = torch.where(without[:, None], empty.to(images.device), tokens)
    with torch.no_grad():
        latents = model.encode(images)
        states = model.read(tokens)
    noise = torch.randn_like(latents)
    noisy = scheduler.add_noise(latents, noise, moments)
    wanted = noise
    if scheduler.config.prediction_type == "v_prediction":
        wanted = scheduler.get_velocity(latents, noise, moments)
    predicted = unet(noisy, moments, encoder_hidden_states=states).sample
    total = (predicted.float() - wanted.float()).square().flatten(1).mean(dim=1).sum()
    return LossSum(total, len(images))
