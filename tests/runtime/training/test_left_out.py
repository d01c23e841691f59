"""What of the data could not be used: counted by the families, said by the run, never silent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from runtime.families.encoders import encoder_job
from runtime.training import toyfamily
from runtime.training.harness import Train, make_job
from runtime.training.toyjobs import toy_job

from hostler_contract import ErrorReason, JobConfig, Objective
from hostler_contract.objective import ObjectiveConfig
from hostler_contract.result import DatasetFacts, LeftOut
from hostler_data.records import open_records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.bert import training as bert
from hostler_runtime.families.chat import training as chat
from hostler_runtime.families.code import training as code
from hostler_runtime.text.captions import cut_captions
from hostler_runtime.text.captions import train_tokenizer as caption_tokenizer
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.tokenizer import train_tokenizer
from hostler_runtime.training import run
from hostler_runtime.training.notes import data_notes
from hostler_runtime.training.unread import keep_unread, unread_notes

CONTEXT = 16
LABELS = ("mammal", "bird")


def facts_of(left_out: Sequence[LeftOut]) -> DatasetFacts:
    """Of some data of which this could not be used."""
    return DatasetFacts(sha256="0" * 64, size_bytes=1).without(list(left_out))


def prepared(half: Any, job: JobConfig, root: Path, rows: Sequence[dict[str, Any]]) -> DatasetFacts:
    """What a family says of these rows."""
    data = root / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "prepared").mkdir()
    half.prepare(job, open_records([data], root=root, format="jsonl"), root / "prepared")
    facts: DatasetFacts = half.open_dataset(job, root / "prepared").facts
    return facts


def encoder(root: Path, head: str, **sections: Any) -> JobConfig:
    """A job of short sequences with half of the rows held out."""
    return encoder_job(
        root,
        data=root / "rows.jsonl",
        encoder={"head": head, "contextLength": CONTEXT, "vocabularySize": 300},
        dataset={"validationPercent": 50},
        **sections,
    )


def decoder(root: Path, family: str) -> JobConfig:
    """The same for a decoder."""
    return make_job(
        root / "workspace",
        data=root / "rows.jsonl",
        family=family,
        model__transformer__contextLength=CONTEXT,
        dataset__format="jsonl",
        dataset__validationPercent=50,
    )


@pytest.mark.parametrize(
    ("part", "want"),
    [
        pytest.param(
            LeftOut(what="texts", count=3, of=1200, limit=64, tokens=45),
            "3 of 1,200 texts did not fit into 64 tokens and were cut; 45 tokens were not read",
            id="several",
        ),
        pytest.param(
            LeftOut(what="texts", count=1, of=2, limit=64, tokens=1),
            "1 of 2 texts did not fit into 64 tokens and was cut; 1 token was not read",
            id="one",
        ),
        pytest.param(
            LeftOut(what="held-out rows", count=2, of=5, why="they have no label"),
            "2 of 5 held-out rows were not used: they have no label",
            id="whole rows, with the reason",
        ),
    ],
)
def test_what_was_left_out_is_said_in_one_sentence(part: LeftOut, want: str) -> None:
    assert data_notes(facts_of([part])) == [want]


def test_each_kind_has_its_own_sentence_and_the_tokens_are_added_up() -> None:
    parts = [LeftOut(what=what, count=1, of=2, limit=64, tokens=5) for what in ("prompts", "answers")]

    facts = facts_of(parts)

    assert [note.split()[3] for note in data_notes(facts)] == ["prompts", "answers"]
    assert facts.dropped == 10
    assert data_notes(facts_of([])) == []


def test_progress_result_and_card_say_it(tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = toyfamily.prepare

    def cutting(job: JobConfig, records: Any, directory: Path, *, work: Any) -> None:
        genuine(job, records, directory)
        path = directory / "facts.json"
        facts = DatasetFacts.model_validate_json(path.read_text())
        path.write_text(facts.without([LeftOut(what="texts", count=3, of=120, limit=64, tokens=45)]).model_dump_json())

    monkeypatch.setattr(run, "training_half", lambda family: toyfamily)
    monkeypatch.setattr(toyfamily, "prepare", cutting)
    said = "3 of 120 texts did not fit into 64 tokens and were cut; 45 tokens were not read"

    outcome = train(toy_job(tmp_path / "cut" / "workspace", hyperparameters__steps=1))
    card = (tmp_path / "cut" / "workspace" / "model" / "README.md").read_text()

    assert outcome.board.snapshot.notes == outcome.result.notes == [said]
    assert f"What differs from what was asked:\n\n- {said}\n" in card
    assert outcome.result.dataset is not None
    assert outcome.result.dataset.dropped == 45


def test_a_card_without_notes_has_no_such_section(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "training_half", lambda family: toyfamily)

    assert train(toy_job(tmp_path / "workspace", hyperparameters__steps=1)).result.notes == []
    assert "What differs" not in (tmp_path / "workspace" / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param([3, 14, 14, 2], None, id="texts that fit, with what begins and ends them"),
        pytest.param([3, 15, 24, 2], (2, 11), id="texts that are longer, in both parts of the data"),
    ],
)
def test_texts_that_a_classifier_cuts_are_counted(
    tmp_path: Path, words: list[int], want: tuple[int, int] | None
) -> None:
    rows = [{"text": " ".join(["word"] * count), "label": LABELS[place % 2]} for place, count in enumerate(words)]

    facts = prepared(bert, encoder(tmp_path, "classification"), tmp_path, rows)

    if want is None:
        assert (facts.left_out, facts.dropped) == ([], 0)
        return
    count, tokens = want
    assert facts.left_out == [LeftOut(what="texts", count=count, of=len(words), limit=CONTEXT, tokens=tokens)]
    assert facts.dropped == tokens


def test_held_out_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    rows = [{"text": f"word {place}", "label": LABELS[place // 2 % 2]} for place in range(12)]
    for row in rows[-3:]:
        row["label"] = None
    job = encoder(tmp_path, "classification", objective={"supervision": "semi-supervised"})

    (part,) = prepared(bert, job, tmp_path, rows).left_out

    assert (part.what, part.of, part.tokens) == ("held-out rows", 6, 0)
    assert 1 <= part.count <= 2, "those among the last three that are held out"
    assert data_notes(facts_of([part]))[0].endswith("not used: they have no label")


def test_questions_that_are_cut_and_answers_that_no_window_holds_are_counted(tmp_path: Path) -> None:
    short = {"question": "who ?", "context": "anna came", "answer": "anna"}
    asked = {**short, "question": " ".join(["who"] * 10)}
    told = {**short, "context": " ".join(["anna"] * 30), "answer": " ".join(["anna"] * 20), "answer_start": 15}

    facts = prepared(bert, encoder(tmp_path, "question-answering"), tmp_path, [short, asked, told, short])

    assert facts.left_out == [
        LeftOut(what="questions", count=1, of=4, limit=CONTEXT // 2, tokens=4),
        LeftOut(what="answers", count=1, of=4, why=f"no sequence of {CONTEXT} tokens holds the whole of one"),
    ]


@pytest.mark.parametrize(
    ("half", "make"),
    [
        pytest.param(bert, lambda root: encoder(root, "masked-lm"), id="hidden words"),
        pytest.param(chat, lambda root: decoder(root, "chat"), id="documents"),
        pytest.param(code, lambda root: decoder(root, "code"), id="programs"),
    ],
)
def test_long_texts_go_on_in_the_next_sequence_and_lose_nothing(tmp_path: Path, half: Any, make: Any) -> None:
    """That no token is lost is shown in tests/runtime/packing."""
    rows = [{"text": " ".join(f"word{place}" for place in range(40))} for _ in range(4)]

    assert prepared(half, make(tmp_path), tmp_path, rows).left_out == []


@pytest.mark.parametrize(
    ("context", "want"),
    [
        pytest.param(13, [], id="everything fits"),
        pytest.param(11, [("prompts with an answer", 2)], id="the prompt loses its beginning"),
        pytest.param(3, [("prompts with an answer", 7), ("answers", 3)], id="the answer loses its end too"),
    ],
)
def test_what_prompts_and_answers_lose_is_counted(context: int, want: list[tuple[str, int]]) -> None:
    speaker = train_tokenizer([], vocabulary_size=258, context_length=64)
    completions = Completions(context_length=context)

    # A token for each letter, one before the prompt and one after the answer.
    completions.plain(speaker, prompt="Where? ", answer="Here.")
    completions.plain(speaker, prompt="", answer="H")

    assert [(part.what, part.tokens) for part in completions.left_out] == want
    assert all((part.count, part.of, part.limit) == (1, 2, context) for part in completions.left_out)


def test_captions_that_are_cut_are_counted() -> None:
    tokenizer = caption_tokenizer(["a red circle"], vocabulary_size=600, context_length=6)

    assert cut_captions(tokenizer, ["a red circle", "red"]) == []
    assert cut_captions(tokenizer, ["a red circle", " ".join(["red"] * 9)]) == [
        LeftOut(what="captions", count=1, of=2, limit=6, tokens=5)
    ]
    assert cut_captions(tokenizer, []) == []


def judging(overlong: str, root: Path, head: str, rows: Sequence[dict[str, Any]]) -> DatasetFacts:
    """What an encoder of this head makes of rows, of which some may be too long."""
    return prepared(bert, encoder(root, head).model_copy(update={"overlong": overlong}), root, rows)


SHORT_QUESTION = {"question": "who ?", "context": "anna came", "answer": "anna"}
LONG_QUESTION = {**SHORT_QUESTION, "question": " ".join(["who"] * 10)}
LABELLED = [
    {"text": " ".join(["word"] * count), "label": LABELS[place % 2]} for place, count in enumerate([3, 3, 20, 3, 2, 2])
]


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        pytest.param("classification", LABELLED, id="a text with a label"),
        pytest.param(
            "question-answering", [*[SHORT_QUESTION] * 2, LONG_QUESTION, *[SHORT_QUESTION] * 3], id="a question"
        ),
    ],
)
def test_rows_of_an_encoder_that_are_too_long_are_left_out_or_refused_as_the_job_says(
    tmp_path: Path, head: str, rows: Sequence[dict[str, Any]]
) -> None:
    (tmp_path / "drop").mkdir()
    facts = judging("drop", tmp_path / "drop", head, rows)

    why = f"they are longer than {CONTEXT} tokens"
    assert facts.left_out == [LeftOut(what="rows", count=1, of=6, why=why, first="rows.jsonl:3")]
    with pytest.raises(
        RuntimeFailure, match=r"1 of 6 rows are longer .* the first is rows.jsonl:3: shorten them, raise"
    ):
        judging("refuse", tmp_path, head, rows)


def test_held_out_questions_that_are_left_out_are_not_asked(tmp_path: Path) -> None:
    rows = [SHORT_QUESTION, LONG_QUESTION] * 8
    job = encoder(tmp_path, "question-answering").model_copy(update={"overlong": "drop"})
    prepared(bert, job, tmp_path, rows)

    asked = bert.open_dataset(job, tmp_path / "prepared").questions()
    assert {question.question for question in asked} == {"who ?"}


def test_data_that_loses_every_row_is_refused_by_its_name(tmp_path: Path) -> None:
    rows = [{"text": " ".join(["word"] * 20), "label": LABELS[place % 2]} for place in range(4)]
    with pytest.raises(RuntimeFailure) as refused:
        judging("drop", tmp_path, "classification", rows)

    assert refused.value.reason is ErrorReason.DATASET_INVALID
    assert "rows are longer than the context of" in refused.value.message
    assert refused.value.message.endswith("raise contextLength, or set training.overlong to truncate")


@pytest.mark.parametrize(
    ("half", "job", "rows", "want"),
    [
        pytest.param(
            bert, {"head": "classification"}, [{"text": "a", "label": "b", "page": 1}, {"text": "a", "label": "c"}],
            ["1 column that nobody reads: page (1 row)."], id="a classifier",
        ),
        pytest.param(
            bert, {"head": "masked-lm"}, [{"text": "a", "label": "b"}] * 2,
            ["1 column that nobody reads: label (2 rows)."], id="hidden words need no labels",
        ),
        pytest.param(
            chat, {}, [{"messages": [{"role": "user", "content": "a", "mood": "gay"}], "text": "b"}],
            ["2 columns that nobody reads: messages[].mood (1 row), text (1 row)."], id="conversations",
        ),
        pytest.param(
            chat, {"judged": True}, [{"prompt": "a", "chosen": "b", "rejected": "c", "score": 2}],
            ["1 column that nobody reads: score (1 row)."], id="praise and criticism",
        ),
        pytest.param(code, {}, [{"text": "a"}], [], id="everything is read"),
    ],
)  # fmt: skip
def test_what_nobody_reads_is_counted_for_what_the_job_learns(
    tmp_path: Path, half: Any, job: dict[str, Any], rows: Sequence[dict[str, Any]], want: list[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = encoder(tmp_path, job["head"]) if "head" in job else decoder(tmp_path, "chat" if half is chat else "code")
    if job.get("judged"):
        made = made.model_copy(update={"objective": ObjectiveConfig(kind=Objective.PREFERENCE)})

    keep_unread(made, half, open_records([tmp_path / "rows.jsonl"], root=tmp_path, format="jsonl"), tmp_path)
    assert unread_notes(tmp_path) == want


def test_a_job_says_what_nobody_reads_in_every_attempt(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "training_half", lambda family: toyfamily)
    (tmp_path / "data").mkdir()
    lines = [json.dumps({"text": f"number {place}", "source": "nobody"}) for place in range(40)]
    (tmp_path / "data" / "rows.jsonl").write_text("\n".join(lines))
    source = {"kind": "path", "location": str(tmp_path / "data")}
    changes = {"dataset__source": source, "dataset__format": "jsonl", "hyperparameters__steps": 1}
    job = toy_job(tmp_path / "workspace", family="chat", **changes)

    for _ in range(2):
        assert train(job).result.notes == ["1 column that nobody reads: source (40 rows)."]
