"""Generator and discriminator (DCGAN, arXiv 1511.06434; projection of the class, arXiv 1802.05637)."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Final, Literal

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

SMALLEST: Final = 4
"""Height and width of the first feature map."""
MOST_WIDENINGS: Final = 3
"""Coarser maps have twice the channels of the next finer, up to eight times the finest."""

Regularization = Literal["spectral-norm", "r1"]


class HostlerGenerator(ModelMixin, ConfigMixin):
    """Noise and a class to an image in -1..1."""

    @register_to_config
    def __init__(
        self, image_size: int, channels: int, latent_size: int, base_width: int, classes: Sequence[str] = ()
    ) -> None:
        super().__init__()
        widths = widths_of(image_size, base_width)
        self.condition = nn.Embedding(len(classes), latent_size) if classes else None
        self.project = nn.Linear(latent_size * (2 if classes else 1), widths[0] * SMALLEST**2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.ConvTranspose2d(width, finer, kernel_size=4, stride=2, padding=1),
            )
            for width, finer in itertools.pairwise(widths)
        )
        self.finish = nn.Sequential(
            nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], channels, kernel_size=3, padding=1), nn.Tanh()
        )

    def forward(self, noise: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """count x channels x height x width."""
        if self.condition is not None:
            noise = torch.cat([noise, self.condition(labels)], dim=1)
        image: torch.Tensor = self.project(noise).reshape(len(noise), -1, SMALLEST, SMALLEST)
        for block in self.blocks:
            image = block(image)
        finished: torch.Tensor = self.finish(image)
        return finished


class HostlerDiscriminator(ModelMixin, ConfigMixin):
    """An image and a class to a score: the higher, the more real."""

    @register_to_config
    def __init__(
        self,
        image_size: int,
        channels: int,
        base_width: int,
        classes: Sequence[str] = (),
        regularization: Regularization = "spectral-norm",
    ) -> None:
        super().__init__()
        smooth = spectral_norm if regularization == "spectral-norm" else lambda module: module
        widths = list(reversed(widths_of(image_size, base_width)))
        features = widths[-1] * SMALLEST**2
        self.enter = smooth(nn.Conv2d(channels, widths[0], kernel_size=3, padding=1))
        self.blocks = nn.ModuleList(
            smooth(nn.Conv2d(width, coarser, kernel_size=4, stride=2, padding=1))
            for width, coarser in itertools.pairwise(widths)
        )
        self.score = smooth(nn.Linear(features, 1))
        self.condition = smooth(nn.Embedding(len(classes), features)) if classes else None

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """One number for each image."""
        found = nn.functional.leaky_relu(self.enter(images), 0.1)
        for block in self.blocks:
            found = nn.functional.leaky_relu(block(found), 0.1)
        flat = found.flatten(1)
        score: torch.Tensor = self.score(flat)[:, 0]
        return score if self.condition is None else score + (self.condition(labels) * flat).sum(dim=1)


class Adversaries(nn.Module):
    """Both, and the average of the generator over the last steps, which is the model that comes out."""

    def __init__(self, generator: HostlerGenerator, discriminator: HostlerDiscriminator) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()

    @property
    def regularization(self) -> Regularization:
        """What keeps the discriminator smooth."""
        found: Regularization = self.discriminator.config.regularization
        return found

    def train(self, mode: bool = True) -> Adversaries:  # noqa: FBT001, FBT002 - the signature is torch's
        """The average never learns by itself."""
        super().train(mode)
        self.average.eval()
        return self

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the average towards the generator."""
        pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
        for mean, newest in pairs:
            mean.lerp_(newest, 1 - decay)
        for mean, newest in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            mean.copy_(newest)


def noise_for(generator: HostlerGenerator, count: int) -> torch.Tensor:
    """From torch's global generator."""
    device = next(generator.parameters()).device
    return torch.randn(count, int(generator.config.latent_size), device=device)


def widths_of(image_size: int, base_width: int) -> list[int]:
    """Channels of the maps from the coarsest to the finest."""
    doublings = int(math.log2(image_size // SMALLEST))
    return [base_width * 2 ** min(doublings - level, MOST_WIDENINGS) for level in range(doublings + 1)]
