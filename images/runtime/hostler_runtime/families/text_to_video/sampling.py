"""From prompts to clips: guided denoising, decoding, super-resolution."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler

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
    states, _, _ = model.towers(tokens=tokens)
    against = model.towers(tokens=negative)[0] if guidance != 1.0 else None
    clock.append(time.perf_counter())
    latents = denoise(model, states=states, against=against, noise=noise, steps=steps, guidance=guidance)
    clock.append(time.perf_counter())
    small = model.first_stage(latents, "decode").clamp(-1, 1)
    clock.append(time.perf_counter())
    full = small
    if model.upscaler is not None:
        full = model.upscaler(small, torch.full((len(small),), ASSUMED_NOISE, device=small.device)).clamp(-1, 1)
    clock.append(time.perf_counter())
    phases = ("encode", "denoise", "decode", "upscale")
    return Made(small, full, {name: clock[at + 1] - clock[at] for at, name in enumerate(phases)})


def denoise(
    model: VideoModel,
    *,
    states: torch.Tensor,
    against: torch.Tensor | None,
    noise: torch.Tensor,
    steps: int,
    guidance: float,
) -> torch.Tensor:
    """Latents from noise. Deterministic (DDIM, arXiv 2010.02502): all that is random is the noise at the beginning."""
    scheduler = DDIMScheduler.from_config(model.scheduler.config)
    scheduler.set_timesteps(steps, device=noise.device)
    latents: torch.Tensor = noise * scheduler.init_noise_sigma
    condition = states if against is None else torch.cat([against, states])
    for moment in scheduler.timesteps:
        rows = latents if against is None else torch.cat([latents, latents])
        predicted = model.unet(rows, moment.expand(len(rows)), encoder_hidden_states=condition).sample
        if against is not None:
            without, with_prompt = predicted.chunk(2)
            predicted = without + guidance * (with_prompt - without)
        latents = scheduler.step(predicted, moment, latents).prev_sample
    return latents


def noise_of(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Noise of one clip, always drawn on the CPU: the same on every device, whoever else is in the batch."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def as_pixels(clips: torch.Tensor) -> torch.Tensor:
    """Clips in -1..1 as bytes: batch x frames x height x width x channels."""
    return ((clips.permute(0, 2, 3, 4, 1).float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
