"""Weights that do not learn, held in the bytes that their files give them.

Products in half precision round their matrices anyway, each time anew. A frozen matrix that is held as it is stored,
in half the bytes, gives the same products bit by bit; vectors, such as those of norms, take part in sums of single
precision and stay as they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from transformers.pytorch_utils import Conv1D

from hostler_contract import JobConfig
from hostler_contract.result import ADAPTER_DIRECTORY

HALVES: Final = ("bf16", "fp16")
"""Precisions in which every product of a matrix is computed on halves. FP8 has modules of its own."""

_HALVES: Final = {"F16": torch.float16, "BF16": torch.bfloat16}
"""By safetensors' name. Everything else is stored as it was trained: narrower types belong to quantized weights."""


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


def hold_as_stored(network: torch.nn.Module, stored: torch.dtype | None, *, precision: str) -> None:
    """Hold frozen matrices in the type that the base's files have, where the job computes in ``precision`` and nothing
    is lost by it. ``stored`` is None for a base of single precision, whose digits are all kept."""
    if stored is None or precision not in HALVES:
        return
    for module, weights in _narrowable(network):
        for weight in weights:
            narrow = weight.data.to(stored)
            # A file may hold single weights in more bits than most, and an adapter be merged into these.
            if torch.equal(narrow.to(weight.dtype), weight.data):
                weight.data = narrow
        if type(module) is torch.nn.Embedding:
            module.register_forward_hook(_widened)


def holds_halves(network: torch.nn.Module) -> bool:
    """Whether some weights are held in half precision, so that the network computes under autocast alone."""
    return any(weight.dtype in (torch.bfloat16, torch.float16) for weight in network.parameters())


def bytes_as_held(network: torch.nn.Module, *, narrow: bool) -> int:
    """Bytes of a frozen network's weights, also of one on the meta device; ``narrow`` where its base is stored in
    halves and the job computes in them."""
    halves = {id(weight) for _, weights in _narrowable(network, frozen=False) for weight in weights} if narrow else ()
    return sum(weight.numel() * (2 if id(weight) in halves else 4) for weight in network.parameters())


def _narrowable(
    network: torch.nn.Module, *, frozen: bool = True
) -> Iterator[tuple[torch.nn.Module, list[torch.nn.Parameter]]]:
    """Modules that read their weights as a matrix of a product, or row by row, with these weights."""
    mine: list[tuple[torch.nn.Module, list[torch.nn.Parameter]]] = []
    others: set[int] = set()
    for module in network.modules():
        weights = [weight for weight in module.parameters(recurse=False) if not frozen or _is_plain(weight)]
        if isinstance(module, torch.nn.Linear | Conv1D) or type(module) is torch.nn.Embedding:
            mine.append((module, weights))
        else:
            others.update(map(id, weights))
    # An embedding that scales its rows itself may share its matrix with the output.
    for module, weights in mine:
        free = [weight for weight in weights if id(weight) not in others]
        if free:
            yield module, free


def _is_plain(weight: torch.nn.Parameter) -> bool:
    """Frozen, and no tensor of a quantization."""
    return not weight.requires_grad and type(weight) is torch.nn.Parameter and weight.dtype == torch.float32


def _widened(module: torch.nn.Module, given: object, rows: torch.Tensor) -> torch.Tensor:
    """What goes through the layers is of single precision, as if the matrix were."""
    return rows.float()
