"""How many rows a step has: as many as hold the sequences that batchSize asks for, however many stand in a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from runtime.training import toyfamily, toyjobs
from runtime.training.harness import JobFactory, Train, make_job
from runtime.training.toyjobs import toy_job, weights

from hostler_runtime.text.dataset import TokenDataset
from hostler_runtime.training import run
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.loop import rows_per_step
from hostler_runtime.training.notes import step_notes

CPU = torch.device("cpu")


def holding(sequences_per_row: float) -> Any:
    """A dataset as far as the size of a step asks for it."""
    return SimpleNamespace(sequences_per_row=sequences_per_row)


@pytest.mark.parametrize(
    ("batch", "factor", "processes", "accumulation", "scale", "want"),
    [
        pytest.param(8, 1.0, 1, 1, 1, 8, id="rows of one sequence are as many as batchSize says"),
        pytest.param(32, 4.0, 1, 1, 1, 8, id="rows of four sequences are a quarter of that"),
        pytest.param(32, 2.9, 1, 1, 1, 11, id="the number of rows is the nearest to it"),
        pytest.param(32, 4.0, 4, 2, 1, 8, id="processes and micro-batches share the rows out, and do not add any"),
        pytest.param(32, 4.0, 1, 1, 3, 24, id="a stage with a larger batch has so many times more rows"),
        pytest.param(32, 8.0, 4, 2, 1, 8, id="no micro-batch of any process is without a row"),
        pytest.param(1, 5.0, 1, 1, 1, 1, id="no step is without a row"),
        pytest.param(11, 3.0, 2, 2, 1, 4, id="rounding up to the fewest rows is rounding, not a lack of rows"),
    ],
)
def test_the_rows_of_a_step(
    job: JobFactory, batch: int, factor: float, processes: int, accumulation: int, scale: int, want: int
) -> None:
    asked = job(hyperparameters__batchSize=batch, hyperparameters__gradientAccumulation=accumulation)

    found = rows_per_step(asked, holding(factor), Processes(0, processes, CPU), scale=scale)

    assert found == want


@pytest.mark.parametrize(
    ("batch", "factor", "processes", "accumulation", "steps", "want"),
    [
        pytest.param(8, 1.0, 4, 2, 10, None, id="rows of one sequence are as many as was asked for"),
        pytest.param(32, 4.0, 4, 2, 10, None, id="so are packed rows where there are enough of them"),
        pytest.param(11, 3.0, 2, 2, 10, None, id="what rounding adds is not worth a sentence"),
        pytest.param(
            8, 3.0, 2, 2, 10, "12 sequences, and batchSize asks for 8: processes times gradientAccumulation (2 x 2)",
            id="each micro-batch of each process takes a packed row",
        ),
        pytest.param(1, 2.6, 1, 1, 10, "3 sequences, and batchSize asks for 1", id="a row holds more than a batch"),
        pytest.param(8, 3.0, 2, 2, 0, None, id="a job that trains nothing has no step"),
    ],
)  # fmt: skip
def test_a_step_that_is_larger_than_asked_is_said(
    job: JobFactory, batch: int, factor: float, processes: int, accumulation: int, steps: int, want: str | None
) -> None:
    asked = job(
        hyperparameters__batchSize=batch,
        hyperparameters__gradientAccumulation=accumulation,
        hyperparameters__steps=steps,
    )

    found = step_notes(asked, holding(factor), Processes(0, processes, CPU))

    assert len(found) == (want is not None)
    assert all(want is not None and want in note for note in found)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The core finds the toy family under any name; without dropout, because a step's rows share its random numbers."""
    monkeypatch.setattr(run, "training_half", lambda family: toyfamily)
    monkeypatch.setenv("TOY_DROPOUT", "0")
    return monkeypatch


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], *, tolerance: float = 0.0) -> bool:
    """Whether all tensors are equal."""
    assert found.keys() == wanted.keys()
    return all(float((found[name] - wanted[name]).abs().max()) <= tolerance for name in wanted)


@pytest.mark.parametrize(
    "processes", [pytest.param(1, id="in one process"), pytest.param(2, id="shared out over two processes")]
)
def test_eight_sequences_in_rows_of_two_are_a_step_of_four_rows(
    tmp_path: Path, train: Train, toy: pytest.MonkeyPatch, processes: int
) -> None:
    four, eight = (
        toy_job(tmp_path / name / "workspace", hyperparameters__steps=3, hyperparameters__batchSize=size)
        for name, size in (("four", 4), ("eight", 8))
    )
    packed = toy_job(tmp_path / "packed" / "workspace", hyperparameters__steps=3, hyperparameters__batchSize=8)
    train(four)
    train(eight)
    toy.setenv("TOY_PACKING", "2")
    if processes == 1:
        assert train(packed).result.notes == []
    else:
        toyjobs.run_in_processes(packed, count=processes)

    assert same(weights(packed), weights(four), tolerance=1e-5)
    assert not same(weights(packed), weights(eight), tolerance=1e-5), "or the comparison shows nothing"


def test_progress_result_and_card_say_that_a_step_is_larger_than_asked(
    tmp_path: Path, train: Train, toy: pytest.MonkeyPatch
) -> None:
    toy.setenv("TOY_PACKING", "4")
    job = toy_job(tmp_path / "workspace", hyperparameters__steps=3, hyperparameters__gradientAccumulation=4)

    outcome = train(job)

    (note,) = outcome.result.notes
    assert note.startswith("a step has about 16 sequences, and batchSize asks for 8: ")
    assert outcome.board.snapshot.notes == [note]
    assert f"- {note}\n" in (tmp_path / "workspace" / "model" / "README.md").read_text()


def test_a_job_on_packed_texts_sees_as_many_sequences_in_a_step_as_batch_size_says(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for index in range(300):
        (data / f"{index:03d}.txt").write_text("a short text " * (1 + index % 3))
    seen: list[tuple[int, int]] = []
    genuine = TokenDataset.train_batch

    def counted(self: TokenDataset, rows: Sequence[int]) -> Any:
        seen.append((len(rows), sum(len(self.train.members(row)) for row in rows)))
        return genuine(self, rows)

    monkeypatch.setattr(TokenDataset, "train_batch", counted)

    outcome = train(make_job(tmp_path / "workspace", data=data, hyperparameters__batchSize=48))

    factor = outcome.board.snapshot.packing_factor
    assert factor is not None
    assert factor > 3
    rows, sequences = (sum(each) / len(seen) for each in zip(*seen, strict=True))
    assert rows == round(48 / factor)
    assert sequences == pytest.approx(48, rel=0.15)
