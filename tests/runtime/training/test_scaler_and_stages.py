"""What lives beside the weights: the scale of losses in fp16, optimizers of stages that are over, fp8 in shards."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.training import toyfamily
from runtime.training.harness import JobFactory, Train
from runtime.training.toyjobs import toy_job

from hostler_contract import JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training import run, updates
from hostler_runtime.training.checkpoint import Checkpoints, TrainingState
from hostler_runtime.training.distributed import Processes, joined
from hostler_runtime.training.parallel import Parallel

CPU = torch.device("cpu")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job is one of the toy family."""
    monkeypatch.setattr(run, "training_half", lambda family: toyfamily)


def scaler(scale: float) -> torch.amp.GradScaler:
    """One that has found this scale; devices without fp16 can hold one too."""
    return torch.amp.GradScaler("cpu", init_scale=scale)


def checkpoints(job: JobConfig, processes: Processes) -> Checkpoints:
    """Those of the job's workspace."""
    root = Path(job.workspace) / "checkpoints"
    root.mkdir(exist_ok=True)
    return Checkpoints(root, job=job, dataset_sha256="0" * 64, processes=processes)


def state(scale: float | None) -> TrainingState:
    """A network of one layer."""
    return TrainingState(model=torch.nn.Linear(2, 2), optimizers=(), scaler=None if scale is None else scaler(scale))


@pytest.mark.parametrize(
    ("saved", "fresh", "want"),
    [
        pytest.param(1024.0, 65536.0, 1024.0, id="the scale that was found comes back"),
        pytest.param(None, 65536.0, 65536.0, id="a checkpoint from before, or of another precision, has none"),
        pytest.param(1024.0, None, None, id="a precision without scales passes it over"),
    ],
)
def test_the_scale_of_losses_is_in_the_checkpoint(
    job: JobFactory, saved: float | None, fresh: float | None, want: float | None
) -> None:
    with joined({}) as alone:
        asked = job()
        checkpoints(asked, alone).save(state(saved), step=4)

        later = state(fresh)
        found = checkpoints(asked, alone).find()
        assert found is not None
        checkpoints(asked, alone).load(found, later)

    assert (None if later.scaler is None else later.scaler.get_scale()) == want


@pytest.mark.usefixtures("toy")
def test_a_resumed_job_has_the_scale_that_it_was_stopped_with(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[torch.amp.GradScaler] = []

    def begins_at(scale: float) -> None:
        held.append(scaler(scale))
        monkeypatch.setattr(Parallel, "scaler", property(lambda self: held[-1]))

    job = toy_job(tmp_path / "workspace")
    begins_at(1024.0)
    with pytest.raises(RuntimeFailure, match="asked to stop"):
        train(job, stop_after=6)
    begins_at(65536.0)
    train(job)

    assert held[-1].get_scale() == 1024.0


@pytest.mark.usefixtures("toy")
def test_the_optimizers_of_a_stage_end_with_it(tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []
    genuine = updates.make_optimizer

    def watched(*arguments: Any, **options: Any) -> Any:
        alive.append(sum(one() is not None for one in made))
        optimizer = genuine(*arguments, **options)
        made.append(weakref.ref(optimizer))
        return optimizer

    monkeypatch.setattr(updates, "make_optimizer", watched)

    train(toy_job(tmp_path / "workspace"))

    # One for the coder; when the two players of the second stage get theirs, it is gone.
    assert alive == [0, 0, 1]
    assert not any(one() is not None for one in made)


@pytest.mark.parametrize(
    ("parallelism", "want", "notes"),
    [
        pytest.param("replicated", "fp8", [], id="replicas multiply in FP8"),
        pytest.param(
            "sharded", "bf16", ["precision fp8 fell back to bf16: shards are not multiplied in FP8, replicas are"],
            id="shards do not, and the run says so",
        ),
    ],
)  # fmt: skip
def test_fp8_falls_back_only_with_a_note(
    job: JobFactory, monkeypatch: pytest.MonkeyPatch, parallelism: str, want: str, notes: list[str]
) -> None:
    monkeypatch.setattr(Parallel, "_has_fp8", lambda self: True)
    monkeypatch.setattr("hostler_runtime.training.parallel.Accelerator", lambda **_: None)
    asked = job(hyperparameters__precision="fp8", hyperparameters__parallelism=parallelism)

    found = Parallel(Processes(0, 2, CPU), asked.hyperparameters)

    assert (found.precision, found.notes) == (want, notes)
