"""From prompts to clips: guided denoising, decoding, super-resolution."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.diffusion.sampling import denoised
from hostler_runtime.families.text_to_video.network import VideoModel
from hostler_runtime.families.text_to_video.upscaler import ASSUMED_NOISE


@dataclass(frozen=True)
class Made:
    """Clips as batch x channels x frames x height x width in -1..1."""

    small: torch.Tensor
    """Of the first stage."""
    full: torch.Tensor
    """After super-resolution."""
    seconds: Mapping[str, float]
    """By phase."""


@torch.no_grad()
def generate(
    model: VideoModel,
    *,
    tokens: torch.Tensor,
    negative: torch.Tensor,
    noise: torch.Tensor,
    steps: int,
    guidance: float,
) -> Made:
    """One clip for each row of ``tokens``, from its own ``noise`` (batch x latent shape); away from ``negative``."""
    clock = [time.perf_counter()]
    towards = Condition(model.towers(tokens=tokens)[0])
    against = Condition(model.towers(tokens=negative)[0]) if guidance != 1.0 else None
    clock.append(time.perf_counter())
    latents = denoised(
        model.unet, model.scheduler, noise=noise, towards=towards, against=against, steps=steps, guidance=guidance
    )
    clock.append(time.perf_counter())
    small = model.first_stage(latents, "decode").clamp(-1, 1)
    clock.append(time.perf_counter())
    full = small
    if model.upscaler is not None:
        full = model.upscaler(small, torch.full((len(small),), ASSUMED_NOISE, device=small.device)).clamp(-1, 1)
    clock.append(time.perf_counter())
    phases = ("encode", "denoise", "decode", "upscale")
    return Made(small, full, {name: clock[at + 1] - clock[at] for at, name in enumerate(phases)})


def as_pixels(clips: torch.Tensor) -> torch.Tensor:
    """Clips in -1..1 as bytes: batch x frames x height x width x channels."""
    return ((clips.permute(0, 2, 3, 4, 1).float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
