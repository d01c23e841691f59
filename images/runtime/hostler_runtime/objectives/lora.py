"""Low-rank adapters through peft (arXiv 2106.09685): only they learn, only they are in the checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from hostler_contract import JobConfig
from hostler_contract.result import ADAPTER_DIRECTORY
from hostler_runtime.objectives.decorator import Decorator
from hostler_runtime.protocols.training import ModelFacts


class Lora(Decorator):
    """Trains an adapter on the family's linear layers."""

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model with fresh adapters; everything else is frozen."""
        model = self._half.build(job, dataset)
        named = self.weights(model)
        inject_adapter_in_model(self._config(named), model)
        return model

    def complete(self, model: torch.nn.Module) -> torch.nn.Module:
        """Keep the adapter apart, then merge it, so that what is measured is what is served."""
        self._adapter = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
        configurations: Any = model.peft_config
        self._adapter_config = configurations["default"].to_dict()
        merge(model)
        return model

    def save(self, model: torch.nn.Module, dataset: Any, directory: Path) -> ModelFacts:
        """The merged model, and the adapter beside it in peft's own layout."""
        facts = self._half.save(model, dataset, directory)
        target = directory / ADAPTER_DIRECTORY
        target.mkdir()
        save_adapter = getattr(self._half, "save_adapter", None)
        if save_adapter is not None:
            save_adapter(self._adapter, self._adapter_config, target)
            return facts
        tensors = {f"base_model.model.{name}": tensor.cpu().contiguous() for name, tensor in self._adapter.items()}
        save_file(tensors, target / "adapter_model.safetensors")
        (target / "adapter_config.json").write_text(json.dumps(_plain(self._adapter_config), indent=2, sort_keys=True))
        return facts

    def _config(self, named: list[tuple[str, torch.nn.Module]]) -> LoraConfig:
        wanted = self._job.objective.lora
        assert wanted is not None
        return LoraConfig(
            r=wanted.rank,
            lora_alpha=wanted.alpha,
            lora_dropout=wanted.dropout,
            target_modules=[name for name, _ in named],
            # GPT-2 stores its products transposed.
            fan_in_fan_out=all(isinstance(module, Conv1D) for _, module in named),
        )


def merge(model: torch.nn.Module) -> None:
    """Add every adapter to the layer under it, and put that layer back in its place.

    The sum is made in single precision. One layer after the other: nobody needs room for all of them in it.
    """
    fitting = [_merge_layer(module) for module in _adapted(model).values()]
    remove(model)
    if not all(fitting):
        model.float()  # weights of two kinds are none that a server reads


def _merge_layer(layer: Any) -> bool:
    """Whether the sum could be held as the layer was."""
    weight = layer.get_base_layer().weight
    held = weight.dtype
    weight.data = weight.data.float()
    layer.merge(safe_merge=True)
    fits = float(weight.data.abs().max()) <= torch.finfo(held).max
    weight.data = weight.data.to(held) if fits else weight.data
    return fits


def remove(model: torch.nn.Module) -> None:
    """Put the layers under the adapters back in their places."""
    for name, module in _adapted(model).items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module.get_base_layer())
    for name in ("peft_config", "active_adapter", "_hf_peft_config_loaded"):
        if name in model.__dict__:
            delattr(model, name)
    model.requires_grad_(True)


def _adapted(model: torch.nn.Module) -> dict[str, Any]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Peft's configuration as JSON: sets become lists, enums their values."""
    return {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for key, value in config.items()
        if not isinstance(value, torch.dtype)
    }
