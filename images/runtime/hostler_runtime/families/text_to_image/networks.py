"""The networks of latent diffusion in one module, and fresh ones of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional

from hostler_contract import ErrorReason
from hostler_contract.architectures import DiffusionConfig
from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.text_to_image.second import SecondEncoder
from hostler_runtime.images.autoencoder import TrainedAutoencoder, norm_groups

ATTENTION_HEADS: Final = 8
SHARED_SPACE: Final = 64
"""Length of the vectors in which images and captions are compared."""
_TOWER_WIDTH: Final = 16
_LARGEST_SEEN: Final = 64
"""Larger images are compared with their captions from a distance."""


@dataclass(frozen=True)
class Defaults:
    """How to draw where the request does not say."""

    steps: int = 20
    guidance: float = 1.5


PUBLISHED_DEFAULTS: Final = Defaults(steps=50, guidance=7.5)
"""Of models that bring no defaults: those of the pipeline that they are made for."""
PUBLISHED_DEFAULTS_XL: Final = Defaults(steps=50, guidance=5.0)
"""The same with two text encoders."""


class TextTowers(nn.Module):
    """Which caption belongs to which image (CLIP, arXiv 2103.00020).

    The text tower becomes the U-Net's text encoder. One that learns from scratch by denoising alone stays blind: the
    loss falls, images look right, and the prompt changes nothing. The image tower is left behind after this stage.
    """

    def __init__(self, text_encoder: Any, *, channels: int, size: int) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self._seen = min(size, _LARGEST_SEEN)
        width, side = _TOWER_WIDTH, math.ceil(self._seen / 4)
        self.image_tower = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(2 * width * side * side, SHARED_SPACE),
        )
        self.text_projection = nn.Linear(text_encoder.config.hidden_size, SHARED_SPACE)
        # One number in a list, because a scalar cannot be sharded.
        self.temperature = nn.Parameter(torch.tensor([math.log(10.0)]))

    def forward(self, images: torch.Tensor | None, tokens: torch.Tensor) -> torch.Tensor:
        """How well each image (rows) goes with each caption (columns), as logits; without images the tokens' hidden
        states (batch x tokens x width)."""
        if images is None:
            states: torch.Tensor = self.text_encoder(tokens).last_hidden_state
            return states
        small = functional.interpolate(images, size=self._seen, mode="area")
        seen = functional.normalize(self.image_tower(small), dim=-1)
        said = functional.normalize(self.text_projection(self.text_encoder(tokens).pooler_output), dim=-1)
        return self.temperature.clamp(max=math.log(100.0)).exp() * seen @ said.T


class LatentDiffusion(nn.Module):
    """Autoencoder, text towers and U-Net; everything that checkpoints hold."""

    scale: torch.Tensor

    def __init__(
        self,
        *,
        vae: Any,
        text_encoder: Any,
        unet: Any,
        scheduler: Any,
        size: int,
        defaults: Defaults,
        second: SecondEncoder | None = None,
    ) -> None:
        super().__init__()
        self.autoencoder = TrainedAutoencoder(vae)
        self.towers = TextTowers(text_encoder, channels=int(vae.config.in_channels), size=size)
        self.second = second
        self.unet = unet
        self.scheduler = scheduler
        self.size = size
        self.defaults = defaults
        self.register_buffer("scale", torch.tensor(float(vae.config.scaling_factor)))

    @property
    def vae(self) -> Any:
        """diffusers' AutoencoderKL."""
        return self.autoencoder.network

    @property
    def text_encoder(self) -> Any:
        """transformers' CLIPTextModel."""
        return self.towers.text_encoder

    @property
    def shrink(self) -> int:
        """Pixels for each position of the latent, along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def grain(self) -> int:
        """Heights and widths are multiples of it, because the U-Net halves latents too."""
        return self.shrink * int(2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def channels(self) -> int:
        """Of images."""
        return int(self.vae.config.in_channels)

    @property
    def parameters_kept(self) -> int:
        """Without the image tower, which is not saved."""
        kept = (self.vae, self.text_encoder, self.unet, *([] if self.second is None else [self.second]))
        return sum(parameter.numel() for network in kept for parameter in network.parameters())

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the latent of an image of so many pixels."""
        return int(self.unet.config.in_channels), height // self.shrink, width // self.shrink

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents of unit variance, drawn."""
        latents: torch.Tensor = self.autoencoder(images, "draw") * self.scale
        return latents

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images in -1..1."""
        images: torch.Tensor = self.autoencoder(latents / self.scale, "decode")
        return images

    def read(self, tokens: torch.Tensor, *, height: int | None = None, width: int | None = None) -> Condition:
        """What tokens say of images of so many pixels; of the model's own size if absent."""
        if self.second is None:
            return Condition(self.towers(None, tokens))
        return self.second.condition(self.text_encoder, tokens, height=height or self.size, width=width or self.size)


def fresh_unet(config: DiffusionConfig, *, vae: Any, text_width: int, size: int) -> Any:
    """From torch's current random state. Raises ``RuntimeFailure`` where sizes do not fit."""
    widths = config.block_widths
    odd = [width for width in widths if width % ATTENTION_HEADS]
    if odd:
        raise invalid(
            f"blockWidths of the U-Net must be multiples of {ATTENTION_HEADS}, its attention's heads: {odd[0]}"
        )
    shrink = 2 ** (len(vae.config.block_out_channels) - 1)
    latent_size = size // shrink
    if size % shrink or latent_size % 2 ** (len(widths) - 1):
        raise invalid(
            f"images of {size} pixels become latents of {latent_size}, which cannot be halved {len(widths) - 1} times, "
            f"as the {len(widths)} blockWidths of the U-Net ask"
        )
    # The coarsest maps of a deep network have no attention, as in the published ones.
    plain = len(widths) > 2
    down = ("CrossAttnDownBlock2D",) * (len(widths) - plain) + ("DownBlock2D",) * plain
    up = ("UpBlock2D",) * plain + ("CrossAttnUpBlock2D",) * (len(widths) - plain)
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=vae.config.latent_channels,
        out_channels=vae.config.latent_channels,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=ATTENTION_HEADS,
        norm_num_groups=norm_groups(widths),
    )


def fresh_scheduler(config: DiffusionConfig) -> Any:
    """For velocities noise goes all the way, so that training has seen what drawing begins with (arXiv 2305.08891)."""
    velocity = config.prediction == "v"
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction" if velocity else "epsilon",
        rescale_betas_zero_snr=velocity,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def invalid(message: str) -> RuntimeFailure:
    """The job does not make sense."""
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)
