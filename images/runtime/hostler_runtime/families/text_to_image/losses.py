"""What text towers and U-Net learn from a batch of images with captions."""

from __future__ import annotations

from typing import Any

import torch

from hostler_runtime.diffusion.losses import contrastive_loss, denoising_loss
from hostler_runtime.families.text_to_image.networks import LatentDiffusion
from hostler_runtime.protocols.training import Batch, LossSum, Update


def text_update(model: LatentDiffusion) -> Update:
    """Both towers: which caption belongs to which image."""

    def loss(towers: Any, batch: Batch) -> LossSum:
        return contrastive_loss(towers(batch["images"], batch["tokens"]), batch["tokens"])

    return Update("text", model.towers, loss)


def denoiser_update(model: LatentDiffusion, empty: torch.Tensor) -> Update:
    """The U-Net: noise or velocity of a latent, given the caption. ``empty``: tokens of no caption."""

    def loss(unet: Any, batch: Batch) -> LossSum:
        return denoising_loss(
            unet,
            batch,
            scheduler=model.scheduler,
            empty=empty,
            encode=lambda batch: model.encode(batch["images"]),
            read=model.read,
        )

    return Update("unet", model.unet, loss)
