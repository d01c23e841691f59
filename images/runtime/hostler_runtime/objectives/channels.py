"""Whole channels out of the feed-forward layers of transformers, with a configuration that says so afterwards.

Every layer loses the same number, because a model's configuration has one width for all of them, and a smaller model
that plain libraries can load is worth more than one that is a little better.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure

_MULTIPLE = 8
"""Widths stay multiples of this, which matrix units like."""


@dataclass(frozen=True)
class FeedForward:
    """The names of one kind of feed-forward layer, relative to the module that holds it."""

    into: tuple[str, ...]
    """Layers whose outputs are the channels."""
    out: str
    """Layer whose inputs are the channels."""
    width: tuple[str, ...]
    """Fields of the configuration that hold the width; dots lead into parts of it."""


KINDS = (
    FeedForward(("gate_proj", "up_proj"), "down_proj", ("intermediate_size",)),  # llama
    FeedForward(("c_fc",), "c_proj", ("n_inner",)),  # gpt2
    FeedForward(("intermediate.dense",), "output.dense", ("intermediate_size",)),  # bert
    FeedForward(("fc1",), "fc2", ("encoder_ffn_dim", "decoder_ffn_dim")),  # whisper
    FeedForward(("linear1",), "linear2", ("encoder_config.intermediate_size",)),  # conformer
)


def remove_channels(model: nn.Module, *, share: float) -> None:
    """Take the ``share`` of channels with the smallest norms out of each feed-forward layer, in place."""
    found = [(parent, kind) for parent in model.modules() for kind in KINDS if _holds(parent, kind)]
    if not found:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"{type(model).__name__} has no feed-forward layers that structured pruning knows: use method unstructured",
        )
    width = 0
    for parent, kind in found:
        into, out = [parent.get_submodule(name) for name in kind.into], parent.get_submodule(kind.out)
        norms = _columns(out).norm(dim=0)
        for layer in into:
            norms = norms * _columns(layer).norm(dim=1)
        width = max(_MULTIPLE, round(norms.numel() * (1 - share) / _MULTIPLE) * _MULTIPLE)
        kept = norms.topk(min(width, norms.numel())).indices.sort().values
        for layer in into:
            _select(layer, kept, outputs=True)
        _select(out, kept, outputs=False)
    for field in {field for _, kind in found for field in kind.width}:
        *parts, name = field.split(".")
        setattr(reduce(getattr, parts, model.config), name, width)


def _holds(parent: nn.Module, kind: FeedForward) -> bool:
    try:
        layers = [parent.get_submodule(name) for name in (*kind.into, kind.out)]
    except AttributeError:
        return False
    return all(isinstance(layer, nn.Linear | Conv1D) for layer in layers)


def _columns(layer: nn.Module) -> torch.Tensor:
    """Outputs x inputs, whichever way the layer stores it."""
    weight = layer.get_parameter("weight").detach()
    return weight.T if isinstance(layer, Conv1D) else weight


def _select(layer: nn.Module, kept: torch.Tensor, *, outputs: bool) -> None:
    axis = int(outputs) if isinstance(layer, Conv1D) else int(not outputs)
    layer.weight = nn.Parameter(layer.get_parameter("weight").detach().index_select(axis, kept).contiguous())
    if outputs and layer.bias is not None:
        layer.bias = nn.Parameter(layer.get_parameter("bias").detach()[kept].contiguous())
    if isinstance(layer, Conv1D):
        layer.nx, layer.nf = layer.weight.shape
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
