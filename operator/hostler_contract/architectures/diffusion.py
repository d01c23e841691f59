"""Latent diffusion from text: images and video."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hostler_contract.architectures.autoencoder import AutoencoderConfig
from hostler_contract.architectures.block import Block, Heads, ImageSize, Layers, Width, Widths


class TextEncoderConfig(Block):
    """The CLIP-style text encoder that reads the prompt."""

    layers: Layers = 2
    """Transformer blocks."""
    hidden_size: Width = 64
    """Width, also of the cross-attention."""
    heads: Heads = 4
    """Attention heads."""
    context_length: Annotated[int, Field(ge=8, le=1024)] = 16
    """Longest prompt, in tokens."""
    vocabulary_size: Annotated[int, Field(ge=300, le=1_000_000)] = 512
    """Most tokens of the vocabulary."""


class DiffusionConfig(Block):
    """Latent diffusion (arXiv 2112.10752): autoencoder, text encoder and U-Net, with a scheduler of diffusers."""

    autoencoder: AutoencoderConfig | None = None
    """The first stage; absent where another Model brings it (parts.autoencoder)."""
    text_encoder: TextEncoderConfig = TextEncoderConfig()
    """What reads the prompt."""
    block_widths: Widths = (32, 64)
    """Channels of each resolution of the U-Net."""
    prediction: Literal["epsilon", "v"] = "v"
    """What the U-Net predicts: the noise, or the velocity (arXiv 2202.00512)."""


class VideoConfig(Block):
    """Latent diffusion of clips with a 3-D U-Net, and a super-resolution stage after it (cascade, arXiv 2210.02303)."""

    image_size: ImageSize
    """Height and width of the first stage's frames, in pixels."""
    channels: Annotated[int, Field(ge=1, le=4)] = 1
    """1 for grey frames, 3 for colour."""
    frames: Annotated[int, Field(ge=2, le=512)] = 8
    """Frames of a clip."""
    frames_per_second: Annotated[int, Field(ge=1, le=120)] = 8
    """Speed at which clips are shown."""
    latent_channels: Annotated[int, Field(ge=1, le=64)] = 4
    """Channels of a frame's latent; another Model's where that brings the autoencoder (parts.autoencoder)."""
    autoencoder_widths: Widths = (16, 32)
    """Channels of each resolution of the frames' autoencoder; every one after the first halves height and width."""
    text_encoder: TextEncoderConfig = TextEncoderConfig()
    """What reads the prompt."""
    block_widths: Widths = (32, 64)
    """Channels of each resolution of the U-Net, which works on latents."""
    upscale: Annotated[int, Field(ge=1, le=8)] = 2
    """Factor of the super-resolution stage; 1 leaves it out."""
