"""The number type that weights are stored in: what is made from a base model keeps the base's.

Training computes on single precision, whatever the base was stored in. Written like that, a model would come out twice
as large as it went in, with digits that no server reads.
"""

from __future__ import annotations

import torch

from hostler_contract import JobConfig, Objective
from hostler_runtime.frozen import stored_type


def storage_of(job: JobConfig) -> torch.dtype | None:
    """The type that the weights of the job's model are stored in; None for the one that they are trained in."""
    # A student is a model of its own.
    return None if job.objective.kind is Objective.DISTILL else stored_type(job)


@torch.no_grad()
def round_weights(model: torch.nn.Module, storage: torch.dtype | None) -> None:
    """To what will be read of them when they are stored so, in place: what is measured is what is served."""
    for parameter in _rounded(model, storage):
        parameter.copy_(parameter.to(storage))


def store_weights(model: torch.nn.Module, storage: torch.dtype | None) -> None:
    """Hold the weights as they will be stored. Buffers, such as running means, keep their type."""
    for parameter in _rounded(model, storage):
        parameter.data = parameter.data.to(storage)


def _rounded(model: torch.nn.Module, storage: torch.dtype | None) -> list[torch.nn.Parameter]:
    """The parameters that change; none where one is too large for the type, because half of a model is none."""
    if storage is None:
        return []
    # Integers say themselves how they are stored, whatever type they call their own.
    plain = (parameter for parameter in model.parameters() if type(parameter) is torch.nn.Parameter)
    found = [parameter for parameter in plain if parameter.dtype == torch.float32]
    largest = torch.finfo(storage).max
    fits = all(not each.numel() or float(each.detach().abs().max()) <= largest for each in found)
    return found if fits else []
