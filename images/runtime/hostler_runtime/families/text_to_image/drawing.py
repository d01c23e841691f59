"""From prompts to images: guided denoising and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.diffusion.sampling import denoised, first_noise
from hostler_runtime.families.text_to_image.networks import LatentDiffusion
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
    """All that is random is the first noise, which is its seed's."""
    device = model.scale.device
    began = perf_counter()

    def read(texts: Sequence[str]) -> Condition:
        return model.read(tokens_of(tokenizer, texts).to(device), height=drawing.height, width=drawing.width)

    towards = read(drawing.prompts)
    against = read(drawing.negative) if drawing.guidance > 1 else None
    encoded = perf_counter()
    latents = denoised(
        model.unet,
        model.scheduler,
        noise=first_noise(drawing.seeds, model.latent_shape(drawing.height, drawing.width)).to(device),
        towards=towards,
        against=against,
        steps=drawing.steps,
        guidance=drawing.guidance,
    )
    latent = perf_counter()
    images = model.decode(latents).float()
    phases = {"encode": encoded - began, "denoise": latent - encoded, "decode": perf_counter() - latent}
    return Drawn(images, phases)
