"""What a denoiser is told about a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Condition:
    """Of a batch of prompts."""

    states: torch.Tensor
    """The tokens' hidden states: batch x tokens x width."""
    added: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """What some networks take beside them, by diffusers' names: one vector for each whole prompt (``text_embeds``), and
    sizes of the image (``time_ids``)."""

    def before(self, other: Condition) -> Condition:
        """Both batches in one, this one first."""
        added = {name: torch.cat([value, other.added[name]]) for name, value in self.added.items()}
        return Condition(torch.cat([self.states, other.states]), added)

    def arguments(self) -> dict[str, Any]:
        """Of a call of the network."""
        return {
            "encoder_hidden_states": self.states,
            **({"added_cond_kwargs": dict(self.added)} if self.added else {}),
        }
