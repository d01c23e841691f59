"""Fine-tuning a base model, all of it or through an adapter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.objectives.conftest import compared, documents, logits_of, model_of
from runtime.training.harness import Train
from safetensors.torch import load_file

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure

JobMaker = Callable[..., JobConfig]
LORA = {"kind": "finetune", "lora": {"rank": 8, "alpha": 16}}


@pytest.mark.parametrize(
    ("objective", "rate"),
    [
        pytest.param({"kind": "finetune"}, 1e-3, id="all weights"),
        pytest.param(LORA, 1e-2, id="an adapter, which takes a larger rate"),
    ],
)
def test_a_base_model_gets_better_on_the_new_text(
    train: Train, job: JobMaker, objective: dict[str, Any], rate: float
) -> None:
    asked = job("tuned", objective=objective, hyperparameters__learningRate=rate)

    before, after = compared(train(asked).result, "validation_loss")

    assert after < before - 0.05


def test_a_run_of_no_use_shows_no_gain(train: Train, job: JobMaker) -> None:
    idle = job("idle", objective={"kind": "finetune"}, hyperparameters__learningRate=1e-9)

    before, after = compared(train(idle).result, "validation_loss")

    assert after == pytest.approx(before, abs=1e-3)


def test_what_is_served_is_the_base_with_the_adapter_merged(train: Train, job: JobMaker, base: Path) -> None:
    asked = job("tuned", objective=LORA)
    train(asked)
    merged = logits_of(model_of(asked))

    beside = logits_of(base, adapter=model_of(asked) / "adapter")

    assert float((merged - beside).abs().max()) < 1e-4
    assert float((merged - logits_of(base)).abs().max()) > 0.1


def test_an_adapter_is_small_and_so_are_its_checkpoints(train: Train, job: JobMaker) -> None:
    adapted, whole = job("adapted", objective=LORA), job("whole", objective={"kind": "finetune"})
    train(adapted)
    train(whole)

    def checkpoint_bytes(asked: JobConfig) -> int:
        return sum(path.stat().st_size for path in (Path(asked.workspace) / "checkpoints").rglob("*.distcp"))

    # The last checkpoint lies between stages, without optimizers: weights only.
    assert checkpoint_bytes(adapted) < 0.5 * checkpoint_bytes(whole)
    adapter = model_of(adapted) / "adapter" / "adapter_model.safetensors"
    assert adapter.stat().st_size < 0.5 * (model_of(adapted) / "model.safetensors").stat().st_size
    assert json.loads((adapter.parent / "adapter_config.json").read_text())["r"] == 8


@pytest.mark.parametrize(
    "objective",
    [pytest.param({"kind": "finetune"}, id="all weights"), pytest.param(LORA, id="an adapter")],
)
def test_a_resumed_run_equals_an_uninterrupted_one_tensor_by_tensor(
    train: Train, job: JobMaker, objective: dict[str, Any]
) -> None:
    whole = job("whole", objective=objective, hyperparameters__steps=8)
    cut = job("cut", objective=objective, hyperparameters__steps=8)
    train(whole)
    with pytest.raises(RuntimeFailure, match="asked to stop"):
        train(cut, stop_after=5)
    assert train(cut).board.snapshot.resumed_from_step == 5

    wanted = load_file(model_of(whole) / "model.safetensors")
    found = load_file(model_of(cut) / "model.safetensors")
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"objective": {"kind": "finetune"}, "inputs": {}}, "names none", id="no base model"),
        pytest.param(
            {"objective": {"kind": "prune", "lora": {}}}, "trains no adapter", id="an adapter where none is trained"
        ),
        pytest.param(
            {"objective": {"kind": "finetune"}, "hyperparameters__steps": 0}, "steps must be above 0", id="no steps"
        ),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused_in_words(
    train: Train, job: JobMaker, change: dict[str, Any], want: str
) -> None:
    with pytest.raises(RuntimeFailure, match=want) as refused:
        train(job("refused", **change))

    assert refused.value.reason is ErrorReason.INVALID_CONFIGURATION


def test_a_base_of_another_architecture_is_refused(train: Train, job: JobMaker, base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(base, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(
        json.dumps({**config, "architectures": ["BertForMaskedLM"], "model_type": "bert"})
    )

    with pytest.raises(RuntimeFailure, match="BertForMaskedLM") as refused:
        train(job("refused", objective={"kind": "finetune"}, inputs={"base": str(other)}))

    assert refused.value.reason is ErrorReason.ARTIFACT_UNREADABLE


def test_documents_of_the_new_text_are_not_in_the_base(tmp_path: Path) -> None:
    seen = {path.read_text() for path in documents(tmp_path / "seen", first=0, count=900).iterdir()}
    new = {path.read_text() for path in documents(tmp_path / "new", first=900, count=150).iterdir()}

    assert len(new) == 150
    assert not new & seen
