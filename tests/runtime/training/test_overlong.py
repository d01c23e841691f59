"""Conversations longer than the context: counted, named, cut, left out or refused, and never a step without targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from runtime.training.harness import Train, make_job
from tables import table

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.job import Overlong
from hostler_contract.result import DatasetFacts, LeftOut
from hostler_data.record import Record
from hostler_data.records import open_records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.chat import training as chat
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.dataset import TokenDataset
from hostler_runtime.text.fitting import Fitting
from hostler_runtime.text.sequences import IGNORED, Example
from hostler_runtime.training.checkpoint import identity
from hostler_runtime.training.notes import data_notes

CONTEXT = 4


def talk(given: int, learnt: int) -> Example:
    """Tokens that are given, then tokens that are learnt."""
    return Example(tokens=list(range(given + learnt)), learnt=[False] * given + [True] * learnt)


def rows(*conversations: Sequence[Example]) -> list[tuple[Record, Sequence[Example]]]:
    """Each in a row of its own, with the examples that it becomes."""
    return [(Record("talks.jsonl", number, {}), examples) for number, examples in enumerate(conversations, start=1)]


FITS, LONG, MUTE = [talk(2, 3)], [talk(2, 6)], [talk(5, 2)]
"""With a context of four: five tokens; eight, of which the answer begins in time; seven, of which it does not."""
SEVERAL = [*FITS, *LONG, *MUTE]
"""A conversation that a template writes anew for each of its answers."""


@table(
    ("overlong", "talks", "kept", "left_out"),
    {
        "what fits stays": ("truncate", [FITS], [5], []),
        "the end is cut off": (
            "truncate", [FITS, LONG, LONG], [5, 5, 5],
            [LeftOut(what="conversations", count=2, of=3, limit=4, tokens=6, first="talks.jsonl:2")],
        ),
        "nothing to learn is left": (
            "truncate", [MUTE, FITS], [5],
            [LeftOut(what="conversations", count=1, of=2, first="talks.jsonl:1",
                     why="no answer begins within their first 4 tokens")],
        ),
        "left out": (
            "drop", [FITS, LONG, MUTE], [5],
            [LeftOut(what="conversations", count=2, of=3, first="talks.jsonl:2", why="they are longer than 4 tokens")],
        ),
        "several examples of one conversation that fit": ("drop", [FITS + FITS, FITS], [5, 5, 5], []),
        "several of one, each cut by itself, and what was not read is of the ones that are left out too": (
            "truncate", [FITS, SEVERAL], [5, 5, 5],
            [LeftOut(what="conversations", count=1, of=2, limit=4, tokens=3 + 7, first="talks.jsonl:2")],
        ),
        "several of one, none of which teaches anything": (
            "truncate", [MUTE + MUTE, FITS], [5],
            [LeftOut(what="conversations", count=1, of=2, first="talks.jsonl:1",
                     why="no answer begins within their first 4 tokens")],
        ),
        "several of one are left out together": (
            "drop", [FITS, SEVERAL], [5],
            [LeftOut(what="conversations", count=1, of=2, first="talks.jsonl:2", why="they are longer than 4 tokens")],
        ),
    },
)  # fmt: skip
def test_a_conversation_is_one_sequence_or_none(
    overlong: Overlong, talks: list[list[Example]], kept: list[int], left_out: list[LeftOut]
) -> None:
    fitting = Fitting(context_length=CONTEXT, overlong=overlong)

    found = list(fitting.examples(rows(*talks)))

    assert [len(each.tokens) for each in found] == kept
    assert all(any((each.learnt or ())[1:]) for each in found), "each teaches something"
    assert fitting.left_out == left_out
    assert fitting.rows == len(talks)


def test_the_share_that_is_learnt_is_that_of_the_last_part() -> None:
    fitting = Fitting(context_length=CONTEXT, overlong="truncate")
    list(fitting.examples(rows(LONG)))
    assert fitting.share == 3 / 6
    list(fitting.examples(rows(FITS, MUTE)))
    assert fitting.share == 3 / 5


def test_the_first_ones_are_named_in_words() -> None:
    part = LeftOut(what="conversations", count=1, of=2, limit=64, tokens=1, first="talks.jsonl:7")
    whole = LeftOut(what="conversations", count=1, of=2, why="they are longer than 64 tokens", first="talks.jsonl:7")

    facts = DatasetFacts(sha256="0" * 64, size_bytes=1).without([part, whole])
    assert data_notes(facts) == [
        "1 of 2 conversations did not fit into 64 tokens and was cut; 1 token was not read; the first is in "
        "talks.jsonl:7",
        "1 of 2 conversations was not used: they are longer than 64 tokens; the first is in talks.jsonl:7",
    ]


def test_too_long_ones_are_refused_by_number_and_name() -> None:
    fitting = Fitting(context_length=CONTEXT, overlong="refuse")
    list(fitting.examples(rows(FITS, LONG, MUTE)))

    with pytest.raises(RuntimeFailure) as failure:
        fitting.check()

    assert failure.value.reason is ErrorReason.DATASET_INVALID
    assert failure.value.message == (
        "2 of 3 conversations are longer than the context of 4 tokens, the first in talks.jsonl:2, the longest with "
        "8: shorten them, raise contextLength, or set training.overlong to truncate or drop"
    )


@pytest.mark.parametrize(("overlong", "examples"), [("truncate", MUTE), ("drop", LONG), ("drop", SEVERAL)])
def test_a_part_of_which_nothing_is_left_is_an_error(overlong: Overlong, examples: list[Example]) -> None:
    fitting = Fitting(context_length=CONTEXT, overlong=overlong)

    with pytest.raises(RuntimeFailure, match=r"1 of 1 conversations are longer .* first in talks\.jsonl:1"):
        list(fitting.examples(rows(examples)))


@pytest.mark.parametrize("overlong", ["truncate", "drop", "refuse"])
def test_judged_rows_are_taken_whole_or_not(overlong: Overlong) -> None:
    taken = overlong == "truncate"
    completions = Completions(context_length=CONTEXT, overlong=overlong)
    completions.joined([1, 2], [3, 4])
    assert completions.take(Record("pairs.jsonl", 1, {}))
    completions.joined([1, 2], [3, 4])
    completions.joined([1, 2], [3, 4, 5, 6])

    assert completions.take(Record("pairs.jsonl", 2, {})) is taken

    if taken:
        assert [part.what for part in completions.left_out] == ["prompts with an answer"]
        return
    want = LeftOut(what="judged rows", count=1, of=2, why="they are longer than 4 tokens", first="pairs.jsonl:2")
    assert completions.left_out == [want]
    if overlong == "refuse":
        with pytest.raises(
            RuntimeFailure, match="1 of 2 judged rows are longer than the context of 4 tokens, the first is pa"
        ):
            completions.check()
    else:
        completions.check()


def chatter(root: Path, overlong: str, words: Sequence[int]) -> JobConfig:
    """A job on conversations whose questions have so many words."""
    lines = [
        {
            "messages": [
                {"role": "user", "content": " ".join(["why"] * count)},
                {"role": "assistant", "content": "Because."},
            ]
        }
        for count in words
    ]
    (root / "talks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return make_job(
        root / "workspace",
        data=root / "talks.jsonl",
        model__transformer__contextLength=32,
        dataset__format="jsonl",
        dataset__validationPercent=50,
        overlong=overlong,
        hyperparameters__steps=3,
        hyperparameters__batchSize=1,
        packing={"mode": "off"},
    )


def prepared(job: JobConfig, root: Path) -> TokenDataset:
    """The data as the family prepares it."""
    directory = root / "prepared"
    directory.mkdir()
    chat.prepare(job, open_records([root / "talks.jsonl"], root=root, format="jsonl"), directory)
    return chat.open_dataset(job, directory)


@pytest.mark.parametrize("overlong", ["truncate", "drop"])
def test_every_row_of_a_job_has_something_to_learn(overlong: str, tmp_path: Path) -> None:
    job = chatter(tmp_path, overlong, [3, 300, 4, 5, 300, 6, 3, 4])

    dataset = prepared(job, tmp_path)

    for rows_of in (dataset.train, dataset.validation):
        sequences: Any = rows_of.sequences
        assert all((sequences[index][1] != IGNORED).any() for index in range(len(sequences)))
    (part,) = dataset.facts.left_out
    assert (part.what, part.count, part.of, part.first is not None) == ("conversations", 2, 8, True)


def test_a_checkpoint_belongs_to_the_setting_that_its_rows_are_of(tmp_path: Path) -> None:
    """Who goes on under another one would train on other rows and say nothing."""
    jobs = [chatter(tmp_path, overlong, [3, 4]) for overlong in ("truncate", "drop", "refuse")]

    assert len({identity(job, dataset_sha256="a" * 64) for job in jobs}) == 3


def test_documents_that_are_cut_in_any_case_refuse_the_setting(tmp_path: Path) -> None:
    job = chatter(tmp_path, "drop", [3, 4])
    (tmp_path / "texts.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    with pytest.raises(RuntimeFailure, match=r"documents, which are cut into pieces, .* remove overlong drop"):
        chat.prepare(job, open_records([tmp_path / "texts.jsonl"], root=tmp_path, format="jsonl"), tmp_path)


def test_the_setting_decides_what_is_prepared(tmp_path: Path) -> None:
    prints = {chat.fingerprint(chatter(tmp_path, overlong, [3, 4])) for overlong in ("truncate", "drop", "refuse")}

    assert len(prints) == 3


def test_a_step_without_targets_divides_by_nothing(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, calls = TokenDataset.train_batch, []

    def masked(self: TokenDataset, rows: Sequence[int]) -> Any:
        batch = dict(genuine(self, rows))
        calls.append(rows)
        if len(calls) == 2:
            batch["targets"] = batch["targets"].clone().fill_(IGNORED)
        return batch

    monkeypatch.setattr(TokenDataset, "train_batch", masked)

    outcome = train(chatter(tmp_path, "truncate", [3, 4, 5, 6]))

    assert outcome.result.succeeded
    assert (outcome.result.steps, len(calls)) == (3, 3)
