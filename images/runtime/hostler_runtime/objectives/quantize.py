"""8-bit weights through torchao, stored as transformers stores them, so that any transformers loader reads them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import PreTrainedModel, TorchAoConfig

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.objective import QuantizeConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.objectives.decorator import Decorator
from hostler_runtime.objectives.network import network_of, with_network


class Quantize(Decorator):
    """Trains as the family does, if there are steps, and stores the linear layers' weights as 8-bit integers."""

    COMPUTES_OTHERWISE = True
    """What is measured is what ``complete`` leaves, also where the model was trained in shards."""

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model as it is; refused here where nothing of it would become smaller."""
        model = self._half.build(job, dataset)
        network_of(model, job)
        if not any(isinstance(module, torch.nn.Linear) for _, module in self.weights(model)):
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"{type(model).__name__} has no linear layers that torchao quantizes (gpt2 stores its products "
                "another way): quantize a model of another architecture, such as llama",
            )
        return model

    def counterpart(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The base model as it is, to be timed beside the one with 8-bit weights."""
        return self._half.build(job, dataset)

    def complete(self, model: torch.nn.Module) -> torch.nn.Module:
        """The quantized model, made as a server makes it when it reads the directory: what is measured is what is
        served. No directory is involved, because of several processes only the first one may write one."""
        device = next(model.parameters()).device
        network = network_of(model, self._job)
        quantized: PreTrainedModel = type(network).from_pretrained(
            None,
            config=copy.deepcopy(network.config),
            state_dict={name: weight.cpu() for name, weight in network.state_dict().items()},
            quantization_config=TorchAoConfig(torchao_config(self._job.objective.quantize)),
            dtype=torch.float32,
        )
        if network.can_generate():
            quantized.generation_config = network.generation_config
        return with_network(model, quantized.to(device).eval())


def torchao_config(wanted: QuantizeConfig) -> Any:
    """Torchao's name of a method."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig

    if wanted.method == "int8-dynamic":
        return Int8DynamicActivationInt8WeightConfig()
    return Int8WeightOnlyConfig()
