"""Pruning: the smallest weights, or whole channels, of a base model go; training heals what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from hostler_contract import JobConfig
from hostler_runtime.objectives.channels import remove_channels
from hostler_runtime.objectives.decorator import Decorator
from hostler_runtime.objectives.network import network_of
from hostler_runtime.protocols.training import Evaluation, Stage


class PruneWeights(Decorator):
    """Unstructured: zeros where the magnitude is smallest over all layers together (arXiv 1506.02626).

    Zeros are stored like any other number, so neither the file nor the latency shrinks; the comparison says so.
    """

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model, whole: the masks follow from its weights, so that a resumed attempt finds the same ones."""
        model = self._half.build(job, dataset)
        self._masks = magnitude_masks(self.weights(model), sparsity=job.objective.prune.sparsity)
        return model

    def stages(self, job: JobConfig, model: torch.nn.Module, dataset: Any) -> Sequence[Stage]:
        """The family's, with the zeros put back after every step."""
        modules = dict(self.weights(model))

        @torch.no_grad()
        def erase() -> None:
            for name, mask in self._masks.items():
                weight = modules[name].get_parameter("weight")
                weight.mul_(_spread_like(weight, mask))

        return [
            replace(stage, begin=_both(stage.begin, erase), after_step=_both(stage.after_step, erase))
            for stage in self._half.stages(job, model, dataset)
        ]

    def evaluate(self, model: torch.nn.Module, dataset: Any, around: Evaluation) -> dict[str, float]:
        """The family's figures and the share of zeros."""
        return {**self._half.evaluate(model, dataset, around), "sparsity": sparsity(self.weights(model))}


class PruneChannels(Decorator):
    """Structured: the same share of every feed-forward layer's channels goes; the matrices get smaller."""

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model without the channels that matter least."""
        model = self._half.build(job, dataset)
        remove_channels(network_of(model, job), share=job.objective.prune.sparsity)
        return model

    def original(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model with all its channels."""
        return self._half.build(job, dataset)

    def counterpart(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model with all its channels, to be timed beside what is left of it."""
        return self._half.build(job, dataset)


def magnitude_masks(modules: Iterable[tuple[str, torch.nn.Module]], *, sparsity: float) -> dict[str, torch.Tensor]:
    """For each module, ones where the weight stays: the ``sparsity`` smallest of all weights together do not."""
    weights = {name: module.get_parameter("weight").detach().abs() for name, module in modules}
    everything = torch.cat([weight.flatten() for weight in weights.values()])
    count = int(sparsity * everything.numel())
    threshold = everything.kthvalue(max(1, count)).values
    return {name: (weight > threshold).to(weight.dtype) for name, weight in weights.items()}


def sparsity(modules: Iterable[tuple[str, torch.nn.Module]]) -> float:
    """Share of zeros among the modules' weights."""
    weights = [module.get_parameter("weight") for _, module in modules]
    zeros = [(weight == 0).sum() for weight in weights]
    found = sum(int(each.full_tensor() if isinstance(each, DTensor) else each) for each in zeros)
    return found / sum(weight.numel() for weight in weights)


def _spread_like(weight: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mask where the weight is; of a weight that processes share, the part that this one holds."""
    mask = mask.to(weight.device)
    if not isinstance(weight, DTensor):
        return mask
    # Every process has the whole mask, so nothing needs to travel.
    return distribute_tensor(mask, weight.device_mesh, weight.placements, src_data_rank=None)


def _both(first: Callable[[], None] | None, second: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        if first is not None:
            first()
        second()

    return call
