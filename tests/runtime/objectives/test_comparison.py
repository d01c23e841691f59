"""What a job says of before and after: the same things on both sides, measured under the same load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from runtime.families.jobs import assembled
from runtime.objectives.conftest import SIZES
from runtime.training.harness import Train

from hostler_contract import JobConfig
from hostler_runtime.training.measuring import median_seconds

JobMaker = Callable[..., JobConfig]
STUDENT = {"transformer": {**SIZES["transformer"], "layers": 1, "hiddenSize": 32}}


def test_an_adapter_counts_on_neither_side(train: Train, job: JobMaker) -> None:
    """Before training it stands beside the base, afterwards it is merged, and lies apart in a file of its own."""
    comparison = train(job("tuned", objective={"kind": "finetune", "lora": {"rank": 64}})).result.comparison

    assert comparison is not None
    before, after = comparison.before, comparison.after
    assert before.parameters == pytest.approx(after.parameters, rel=1e-3)
    assert before.size_bytes == pytest.approx(after.size_bytes, rel=0.01)
    assert before.latency_seconds == after.latency_seconds, "one network with other weights takes as long"


class Machine:
    """A clock of a machine whose load changes: work takes as many times longer as the load says."""

    def __init__(self, *loads: float) -> None:
        self.now, self._loads, self._begun = 0.0, loads, 0

    def work(self, seconds: float) -> None:
        self.now += seconds * self._loads[min(len(self._loads) - 1, self._begun // 4)]
        self._begun += 1


def test_two_models_are_timed_in_turns_so_that_both_feel_the_same_load() -> None:
    """One after the other, the first would have had the idle machine to itself: 1 s against 10 s."""
    machine = Machine(1.0, 1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)

    first, second = median_seconds(
        lambda: machine.work(1.0), lambda: machine.work(2.0), device=torch.device("cpu"), clock=lambda: machine.now
    )

    assert (first, second) == (5.0, 10.0)


@pytest.mark.parametrize(
    ("objective", "model"),
    [
        pytest.param({"kind": "distill"}, STUDENT, id="a student, whose loss asks its teacher as well"),
        pytest.param({"kind": "prune"}, {}, id="a pruned model"),
    ],
)
def test_what_is_timed_is_the_model_alone(job: JobMaker, objective: dict[str, Any], model: dict[str, Any]) -> None:
    with assembled(job("timed", objective=objective, model=model)) as parts:
        half: Any = parts.half
        if objective["kind"] == "distill":
            half._teacher.register_forward_hook(lambda *_: pytest.fail("the teacher was asked"))
        passes = []
        parts.measurer.model.register_forward_hook(lambda *_: passes.append(1))
        parts.measurer.forward_pass(half.forward_update(parts.job, parts.measurer.model, parts.dataset))()
    assert passes == [1]


@pytest.mark.parametrize(
    ("objective", "model", "steps"),
    [
        pytest.param({"kind": "distill"}, STUDENT, 2, id="a smaller student"),
        pytest.param({"kind": "prune", "prune": {"method": "structured"}}, {}, 2, id="fewer channels"),
        pytest.param({"kind": "quantize"}, {}, 0, id="8-bit weights"),
    ],
)
def test_another_network_is_timed_beside_its_base(
    train: Train, job: JobMaker, monkeypatch: pytest.MonkeyPatch, objective: dict[str, Any], model: Any, steps: int
) -> None:
    from hostler_runtime.training import comparing

    timed: list[int] = []

    def noted(*passes: Callable[[], Any], device: torch.device) -> list[float]:
        timed.append(len(passes))
        return median_seconds(*passes, device=device)

    monkeypatch.setattr(comparing, "median_seconds", noted)
    asked = job("other", objective=objective, model=model, hyperparameters__steps=steps)
    comparison = train(asked).result.comparison

    assert timed[-1] == 2
    assert comparison is not None
    assert comparison.before.latency_seconds != comparison.after.latency_seconds
