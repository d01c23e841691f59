"""The number type that weights are stored in: what is made from a base model keeps the base's.

Training computes on single precision, whatever the base was stored in. Written like that, a model would come out twice
as large as it went in, with digits that no server reads.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open

from hostler_contract import JobConfig, Objective
from hostler_contract.result import ADAPTER_DIRECTORY

_HALVES: Final = {"F16": torch.float16, "BF16": torch.bfloat16}
"""By safetensors' name. Everything else is stored as it was trained: narrower types belong to quantized weights."""


def storage_of(job: JobConfig) -> torch.dtype | None:
    """The type that the weights of the job's model are stored in; None for the one that they are trained in."""
    # A student is a model of its own.
    return None if job.objective.kind is Objective.DISTILL else stored_type(job)


def stored_type(job: JobConfig) -> torch.dtype | None:
    """Half precision, where most weights of the job's base are stored in it."""
    if job.inputs.base is None:
        return None
    base, counted = Path(job.inputs.base), Counter[str]()
    for path in base.rglob("*.safetensors"):
        if path.relative_to(base).parts[0] == ADAPTER_DIRECTORY:
            continue
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_slice(name)
                counted[tensor.get_dtype()] += math.prod(tensor.get_shape())
    most = counted.most_common(1)
    return _HALVES.get(most[0][0]) if most else None


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
