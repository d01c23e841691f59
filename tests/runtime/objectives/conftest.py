"""A base model that is trained once, and jobs that start from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.once import made_once
from runtime.training.harness import REFERENCE_TEXT, Train, make_job

from hostler_contract import JobConfig
from hostler_contract.result import Result

SIZES = {
    "transformer": {
        "architecture": "llama", "layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 64, "vocabularySize": 512,
    }
}  # fmt: skip


def documents(directory: Path, *, first: int, count: int) -> Path:
    """Sections of Python's language reference, a file each."""
    directory.mkdir(parents=True, exist_ok=True)
    sections = list(dict.fromkeys(section for section in REFERENCE_TEXT.split("\n\n") if len(section) > 80))
    for index, section in enumerate(sections[first : first + count]):
        (directory / f"{index:04d}.txt").write_text(section)
    return directory


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Path:
    """A Llama that has read most of the reference."""

    def make(root: Path) -> None:
        train(
            make_job(
                root / "workspace",
                data=documents(root / "data", first=0, count=900),
                model=SIZES,
                hyperparameters={"steps": 240, "batchSize": 32, "learningRate": 5e-3, "warmupSteps": 20},
                checkpoint={"everySteps": 1000},
            )
        )

    return made_once("base", make, directories=tmp_path_factory) / "workspace" / "model"


@pytest.fixture
def job(tmp_path: Path, base: Path) -> Callable[..., JobConfig]:
    """``job(name, objective={...}, field=value)``: a job of a name's own workspace that starts from the base."""

    def make(name: str, **changes: Any) -> JobConfig:
        data = changes.pop("data", None) or documents(tmp_path / name / "data", first=900, count=150)
        return make_job(
            tmp_path / name / "workspace",
            data=data,
            **{
                "model": {},
                "inputs": {"base": str(base)},
                "hyperparameters": {"steps": 40, "batchSize": 16, "learningRate": 1e-3, "warmupSteps": 4},
                "checkpoint": {"everySteps": 1000},
                **changes,
            },
        )

    return make


def model_of(job: JobConfig) -> Path:
    """Where a job's model was published."""
    return Path(job.workspace) / "model"


def logits_of(directory: Path, *, adapter: Path | None = None) -> torch.Tensor:
    """Logits of a fixed text under a published model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    tokens = AutoTokenizer.from_pretrained(directory)(REFERENCE_TEXT[2000:2100], return_tensors="pt").input_ids[:, :64]
    with torch.no_grad():
        return model.eval()(input_ids=tokens).logits


def compared(result: Result, figure: str) -> tuple[float, float]:
    """A figure before and after."""
    assert result.comparison is not None
    return result.comparison.before.metrics[figure], result.comparison.after.metrics[figure]
