"""What is left on the volume once a job has succeeded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from runtime.training.harness import JobFactory, Launch, Train, make_job

from hostler_contract import JobConfig
from hostler_runtime.training.tidying import tidy


def left(job: JobConfig) -> list[str]:
    """Names of the checkpoints that are there."""
    return sorted(path.name for path in (Path(job.workspace) / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("keep", "want"),
    [
        pytest.param(0, [], id="none"),
        pytest.param(1, ["step-00000012"], id="the newest"),
        pytest.param(2, ["step-00000008", "step-00000012"], id="two"),
        pytest.param(9, ["step-00000008", "step-00000012"], id="more than there are"),
    ],
)
def test_as_many_checkpoints_stay_as_the_job_says(job: JobFactory, train: Train, keep: int, want: list[str]) -> None:
    asked = job(checkpoint={"everySteps": 4, "keepAfterSuccess": keep})
    train(asked)
    assert len(left(asked)) == 2

    tidy(asked)

    assert left(asked) == want
    assert not (Path(asked.workspace) / "cache").exists()
    assert (Path(asked.workspace) / "model" / "model.safetensors").is_file()


def test_what_cannot_be_removed_takes_no_success_away(
    job: JobFactory, train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = job(checkpoint={"everySteps": 4, "keepAfterSuccess": 1})
    train(asked)

    def refuse(path: Path) -> None:
        raise OSError(f"{path} is held by somebody")

    monkeypatch.setattr(shutil, "rmtree", refuse)

    tidy(asked)

    assert "could not be removed" in caplog.text
    # A checkpoint that is half there is none for any reader: the manifest went first.
    assert not (Path(asked.workspace) / "checkpoints" / "step-00000008" / "manifest.json").exists()


def test_a_job_that_has_succeeded_leaves_its_newest_checkpoint_to_others_and_nothing_prepared(
    job: JobFactory, launch: Launch, train: Train, tmp_path: Path
) -> None:
    first = job(checkpoint={"everySteps": 4})
    (pod,) = launch(first)
    assert pod.wait() == 0, pod.log.read_text()

    assert left(first) == ["step-00000012"]
    assert not (Path(first.workspace) / "cache").exists()
    second = make_job(tmp_path / "second" / "workspace", resumeFrom=first.workspace, hyperparameters__steps=14)
    assert train(second).board.snapshot.resumed_from_step == 12


def test_a_job_that_was_stopped_keeps_everything_that_it_goes_on_from(job: JobFactory, launch: Launch) -> None:
    asked = job(hyperparameters__steps=4000, checkpoint={"everySteps": 4, "keepAfterSuccess": 0})
    (pod,) = launch(asked)
    pod.wait_for(lambda seen: (seen.checkpoint_step or 0) >= 8)

    pod.process.terminate()

    assert pod.wait() != 0
    assert left(asked)
    # Beside the workspace: the jobs of a volume share what they prepare.
    assert list((Path(asked.workspace).parent / ".shared").glob("prepared-*"))
