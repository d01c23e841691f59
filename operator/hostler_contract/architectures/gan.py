"""Generative adversarial networks on images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hostler_contract.architectures.block import Block, Channels, ImageSize


class GanConfig(Block):
    """A convolutional generator and discriminator (DCGAN, arXiv 1511.06434); conditional where the data has labels."""

    image_size: ImageSize
    """Height and width of the images, in pixels; a power of two from 8 up."""
    channels: Channels = 1
    """1 for grey images, 3 for colour."""
    latent_size: Annotated[int, Field(ge=2, le=4096)] = 64
    """Length of the noise vector."""
    base_width: Annotated[int, Field(ge=4, le=1024)] = 32
    """Channels of the widest resolution's first block."""
    regularization: Literal["spectral-norm", "r1"] = "spectral-norm"
    """What keeps the discriminator smooth: spectral-norm (arXiv 1802.05957) or r1 (arXiv 1801.04406)."""
