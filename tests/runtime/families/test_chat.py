"""Chat: a model of conversations answers questions about what its data said, asked in words that were held out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from runtime.families import facts
from runtime.families.facts import Question
from runtime.families.jobs import Trained, served, train

WORLD, OTHER_WORLD = 1, 2

pytestmark = pytest.mark.quality


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small Llama on 240 conversations about 48 facts: 16 s on one core."""
    root = tmp_path_factory.mktemp("chat")
    learnt, _ = facts.questions(facts.world(seed=WORLD))
    facts.write_conversations(root / "conversations.jsonl", learnt, seed=0)
    return train(
        root,
        family="chat",
        model={
            "transformer": {
                "architecture": "llama", "layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 128,
                "vocabularySize": 512,
            }
        },
        dataset={"source": {"kind": "path", "location": str(root / "conversations.jsonl")}, "format": "jsonl"},
        hyperparameters={"steps": 500, "batchSize": 48, "learningRate": 4e-3, "warmupSteps": 20},
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """Of a server of the model."""
    with served(trained, tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture(scope="module")
def answers(client: openai.OpenAI) -> dict[str, str]:
    """What the server says to every held-out question."""
    _, held_out = facts.questions(facts.world(seed=WORLD))
    return {question.text: ask(client, question.text) for question in held_out}


def ask(client: openai.OpenAI, text: str) -> str:
    """One question, one answer."""
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": text}], temperature=0, max_tokens=24
    )
    return (answer.choices[0].message.content or "").strip()


def share_right(answers: dict[str, str], asked: list[Question]) -> float:
    """Answers that are right, word for word."""
    return sum(answers[question.text] == question.answer for question in asked) / len(asked)


def test_questions_in_held_out_words_are_answered_from_the_data(answers: dict[str, str]) -> None:
    _, held_out = facts.questions(facts.world(seed=WORLD))

    assert share_right(answers, held_out) >= 0.9


def test_the_same_answers_are_wrong_about_other_facts(answers: dict[str, str]) -> None:
    """The control: in a world where the same people live elsewhere, only chance (1 in 8) makes an answer right."""
    _, other = facts.questions(facts.world(seed=OTHER_WORLD))

    assert share_right(answers, other) <= 0.3


def test_each_question_is_answered_and_not_just_any(answers: dict[str, str]) -> None:
    """The control for the condition: an answer fits its own question, and not the next one."""
    _, held_out = facts.questions(facts.world(seed=WORLD))
    moved = {
        asked.text: answers[other.text] for asked, other in zip(held_out, held_out[1:] + held_out[:1], strict=True)
    }

    assert share_right(moved, held_out) <= 0.1


def test_the_result_says_how_many_held_out_answers_are_right(trained: Trained) -> None:
    metrics = trained.result.metrics

    assert metrics["answer_accuracy"] >= 0.9
    assert metrics["commonest_answer_accuracy"] <= 0.2
    assert metrics["validation_perplexity"] < metrics["bigram_perplexity"] < metrics["unigram_perplexity"]


def test_short_conversations_share_rows(trained: Trained) -> None:
    assert trained.result.dataset is not None
    assert trained.result.dataset.packing_factor is not None
    assert trained.result.dataset.packing_factor > 5


def test_an_answer_ends_where_the_assistant_ends_its_turn(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "What is the job of Ada?"}], temperature=0, max_tokens=24
    )

    assert answer.choices[0].finish_reason == "stop"
    assert "<|" not in (answer.choices[0].message.content or "")


def test_a_role_that_the_template_does_not_know_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="tiny",
            messages=[{"role": "tool", "content": "What is the job of Ada?", "tool_call_id": "1"}],
            max_tokens=4,
        )


def test_the_model_cannot_fill_in_the_middle_and_says_so(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="not trained to fill in the middle"):
        client.completions.create(model="tiny", prompt="Ada is", suffix=".", max_tokens=4)


def test_samples_show_held_out_questions_with_answers(trained: Trained) -> None:
    lines = (Path(trained.job.workspace) / "samples" / "final" / "samples.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]

    assert len(samples) == trained.job.evaluation.samples
    assert sum(sample["output"] == sample["reference"] for sample in samples) >= len(samples) - 1
    assert all(sample["prompt"].endswith("<|assistant|>") for sample in samples)
