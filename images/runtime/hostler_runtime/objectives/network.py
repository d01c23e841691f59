"""The network of transformers inside what a family trains."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure


def network_of(model: torch.nn.Module, job: JobConfig) -> PreTrainedModel:
    """The model itself, or what it wraps as ``model``. Raises ``RuntimeFailure`` where there is none."""
    for candidate in (model, getattr(model, "model", None)):
        if isinstance(candidate, PreTrainedModel):
            return candidate
    raise RuntimeFailure(
        ErrorReason.INVALID_CONFIGURATION,
        f"family {job.family} does not support objective {job.objective.kind} in this way: its network is none of the "
        "transformers library",
    )


def with_network(model: torch.nn.Module, network: torch.nn.Module) -> torch.nn.Module:
    """The model with another network in the place of its own."""
    if isinstance(model, PreTrainedModel):
        return network
    model.model = network
    return model
