"""Super-resolution of clips: the stage after diffusion (cascade, arXiv 2210.02303)."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

MOST_NOISE = 0.2
"""Largest standard deviation of the noise that training adds to the small clip."""
ASSUMED_NOISE = 0.05
"""How noisy the small clip is taken to be when it comes from the first stage."""


class HostlerUpscaler(ModelMixin, ConfigMixin):
    """What bicubic enlargement lacks, from the small frames around each place in space and time.

    A direct network in place of a second diffusion: frames of a moving thing show it at several phases of the pixel
    grid, which leaves little to invent, and one pass costs less than one step of the first stage. It works at the small
    size and unfolds pixels last (arXiv 1609.05158). Told how noisy its input is, it also repairs what the first stage
    does wrong (conditioning augmentation, arXiv 2106.15282).
    """

    @register_to_config
    def __init__(self, channels: int = 1, width: int = 32, depth: int = 3, factor: int = 2) -> None:
        super().__init__()
        self.inward = nn.Conv3d(channels + 1, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(width, width, 3, padding=1), nn.GELU(), nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1))
            )
            for _ in range(depth)
        )
        self.outward = nn.Conv3d(width, channels * factor**2, (1, 3, 3), padding=(0, 1, 1))
        nn.init.zeros_(self.outward.weight)

    def forward(self, clips: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """``clips``: batch x channels x frames x height x width in -1..1; ``noise``: standard deviation by row."""
        level = noise.view(-1, 1, 1, 1, 1).expand(-1, 1, *clips.shape[2:])
        values = self.inward(torch.cat([clips, level / MOST_NOISE], dim=1))
        for block in self.blocks:
            values = values + block(functional.gelu(values))
        factor = self.config.factor
        missing = functional.pixel_shuffle(self.outward(functional.gelu(values)).transpose(1, 2), factor)
        return enlarged(clips, factor) + missing.transpose(1, 2)


def enlarged(clips: torch.Tensor, factor: int) -> torch.Tensor:
    """Bicubic: what the network starts from, and has to beat."""
    frames = clips.transpose(1, 2).flatten(0, 1)
    larger = functional.interpolate(frames, scale_factor=factor, mode="bicubic", align_corners=False)
    joined: torch.Tensor = larger.unflatten(0, (clips.shape[0], -1)).transpose(1, 2)
    return joined


def reduced(clips: torch.Tensor, factor: int) -> torch.Tensor:
    """The mean of the pixels that fall together."""
    return functional.avg_pool3d(clips, (1, factor, factor)) if factor > 1 else clips
