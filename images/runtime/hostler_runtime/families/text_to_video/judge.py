"""Which caption belongs to which clip: two towers that learn together (CLIP, arXiv 2103.00020).

The text tower becomes the denoiser's text encoder. Learned by denoising alone, from scratch, it stays blind: the loss
falls and the prompt is ignored. The clip tower stays as the judge of what is generated.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

_COARSE = (2, 2, 2)
"""Frames, height and width that the clip tower ends in: where and when things are must not be averaged away."""


_SHARPEST = math.log(100.0)
"""Limit on the temperature, as in CLIP."""


class HostlerClipJudge(ModelMixin, ConfigMixin):
    """The clip tower, and the projections of both into the common space."""

    @register_to_config
    def __init__(self, channels: int = 1, text_width: int = 64, width: int = 32, space: int = 64) -> None:
        super().__init__()
        self.tower = nn.Sequential(
            nn.Conv3d(channels, width, 3, stride=(1, 2, 2), padding=1),
            nn.GELU(),
            nn.Conv3d(width, 2 * width, 3, stride=(1, 2, 2), padding=1),
            nn.GELU(),
            nn.Conv3d(2 * width, 2 * width, 3, padding=1),
            nn.GELU(),
            nn.AdaptiveAvgPool3d(_COARSE),
            nn.Flatten(),
        )
        self.clip_projection = nn.Linear(2 * width * math.prod(_COARSE), space)
        self.text_projection = nn.Linear(text_width, space)
        self.temperature = nn.Parameter(torch.full((1,), math.log(10.0)))

    def forward(
        self, *, clips: torch.Tensor | None = None, pooled: torch.Tensor | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Vectors of clips (batch x channels x frames x height x width in -1..1), as long as the temperature says, and
        unit vectors of pooled texts: their products are the logits."""
        seen = None
        if clips is not None:
            sharpness = self.temperature.clamp(max=_SHARPEST).exp()
            seen = sharpness * functional.normalize(self.clip_projection(self.tower(clips)), dim=-1)
        said = None if pooled is None else functional.normalize(self.text_projection(pooled), dim=-1)
        return seen, said


class Towers(nn.Module):
    """Text encoder and judge as one module, so that they learn together and are sharded together."""

    def __init__(self, text_encoder: Any, judge: HostlerClipJudge | None) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.judge = judge

    def forward(
        self, *, tokens: torch.Tensor | None = None, clips: torch.Tensor | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """The tokens' hidden states (batch x tokens x width), and the judge's vectors of clips and of texts.

        A published model brings no judge, and has no such vectors.
        """
        states = pooled = None
        if tokens is not None:
            encoded = self.text_encoder(input_ids=tokens)
            states, pooled = encoded.last_hidden_state, encoded.pooler_output
        seen, said = (None, None) if self.judge is None else self.judge(clips=clips, pooled=pooled)
        return states, seen, said
