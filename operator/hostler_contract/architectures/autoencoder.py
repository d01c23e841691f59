"""Autoencoders of images: a family of its own, and the first stage of latent diffusion."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler_contract.architectures.block import Block, Channels, ImageSize, Widths


class AutoencoderConfig(Block):
    """A convolutional variational autoencoder."""

    image_size: ImageSize
    """Height and width of the images, in pixels."""
    channels: Channels = 1
    """1 for grey images, 3 for colour."""
    latent_channels: Annotated[int, Field(ge=1, le=64)] = 4
    """Channels of the latent."""
    block_widths: Widths = (32, 64)
    """Channels of each resolution; every one after the first halves height and width."""
