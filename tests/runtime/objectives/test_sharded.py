"""Objectives over several processes, such as those that hold a part of every weight: the same model and figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.objectives.conftest import compared, model_of
from runtime.training.harness import Train
from runtime.training.toyjobs import run_in_processes
from runtime.weights import assert_same_training
from safetensors.torch import load_file

from hostler_contract import JobConfig

JobMaker = Callable[..., JobConfig]
SHARDED = {"hyperparameters__parallelism": "sharded", "topology": {"pods": 1, "processesPerPod": 2}}
REPLICATED = {"topology": {"pods": 1, "processesPerPod": 2}}
FEW_STEPS = {"hyperparameters__steps": 3, "evaluation": {"samples": 0}}


@pytest.mark.parametrize(
    ("steps", "spread"),
    [
        pytest.param(0, SHARDED, id="as it is, in shards"),
        pytest.param(3, SHARDED, id="after some training in shards"),
        pytest.param(0, REPLICATED, id="as it is, in two replicas"),
    ],
)
def test_the_figures_of_a_quantized_model_are_its_own(
    train: Train, job: JobMaker, steps: int, spread: dict[str, Any]
) -> None:
    asked = {**FEW_STEPS, "objective": {"kind": "quantize"}, "hyperparameters__steps": steps}
    alone = train(job("alone", **asked)).result

    halves = run_in_processes(job("halves", **asked, **spread), count=2)

    _, wanted = compared(alone, "validation_loss")
    before, after = compared(halves, "validation_loss")
    assert after == pytest.approx(wanted, abs=5e-4)
    # 8-bit weights compute something else than those that were trained; equal figures would be those of the latter.
    assert steps or after != before


def test_pruned_weights_stay_zero_in_every_process(train: Train, job: JobMaker, base: Path) -> None:
    asked: dict[str, Any] = {**FEW_STEPS, "objective": {"kind": "prune", "prune": {"sparsity": 0.5}}}
    alone, halves = job("alone", **asked), job("halves", **asked, **SHARDED)
    wanted = train(alone).result

    found = run_in_processes(halves, count=2)

    assert found.metrics["sparsity"] == pytest.approx(wanted.metrics["sparsity"], abs=1e-6)
    before = load_file(base / "model.safetensors")
    left, right = (load_file(model_of(each) / "model.safetensors") for each in (alone, halves))
    kept = {name: torch.where(weight == 0, weight, before[name]) for name, weight in left.items()}
    assert_same_training(right, left, control=kept)
    for name, weight in left.items():
        assert torch.equal(right[name] == 0, weight == 0), name


def test_an_adapter_is_merged_once_its_shards_are_joined(train: Train, job: JobMaker) -> None:
    asked: dict[str, Any] = {**FEW_STEPS, "objective": {"kind": "finetune", "lora": {"rank": 4}}}
    wanted = train(job("alone", **asked)).result

    found = run_in_processes(job("halves", **asked, **SHARDED), count=2)

    assert found.metrics["validation_loss"] == pytest.approx(wanted.metrics["validation_loss"], abs=5e-4)
