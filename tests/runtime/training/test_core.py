"""What the core does for every family, shown with one that has two stages, two players, an average and dropout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.training import toyfamily, toyjobs
from runtime.training.harness import Train
from runtime.training.toyjobs import toy_job, weights

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.training import loop, run
from hostler_runtime.training.order import micro_batches, span_of, spans


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core finds the toy family under any name."""
    monkeypatch.setattr(run, "training_half", lambda family: toyfamily)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, train: Train) -> dict[str, torch.Tensor]:
    """Twelve steps in one go."""
    job = toy_job(tmp_path_factory.mktemp("whole") / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "training_half", lambda family: toyfamily)
        train(job)
    return weights(job)


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], *, tolerance: float = 0.0) -> None:
    """Tensor by tensor."""
    assert found.keys() == wanted.keys()
    off = {name: float((found[name] - wanted[name]).abs().max()) for name in wanted}
    assert {name: value for name, value in off.items() if value > tolerance} == {}


@pytest.mark.parametrize(
    ("stop_after", "every"),
    [
        pytest.param(2, 100, id="in the first stage"),
        pytest.param(4, 100, id="at the border, before the second stage has begun"),
        pytest.param(5, 4, id="one step into the second stage, behind a checkpoint at the border"),
        pytest.param(9, 100, id="in the second stage, with two optimizers and an average"),
    ],
)
def test_a_run_that_was_interrupted_anywhere_ends_with_the_same_weights(
    tmp_path: Path, train: Train, uninterrupted: dict[str, torch.Tensor], stop_after: int, every: int
) -> None:
    job = toy_job(tmp_path / "workspace", checkpoint__everySteps=every)
    with pytest.raises(RuntimeFailure) as stopped:
        train(job, stop_after=stop_after)
    assert stopped.value.reason is ErrorReason.INTERRUPTED

    resumed = train(job)

    assert resumed.board.snapshot.resumed_from_step == stop_after
    same(weights(job), uninterrupted)


def test_a_process_that_was_killed_at_the_border_of_two_stages_loses_nothing(
    tmp_path: Path, train: Train, uninterrupted: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for SIGKILL."""

    job = toy_job(tmp_path / "workspace", checkpoint__everySteps=4)
    genuine = loop.Trainer._enter

    def deadly(self: Any, span: Any) -> None:
        if span.index == 1:
            raise Killed
        genuine(self, span)

    monkeypatch.setattr(loop.Trainer, "_enter", deadly)
    with pytest.raises(Killed):
        train(job)
    monkeypatch.setattr(loop.Trainer, "_enter", genuine)
    train(job)

    same(weights(job), uninterrupted)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        pytest.param({}, 2, id="two replicas"),
        pytest.param({"hyperparameters__parallelism": "sharded"}, 2, id="two processes that hold half of every weight"),
        pytest.param({"hyperparameters__gradientAccumulation": 4}, 1, id="four micro-batches"),
        pytest.param({"hyperparameters__gradientAccumulation": 2}, 2, id="two micro-batches in each of two replicas"),
    ],
)
def test_the_same_batch_gives_the_same_weights_however_it_is_shared_out(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], count: int
) -> None:
    # Rows have different numbers of targets, so a mean of means would show. Without dropout, and with one step of each
    # stage's kind only, because rounding differs.
    monkeypatch.setenv("TOY_DROPOUT", "0")
    alone = toy_job(tmp_path / "alone" / "workspace", hyperparameters__steps=3)
    train(alone)
    shared = toy_job(tmp_path / "shared" / "workspace", hyperparameters__steps=3, **changes)
    if count == 1:
        train(shared)
    else:
        toyjobs.run_in_processes(shared, count=count)

    same(weights(shared), weights(alone), tolerance=1e-5)


def test_the_comparison_of_shared_batches_can_fail(tmp_path: Path, train: Train) -> None:
    one = toy_job(tmp_path / "one" / "workspace", hyperparameters__steps=3)
    other = toy_job(tmp_path / "other" / "workspace", hyperparameters__steps=3, hyperparameters__batchSize=9)
    train(one)
    train(other)

    with pytest.raises(AssertionError):
        same(weights(one), weights(other), tolerance=1e-5)


def test_training_stops_where_the_target_is_reached_and_says_when(tmp_path: Path, train: Train) -> None:
    job = toy_job(
        tmp_path / "workspace",
        evaluation={"everySteps": 1, "stopAt": {"metric": "validation_loss", "max": 1e9}},
    )

    outcome = train(job)

    # Step 5 is the first of the last stage; before it the model cannot do what the metric asks.
    assert outcome.result.steps == 5
    assert outcome.result.target is not None
    assert outcome.result.target.step == 5
    assert outcome.result.target.seconds > 0
    assert train(job).result.target == outcome.result.target.model_copy(
        update={"seconds": pytest.approx(outcome.result.target.seconds, abs=5)}
    )


def test_a_target_that_names_no_metric_of_the_job_is_refused_with_those_it_has(tmp_path: Path, train: Train) -> None:
    job = toy_job(tmp_path / "workspace", evaluation={"everySteps": 5, "stopAt": {"metric": "beauty", "min": 1}})

    with pytest.raises(RuntimeFailure, match=r"beauty.*validation_loss") as refused:
        train(job)

    assert refused.value.reason is ErrorReason.INVALID_CONFIGURATION


def test_samples_and_a_card_from_facts_are_kept_with_the_model(tmp_path: Path, train: Train) -> None:
    job = toy_job(tmp_path / "workspace", evaluation={"everySteps": 6, "samples": 3}, license="Apache-2.0")

    outcome = train(job)

    model = tmp_path / "workspace" / "model"
    assert json.loads((model / "samples" / "final" / "numbers.json").read_text()) == [0, 1, 2]
    assert (model / "samples" / "step-00000006" / "numbers.json").exists()
    card = (model / "README.md").read_text()
    assert card.startswith('---\nlicense: "apache-2.0"\n')
    assert f"{outcome.result.metrics['validation_loss']:.4g}" in card
    assert "samples/final/numbers.json" in card


def test_progress_names_the_stage_the_unit_and_every_part_of_the_loss(tmp_path: Path, train: Train) -> None:
    job = toy_job(tmp_path / "workspace")

    seen = train(job).board.snapshot

    assert (seen.unit, seen.training_stage) == ("numbers", "play")
    assert set(seen.losses) == {"judge", "maker"}
    assert seen.loss == pytest.approx(sum(seen.losses.values()))
    assert seen.memory_bytes is not None
    assert seen.data_wait_ratio is not None
    assert set(seen.metrics) == {"validation_loss"}


def test_operations_are_counted_where_the_control_plane_has_no_formula(
    tmp_path: Path, train: Train, uninterrupted: dict[str, torch.Tensor]
) -> None:
    job = toy_job(tmp_path / "workspace", peakFlopsPerProcess=1e9)

    seen = train(job).board.snapshot

    # In a step of play, forward and backward of a 8x8 product cost 2 x 64 FLOP for each row and pass; the judge's turn
    # makes (2 passes of the maker's 2 layers), judges twice and learns, the maker's makes, is judged and learns.
    flops = 2 * 64 * (2 + 2 * (2 + 4) - 2 + 2 + 2 + 2 + 4 - 2)
    assert seen.model_flops_utilization == pytest.approx(flops * (seen.units_per_second or 0) / 1e9, rel=0.25)
    same(weights(job), uninterrupted)


@pytest.mark.parametrize(
    ("precision", "want_note"),
    [
        pytest.param("fp32", None, id="fp32 is computed as asked"),
        pytest.param("bf16", None, id="bf16 is computed as asked"),
        pytest.param("fp16", "fp16 fell back to bf16", id="fp16 needs loss scaling on an accelerator"),
        pytest.param("fp8", "fp8 fell back to bf16", id="fp8 needs a device that multiplies in it"),
    ],
)
def test_a_precision_that_the_device_lacks_is_replaced_and_said(
    tmp_path: Path, train: Train, precision: str, want_note: str | None
) -> None:
    outcome = train(toy_job(tmp_path / "workspace", hyperparameters__precision=precision))

    assert outcome.result.notes == outcome.board.snapshot.notes
    assert [note for note in outcome.result.notes if want_note and want_note in note] == outcome.result.notes
    assert bool(outcome.result.notes) == (want_note is not None)


def test_bf16_changes_what_is_computed(tmp_path: Path, train: Train, uninterrupted: dict[str, torch.Tensor]) -> None:
    job = toy_job(tmp_path / "workspace", hyperparameters__precision="bf16")
    train(job)

    with pytest.raises(AssertionError):
        same(weights(job), uninterrupted, tolerance=1e-6)
    assert {tensor.dtype for tensor in weights(job).values()} == {torch.float32}


def test_a_deterministic_job_computes_the_same_and_allows_nothing_else(
    tmp_path: Path, train: Train, uninterrupted: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    allowed: list[bool] = []
    evaluate = toyfamily.evaluate

    def observed(*arguments: Any) -> dict[str, float]:
        allowed.append(torch.are_deterministic_algorithms_enabled())
        return evaluate(*arguments)

    monkeypatch.setattr(toyfamily, "evaluate", observed)
    job = toy_job(tmp_path / "strict" / "workspace", hyperparameters__deterministic=True)
    train(job)
    train(toy_job(tmp_path / "next" / "workspace", hyperparameters__steps=1))

    same(weights(job), uninterrupted)
    assert (allowed[0], allowed[-1]) == (True, False), "and the next job of the process is free again"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8", "without which CUDA has no deterministic product"


@pytest.mark.parametrize("deterministic", [pytest.param(True, id="asked for"), pytest.param(False, id="not asked for")])
def test_an_operation_that_is_never_deterministic_fails_a_job_that_asked(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, *, deterministic: bool
) -> None:
    evaluate = toyfamily.evaluate

    def unordered(*arguments: Any) -> dict[str, float]:
        torch.zeros(2).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
        return evaluate(*arguments)

    monkeypatch.setattr(toyfamily, "evaluate", unordered)
    job = toy_job(tmp_path / "workspace", hyperparameters__steps=2, hyperparameters__deterministic=deterministic)
    if not deterministic:
        train(job)
        return
    with pytest.raises(RuntimeError) as failed:
        train(job)
    told = classify(failed.value)
    assert told.reason is ErrorReason.INVALID_CONFIGURATION
    assert "training.deterministic" in told.message
    assert "put_" in told.message


@pytest.mark.parametrize(
    ("shares", "steps", "want"),
    [
        pytest.param([1.0], 7, [(0, 7)], id="one stage has every step"),
        pytest.param([1, 2], 12, [(0, 4), (4, 12)], id="shares are relative"),
        pytest.param([1, 1, 1], 10, [(0, 3), (3, 7), (7, 10)], id="every step is given once"),
        pytest.param([1, 1, 1], 1, [(0, 0), (0, 1), (1, 1)], id="a stage may have no step at all"),
    ],
)
def test_stages_share_out_the_steps(shares: list[float], steps: int, want: list[tuple[int, int]]) -> None:
    found = spans(shares, steps=steps)

    assert [(each.first, each.end) for each in found] == want
    for step in range(steps):
        assert span_of(found, step=step).first <= step < span_of(found, step=step).end


@pytest.mark.parametrize(
    ("rows", "world_size", "accumulation"),
    [
        pytest.param(8, 1, 1, id="one process"),
        pytest.param(8, 2, 2, id="two processes with two portions each"),
        pytest.param(7, 2, 3, id="rows that do not divide"),
    ],
)
def test_every_row_of_a_step_is_computed_once(rows: int, world_size: int, accumulation: int) -> None:
    portions = [
        portion
        for rank in range(world_size)
        for portion in micro_batches(range(rows), rank=rank, world_size=world_size, accumulation=accumulation)
    ]

    assert sorted(row for portion in portions for row in portion) == list(range(rows))
    assert all(portions)
