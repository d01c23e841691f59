"""A small 3-D U-Net for latents of clips: space and time in separate convolutions, attention where both are smallest.

diffusers' ``UNet3DConditionModel`` has four convolutions over time and two attentions beside each convolution over
space; at 8 x 8 latents on a CPU core a step of it takes five times as long as one of this, whose interface is the same.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_3d_condition import UNet3DConditionOutput
from torch import nn

GROUPS = 8
"""Of every group normalisation; widths are multiples of it."""


class FactoredBlock(nn.Module):
    """Two convolutions over space, each with one over time after it (arXiv 1711.11248), shifted and scaled by the
    condition in between (FiLM, arXiv 1709.07871). Begins as the identity."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, inputs), nn.GroupNorm(GROUPS, outputs)
        self.space1, self.time1 = over_space(inputs, outputs), over_time(outputs)
        self.space2, self.time2 = over_space(outputs, outputs), over_time(outputs)
        self.condition = nn.Linear(condition, 2 * outputs)
        self.skip = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.time2.weight)

    def forward(self, values: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Batch x channels x frames x height x width, and batch x condition."""
        inner = self.time1(self.space1(functional.silu(self.norm1(values))))
        scale, shift = self.condition(condition)[:, :, None, None, None].chunk(2, dim=1)
        inner = functional.silu(self.norm2(inner) * (1 + scale) + shift)
        out: torch.Tensor = self.skip(values) + self.time2(self.space2(inner))
        return out


class JointAttention(nn.Module):
    """Every place of every frame attends to all others and to the prompt's tokens. Begins as the identity."""

    def __init__(self, channels: int, text: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.query, self.key_value = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)
        self.text_key_value = nn.Linear(text, 2 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)

    def forward(self, values: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Batch x channels x frames x height x width, and batch x tokens x text."""
        places = self.norm(values).flatten(2).transpose(1, 2)
        both = torch.cat([self.key_value(places), self.text_key_value(text)], dim=1)
        key, value = both.chunk(2, dim=-1)
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(places)), self._split(key), self._split(value)
        )
        out: torch.Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return values + out.transpose(1, 2).view_as(values)

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        split: torch.Tensor = values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split


class TokenPool(nn.Module):
    """The prompt as one vector: an average of its tokens whose weights are learned."""

    def __init__(self, text: int, outputs: int) -> None:
        super().__init__()
        self.weigh, self.out = nn.Linear(text, 1), nn.Linear(text, outputs)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Batch x tokens x text to batch x outputs."""
        pooled: torch.Tensor = self.out((torch.softmax(self.weigh(text), dim=1) * text).sum(dim=1))
        return pooled


class HostlerVideoUNet(ModelMixin, ConfigMixin):
    """Predicts noise or velocity of latents (batch x channels x frames x height x width) at a time step."""

    @register_to_config
    def __init__(
        self,
        sample_size: int = 8,
        frames: int = 8,
        in_channels: int = 4,
        block_out_channels: tuple[int, ...] = (32, 64),
        cross_attention_dim: int = 64,
        attention_heads: int = 4,
    ) -> None:
        super().__init__()
        widths = block_out_channels
        first, last, smallest = widths[0], widths[-1], sample_size >> (len(widths) - 1)
        condition = 4 * first
        self.time = nn.Sequential(nn.Linear(first, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.pool = TokenPool(cross_attention_dim, condition)
        self.inward = nn.Conv3d(in_channels, first, 3, padding=1)
        # Attention knows no places, and convolutions only how far the border is.
        self.place = nn.Parameter(torch.randn(1, first, frames, sample_size, sample_size) * 0.02)
        self.middle_place = nn.Parameter(torch.randn(1, last, frames, smallest, smallest) * 0.02)
        self.down = nn.ModuleList(
            FactoredBlock(before, width, condition) for before, width in zip((first, *widths), widths, strict=False)
        )
        self.shrink = nn.ModuleList(
            nn.Conv3d(width, width, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)) for width in widths[:-1]
        )
        self.middle = nn.ModuleList(FactoredBlock(last, last, condition) for _ in range(2))
        self.attention = JointAttention(last, cross_attention_dim, attention_heads)
        self.up = nn.ModuleList(FactoredBlock(2 * width, width, condition) for width in widths)
        self.enlarge = nn.ModuleList(over_space(width, before) for before, width in pairwise(widths))
        self.norm = nn.GroupNorm(GROUPS, first)
        self.outward = nn.Conv3d(first, in_channels, 3, padding=1)
        nn.init.zeros_(self.outward.weight)

    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor
    ) -> UNet3DConditionOutput:
        """``timestep``: one for each row. ``encoder_hidden_states``: batch x tokens x ``cross_attention_dim``."""
        frames = sample.shape[2]
        waves = get_timestep_embedding(timestep, self.config.block_out_channels[0]).to(sample.dtype)
        condition = functional.silu(self.time(waves) + self.pool(encoder_hidden_states))
        values = self.inward(sample) + self.place[:, :, :frames]
        kept = []
        for index, block in enumerate(self.down):
            values = block(values, condition)
            kept.append(values)
            if index < len(self.shrink):
                values = self.shrink[index](values)
        values = self.middle[0](values + self.middle_place[:, :, :frames], condition)
        values = self.middle[1](self.attention(values, encoder_hidden_states), condition)
        for index in reversed(range(len(self.up))):
            values = self.up[index](torch.cat([values, kept[index]], dim=1), condition)
            if index > 0:
                values = self.enlarge[index - 1](functional.interpolate(values, scale_factor=(1, 2, 2)))
        return UNet3DConditionOutput(sample=self.outward(functional.silu(self.norm(values))))


def over_space(inputs: int, outputs: int) -> nn.Conv3d:
    """A convolution within each frame."""
    return nn.Conv3d(inputs, outputs, (1, 3, 3), padding=(0, 1, 1))


def over_time(channels: int) -> nn.Conv3d:
    """A convolution along the frames at each place."""
    return nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0))
