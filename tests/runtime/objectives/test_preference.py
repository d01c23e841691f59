"""Learning from praise and criticism."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.objectives.conftest import model_of
from runtime.training.harness import Train

from hostler_contract import ErrorReason, Hyperparameters, JobConfig
from hostler_data.errors import DataError
from hostler_data.judged import are_messages
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.objectives.judged import JudgedAnswers
from hostler_runtime.objectives.preference import dpo, kto
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.templates import ROLE_TEMPLATE, ROLE_TOKENS
from hostler_runtime.text.tokenizer import train_tokenizer

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


PAIR = {"prompt": "Where?", "chosen": "Here.", "rejected": "There."}
ASKED = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Where?"}]


def said(text: str) -> list[dict[str, str]]:
    """The assistant's turn."""
    return [{"role": "assistant", "content": text}]


def speaker(*, roles: bool = True) -> Any:
    """A tokenizer of a model that holds conversations, or of one that does not."""
    made = train_tokenizer([], vocabulary_size=270, context_length=64, special_tokens=ROLE_TOKENS if roles else ())
    made.chat_template = ROLE_TEMPLATE if roles else None
    return made


def judged(row: dict[str, Any], *, roles: bool = True) -> list[str]:
    """Both sides of a pair as text, with a bar before what is learnt."""
    record, made = Record("rows.jsonl", 4, row), speaker(roles=roles)
    answers = JudgedAnswers(made, Completions(context_length=256), talks=are_messages(record))
    found = []
    for example in answers.examples(record, ["chosen", "rejected"]):
        border = list(example.learnt or ()).index(True)
        found.append("|".join(made.decode(part) for part in (example.tokens[:border], example.tokens[border:])))
    return found


BOS = "<|endoftext|>"
TALKED = f"{BOS}<|system|>Be short.<|end|><|user|>Where?<|end|><|assistant|>|"


@pytest.mark.parametrize(
    ("row", "want"),
    [
        pytest.param(PAIR, [f"{BOS}<|user|>Where?<|end|><|assistant|>|Here.<|end|>",
                            f"{BOS}<|user|>Where?<|end|><|assistant|>|There.<|end|>"], id="texts"),
        pytest.param({"prompt": ASKED, "chosen": said("Here."), "rejected": said("There.")},
                     [f"{TALKED}Here.<|end|>", f"{TALKED}There.<|end|>"], id="turns"),
        pytest.param({"prompt": ASKED, "chosen": "Here.", "rejected": "There."},
                     [f"{TALKED}Here.<|end|>", f"{TALKED}There.<|end|>"], id="a conversation and texts"),
        pytest.param({"chosen": ASKED + said("Here."), "rejected": ASKED + said("There.")},
                     [f"{TALKED}Here.<|end|>", f"{TALKED}There.<|end|>"], id="whole conversations without a prompt"),
        pytest.param({"prompt": "Where?", "chosen": ASKED[1:] + said("Here."), "rejected": ASKED[1:] + said("There.")},
                     [f"{BOS}<|user|>Where?<|end|><|assistant|>|Here.<|end|>",
                      f"{BOS}<|user|>Where?<|end|><|assistant|>|There.<|end|>"], id="whole ones beside their prompt"),
        pytest.param({"prompt": [*ASKED[1:], *said("Here."), *ASKED[1:]], "chosen": "Here.", "rejected": "There."},
                     [f"{BOS}<|user|>Where?<|end|><|assistant|>Here.<|end|><|user|>Where?<|end|><|assistant|>|{word}"
                      for word in ("Here.<|end|>", "There.<|end|>")], id="an earlier answer is context"),
    ],
)  # fmt: skip
def test_prompts_and_answers_may_be_turns_of_a_conversation(row: dict[str, Any], want: list[str]) -> None:
    assert judged(row) == want


def test_a_model_without_roles_learns_turns_in_plain_words_and_texts_as_they_are() -> None:
    talked = {"prompt": ASKED[1:], "chosen": said("Here."), "rejected": said("There.")}

    assert judged(talked, roles=False)[0] == f"User: Where?{BOS}\nAssistant:| Here.{BOS}"
    assert judged(PAIR, roles=False)[0] == f"{BOS}Where?|Here.{BOS}"


@pytest.mark.parametrize(
    ("row", "want"),
    [
        pytest.param({"chosen": ASKED + said("a"), "rejected": ASKED[1:] + said("b")},
                     "chosen and rejected answer different conversations", id="two conversations"),
        pytest.param({"prompt": ASKED, "chosen": ASKED[1:] + said("a"), "rejected": ASKED[1:] + said("b")},
                     "the turns before the answer in chosen are not those of the prompt", id="another prompt"),
        pytest.param({"chosen": ASKED, "rejected": ASKED}, "chosen ends with a turn of the user", id="no answer"),
        pytest.param({"chosen": said("a"), "rejected": said("b")}, "there is no prompt", id="answers of nothing"),
        pytest.param({**PAIR, "prompt": ASKED, "chosen": " "}, "chosen is empty", id="an empty answer"),
        pytest.param({**PAIR, "prompt": [{"role": "judge", "content": "x"}]}, "turn 1 has the role 'judge'",
                     id="a role that nobody knows"),
    ],
)  # fmt: skip
def test_a_pair_that_is_none_is_named_by_file_and_row(row: dict[str, Any], want: str) -> None:
    with pytest.raises(DataError) as refused:
        judged(row)

    assert str(refused.value).startswith("rows.jsonl:4: ")
    assert want in str(refused.value)


def test_turns_are_learnt_from_in_a_job(train: Train, job: JobMaker, tmp_path: Path) -> None:
    asked = [
        {"prompt": [{"role": "user", "content": row["prompt"]}], "chosen": said(str(row["chosen"])),
         "rejected": said(str(row["rejected"]))}
        for row in rows(pairs=True)
    ]  # fmt: skip

    outcome = train(preferring(job, "turns", written(tmp_path / "rows", asked)))

    assert outcome.result.metrics["reward_accuracy"] >= 0.9


def test_the_vocabulary_is_looked_at_once_however_many_answers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made, looks = speaker(), []
    kind = type(made)
    for name in ("get_vocab", "all_special_tokens", "added_tokens_decoder"):
        genuine = getattr(kind, name)
        if isinstance(genuine, property):
            monkeypatch.setattr(kind, name, property(lambda self, g=genuine, n=name: looks.append(n) or g.fget(self)))
        else:
            monkeypatch.setattr(kind, name, lambda self, g=genuine, n=name: looks.append(n) or g(self))

    answers = JudgedAnswers(made, Completions(context_length=64), talks=False)
    first = len(looks)
    for number in range(20):
        answers.examples(Record("rows.jsonl", number, PAIR), ["chosen", "rejected"])

    assert first > 0
    assert len(looks) == first


def test_single_verdicts_are_compared_with_the_whole_step_however_it_is_shared_out(
    train: Train, job: JobMaker, tmp_path: Path
) -> None:
    data = written(tmp_path / "rows", rows(pairs=False))
    found = []
    for parts in (1, 4):
        asked = preferring(job, f"in-{parts}", data)
        options = {"steps": 6, "batchSize": 16, "learningRate": 5e-4, "gradientAccumulation": parts, "warmupSteps": 0}
        found.append(train(asked.model_copy(update={"hyperparameters": Hyperparameters.model_validate(options)})))

    one, other = (outcome.result.metrics for outcome in found)
    assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-5)
    assert other["reward_margin"] == pytest.approx(one["reward_margin"], rel=1e-3)


def test_dpo_is_the_papers_equation() -> None:
    found = dpo(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), beta=0.5)

    # -log sigmoid(0.5 * (2 - 1)) and -log sigmoid(0).
    assert found.tolist() == pytest.approx([0.474077, 0.693147], abs=1e-5)


def test_kto_is_the_papers_equation() -> None:
    found = kto(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), beta=1.0, praised_share=0.5)

    # The reference point is mean(2, -1) = 0.5: 1 - sigmoid(1.5) and 1 - sigmoid(1.5).
    assert found.tolist() == pytest.approx([0.182426, 0.182426], abs=1e-5)
    # Where they are a part of a step, its mean counts: 1 - sigmoid(2 - 1) and 1 - sigmoid(1 + 1).
    part = kto(
        torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), beta=1.0, praised_share=0.5, mean_ratio=torch.tensor(1.0)
    )
    assert part.tolist() == pytest.approx([0.268941, 0.119203], abs=1e-5)
    rare = kto(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), beta=1.0, praised_share=0.75)
    assert rare[1] / rare[0] == pytest.approx(3.0)
