"""What each part of the model learns from a batch of clips."""

from __future__ import annotations

from typing import Any

import torch

from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.diffusion.losses import contrastive_loss, denoising_loss, is_held_out
from hostler_runtime.families.text_to_video.network import VideoModel
from hostler_runtime.families.text_to_video.upscaler import ASSUMED_NOISE, MOST_NOISE, enlarged, reduced
from hostler_runtime.protocols.training import Batch, LossSum, Update

FRAMES_PER_CLIP = 2
"""Frames of each clip that the autoencoder learns from: neighbours look alike."""
DIVERGENCE = 1e-4
"""Weight of the latents' divergence from a normal distribution: enough to keep them smooth."""
_BETAS = (0.9, 0.99)


def as_floats(clips: torch.Tensor) -> torch.Tensor:
    """Bytes as -1..1."""
    return clips.float() / 127.5 - 1


def small(model: VideoModel, clips: torch.Tensor) -> torch.Tensor:
    """Clips at the size of the first stage."""
    return reduced(clips, model.settings.upscale)


def first_stage_update(model: VideoModel) -> Update:
    """The autoencoder: frames through a latent and back."""

    def loss(stage: Any, batch: Batch) -> LossSum:
        clips = small(model, as_floats(batch["clips"]))
        if not is_held_out(batch):
            clips = clips[:, :, torch.randperm(clips.shape[2])[:FRAMES_PER_CLIP].sort().values]
        frames, restored, divergence = stage(clips, "restore")
        error = (restored - frames).square().mean(dim=(1, 2, 3)).sum()
        return LossSum(
            total=error + DIVERGENCE * divergence.sum(),
            weight=len(frames),
            units=len(clips),
            parts={"reconstruction": error},
        )

    return Update("autoencoder", model.first_stage, loss, betas=_BETAS, weight_decay=False)


def text_update(model: VideoModel) -> Update:
    """Text encoder and judge: which caption belongs to which clip."""

    def loss(towers: Any, batch: Batch) -> LossSum:
        _, seen, said = towers(tokens=batch["tokens"], clips=small(model, as_floats(batch["clips"])))
        return contrastive_loss(seen @ said.T, batch["tokens"])

    return Update("text", model.towers, loss, betas=_BETAS)


def upscaler_update(model: VideoModel) -> Update:
    """Super-resolution: the large clip from a small one with noise on it."""

    def loss(upscaler: Any, batch: Batch) -> LossSum:
        clips = as_floats(batch["clips"])
        below = small(model, clips)
        if is_held_out(batch):
            level = torch.full((len(clips),), ASSUMED_NOISE, device=clips.device)
        else:
            level = torch.rand(len(clips), device=clips.device) * MOST_NOISE
            below = below + torch.randn_like(below) * level.view(-1, 1, 1, 1, 1)
        rows = (upscaler(below, level) - clips).square().mean(dim=(1, 2, 3, 4))
        return LossSum(total=rows.sum(), weight=len(rows))

    assert model.upscaler is not None
    return Update("super-resolution", model.upscaler, loss, betas=_BETAS, weight_decay=False)


def enlargement_update(model: VideoModel) -> Update:
    """What bicubic enlargement loses; nothing that learns, only a measure for what does."""

    def loss(_: Any, batch: Batch) -> LossSum:
        clips = as_floats(batch["clips"])
        rows = (enlarged(small(model, clips), model.settings.upscale) - clips).square().mean(dim=(1, 2, 3, 4))
        return LossSum(total=rows.sum(), weight=len(rows))

    assert model.upscaler is not None
    return Update("bicubic", model.upscaler, loss)


def denoiser_update(model: VideoModel, empty: torch.Tensor) -> Update:
    """The denoiser: noise or velocity of a latent, given the caption. ``empty``: tokens of no caption."""

    def loss(unet: Any, batch: Batch) -> LossSum:
        return denoising_loss(
            unet,
            batch,
            scheduler=model.scheduler,
            empty=empty,
            encode=lambda batch: model.first_stage(small(model, as_floats(batch["clips"])), "encode"),
            read=lambda tokens: Condition(model.towers(tokens=tokens)[0]),
        )

    return Update("denoiser", model.unet, loss, betas=_BETAS, weight_decay=False)
