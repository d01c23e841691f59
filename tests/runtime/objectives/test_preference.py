"""Learning from praise and criticism."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runtime.objectives.conftest import model_of
from runtime.training.harness import Train

from hostler_contract import ErrorReason, JobConfig
from hostler_data.errors import DataError
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.objectives.preference import dpo, kto

JobMaker = Callable[..., JobConfig]
SEED = 11
THINGS = ("list", "dict", "tuple", "string", "module", "class", "method", "file", "loop", "name", "value", "key",
          "object", "index", "slice", "number", "frame", "scope", "error", "line")  # fmt: skip
VERBS = ("copy", "sort", "delete", "print", "read", "write", "open", "close", "find", "count")


def rows(*, pairs: bool, shuffled: bool = False) -> list[dict[str, object]]:
    """People like answers that give a reason, and dislike those that refuse. ``shuffled`` verdicts mean nothing."""
    chance = random.Random(SEED)
    found: list[dict[str, object]] = []
    for verb in VERBS:
        for thing in THINGS:
            prompt = f"How does one {verb} a {thing}? "
            good, bad = f"Use it because the {thing} is an object.", f"No, the {thing} is not supported here."
            if shuffled and chance.random() < 0.5:
                good, bad = bad, good
            if pairs:
                found.append({"prompt": prompt, "chosen": good, "rejected": bad})
            else:
                # Single verdicts, three times as much praise as criticism.
                praised = chance.random() < 0.75
                found.append({"prompt": prompt, "completion": good if praised else bad, "praise": praised})
    chance.shuffle(found)
    return found


def written(directory: Path, lines: list[dict[str, object]]) -> Path:
    """As JSON lines."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return directory


def preferring(job: JobMaker, name: str, data: Path, **changes: object) -> JobConfig:
    """A job on such rows."""
    return job(
        name,
        data=data,
        objective={"kind": "preference", **changes},
        dataset__format="jsonl",
        dataset__validationPercent=20,
        hyperparameters={"steps": 30, "batchSize": 16, "learningRate": 5e-4},
        packing={"mode": "off"},
    )


@pytest.mark.parametrize(
    ("pairs", "lora"),
    [
        pytest.param(True, None, id="dpo from pairs, all weights"),
        pytest.param(True, {"rank": 4}, id="dpo from pairs, an adapter"),
        pytest.param(False, None, id="kto from single verdicts, unpaired, three to one"),
    ],
)
def test_the_model_prefers_what_people_prefer_on_prompts_it_has_not_seen(
    train: Train, job: JobMaker, tmp_path: Path, *, pairs: bool, lora: dict[str, int] | None
) -> None:
    data = written(tmp_path / "rows", rows(pairs=pairs))
    asked = preferring(job, "preferring", data, **({"lora": lora} if lora else {}))

    outcome = train(asked)

    assert outcome.result.comparison is not None
    # Against itself the base model prefers nothing: the figure cannot be high before training.
    assert outcome.result.comparison.before.metrics["reward_accuracy"] < 0.6
    assert outcome.result.metrics["reward_accuracy"] >= 0.9
    assert (model_of(asked) / "samples" / "final" / "samples.txt").read_text().startswith("How does one")


@pytest.mark.parametrize(
    "pairs", [pytest.param(True, id="dpo from pairs"), pytest.param(False, id="kto from single verdicts")]
)
def test_verdicts_that_mean_nothing_teach_nothing(train: Train, job: JobMaker, tmp_path: Path, *, pairs: bool) -> None:
    data = written(tmp_path / "rows", rows(pairs=pairs, shuffled=True))

    outcome = train(preferring(job, "preferring", data))

    assert outcome.result.metrics["reward_accuracy"] < 0.75


def test_the_reference_is_the_base_after_a_restart_too(train: Train, job: JobMaker, tmp_path: Path) -> None:
    data = written(tmp_path / "rows", rows(pairs=True))
    whole, cut = preferring(job, "whole", data), preferring(job, "cut", data)
    wanted = train(whole).result.metrics
    with pytest.raises(RuntimeFailure, match="asked to stop"):
        train(cut, stop_after=13)

    assert train(cut).result.metrics == wanted


@pytest.mark.parametrize(
    ("line", "method", "reason", "want"),
    [
        pytest.param({"prompt": "a", "answer": "b"}, "auto", ErrorReason.DATASET_INVALID, "rows.jsonl:1: preference",
                     id="columns of something else"),
        pytest.param({"prompt": "a", "completion": "b", "praise": "yes"}, "auto", ErrorReason.DATASET_INVALID,
                     "rows.jsonl:1: praise is 'yes'", id="a verdict that is neither true nor false"),
        pytest.param({"prompt": "a", "chosen": "b", "rejected": "c"}, "kto", ErrorReason.INVALID_CONFIGURATION,
                     "rows are made for dpo", id="a method that the rows do not suit"),
        pytest.param({"prompt": "a", "chosen": 3, "rejected": "c"}, "auto", ErrorReason.DATASET_INVALID,
                     "chosen is the number 3, not text", id="an answer that is no text"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_named(
    train: Train, job: JobMaker, tmp_path: Path, line: dict[str, object], method: str, reason: ErrorReason, want: str
) -> None:
    data = written(tmp_path / "rows", [line] * 4)

    with pytest.raises((RuntimeFailure, DataError)) as refused:
        train(preferring(job, "refused", data, preference={"method": method}))

    failure = classify(refused.value)
    assert failure.reason is reason
    assert want in failure.message


def test_dpo_is_the_papers_equation() -> None:
    found = dpo(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), beta=0.5)

    # -log sigmoid(0.5 * (2 - 1)) and -log sigmoid(0).
    assert found.tolist() == pytest.approx([0.474077, 0.693147], abs=1e-5)


def test_kto_is_the_papers_equation() -> None:
    found = kto(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), beta=1.0, praised_share=0.5)

    # The reference point is mean(2, -1) = 0.5: 1 - sigmoid(1.5) and 1 - sigmoid(1.5).
    assert found.tolist() == pytest.approx([0.182426, 0.182426], abs=1e-5)
    rare = kto(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), beta=1.0, praised_share=0.75)
    assert rare[1] / rare[0] == pytest.approx(3.0)
