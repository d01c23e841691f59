"""From noise to latents, away from one prompt and towards another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from diffusers import DDIMScheduler

from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.images.requests import seeded


def first_noise(seeds: Iterable[int], shape: tuple[int, ...]) -> torch.Tensor:
    """Noise of the shape for each seed, drawn on the CPU: the same on every device, whoever else is in the batch."""
    return torch.stack([torch.randn(shape, generator=seeded(seed)) for seed in seeds])


def denoised(
    unet: Any,
    scheduler: Any,
    *,
    noise: torch.Tensor,
    towards: Condition,
    against: Condition | None,
    steps: int,
    guidance: float,
) -> torch.Tensor:
    """Latents from noise. Deterministic (DDIM, arXiv 2010.02502): all that is random is the noise at the beginning.

    ``towards`` is what the prompts say; ``against`` what guidance leads away from (classifier-free guidance, arXiv
    2207.12598), or None to take the prompts' own prediction.
    """
    scheduler = DDIMScheduler.from_config(scheduler.config)
    scheduler.set_timesteps(steps, device=noise.device)
    latents: torch.Tensor = noise * scheduler.init_noise_sigma
    told = (towards if against is None else against.before(towards)).arguments()
    for moment in scheduler.timesteps:
        rows = latents if against is None else torch.cat([latents, latents])
        predicted = unet(rows, moment.expand(len(rows)), **told).sample
        if against is not None:
            without, with_prompt = predicted.chunk(2)
            predicted = without + guidance * (with_prompt - without)
        latents = scheduler.step(predicted, moment, latents).prev_sample
    return latents
