"""From prompts to images: guided denoising and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from diffusers import DDIMScheduler

from hostler_runtime.families.text_to_image.networks import LatentDiffusion
from hostler_runtime.images.requests import seeded
from hostler_runtime.text.captions import tokens_of


@dataclass(frozen=True)
class Drawing:
    """Images of one size, drawn in the same number of steps."""

    prompts: Sequence[str]
    negative: Sequence[str]
    """What to lead away from, for each prompt; empty texts lead away from the average."""
    seeds: Sequence[int]
    height: int
    width: int
    steps: int
    guidance: float
    """1 takes the prompt's own prediction, more exaggerates it (arXiv 2207.12598)."""


@dataclass(frozen=True)
class Drawn:
    """Images (count x channels x height x width in -1..1), and seconds by phase."""

    images: torch.Tensor
    phases: dict[str, float]


@torch.no_grad()
def draw(model: LatentDiffusion, tokenizer: Any, drawing: Drawing) -> Drawn:
    """Deterministic (DDIM, arXiv 2010.02502): all that is random is the first noise, which is its seed's."""
    device = model.scale.device
    began = perf_counter()
    states = model.read(tokens_of(tokenizer, drawing.prompts).to(device))
    guided = drawing.guidance > 1
    if guided:
        states = torch.cat([model.read(tokens_of(tokenizer, drawing.negative).to(device)), states])
    encoded = perf_counter()
    latents = _denoised(model, drawing, states=states, guided=guided)
    denoised = perf_counter()
    images = model.decode(latents).float()
    phases = {"encode": encoded - began, "denoise": denoised - encoded, "decode": perf_counter() - denoised}
    return Drawn(images, phases)


def _denoised(model: LatentDiffusion, drawing: Drawing, *, states: torch.Tensor, guided: bool) -> torch.Tensor:
    scheduler = DDIMScheduler.from_config(model.scheduler.config)
    scheduler.set_timesteps(drawing.steps, device=states.device)
    shape = (
        int(model.unet.config.in_channels),
        drawing.height // model.shrink,
        drawing.width // model.shrink,
    )
    noise = torch.stack([torch.randn(shape, generator=seeded(seed)) for seed in drawing.seeds])
    latents: torch.Tensor = noise.to(states.device) * scheduler.init_noise_sigma
    for moment in scheduler.timesteps:
        rows = torch.cat([latents, latents]) if guided else latents
        predicted = model.unet(rows, moment.expand(len(rows)), encoder_hidden_states=states).sample
        if guided:
            without, with_prompt = predicted.chunk(2)
            predicted = without + drawing.guidance * (with_prompt - without)
        latents = scheduler.step(predicted, moment, latents).prev_sample
    return latents
