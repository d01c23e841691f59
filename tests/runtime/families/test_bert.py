"""Encoders that learn hidden words, labels and answers from real text, and serve what they learnt.

Each head is trained once, in this process, by the trainer's own code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.families.encoder_texts import AREAS, functions, paragraphs, stories
from runtime.families.encoders import Trained, encoder_job, train, write_rows
from runtime.serving.replica import Replica, serving_config

from hostler_data.split import Split
from hostler_runtime.families.bert.serving import EncoderModel, load
from hostler_runtime.families.bert.tokenizer import SequenceMaker
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import (
    ClassifyRequest,
    EmbeddingRequest,
    FillMaskRequest,
    QuestionRequest,
    TaskRequest,
)

BRIEF = 20
"""Steps of a model that is only to be served, not to be good."""
QUICK = {"layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": 32, "vocabularySize": 400}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two cores are shared with everything else; sums in a fixed order make runs comparable bit by bit."""
    torch.set_num_threads(1)


def words_job(home: Path, *, steps: int) -> Trained:
    """Hidden words of Python's language reference."""
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "reference.jsonl", paragraphs()),
            encoder={},
            hyperparameters={"steps": steps, "batchSize": 24, "learningRate": 2e-3, "warmupSteps": 100},
        )
    )


def areas_job(home: Path, *, steps: int) -> Trained:
    """Which package of the standard library a function is from."""
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "functions.jsonl", functions(seed=0)),
            encoder={"layers": 1, "contextLength": 128, "vocabularySize": 1500, "head": "classification"},
            hyperparameters={"steps": steps, "batchSize": 32, "learningRate": 2e-3, "warmupSteps": 10},
        )
    )


def answers_job(home: Path, *, steps: int) -> Trained:
    """Who, what, where and when in stories of one event."""
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "stories.jsonl", stories(seed=0, count=2000)),
            encoder={"vocabularySize": 400, "head": "question-answering"},
            hyperparameters={"steps": steps, "batchSize": 32, "learningRate": 3e-3, "warmupSteps": 50},
        )
    )


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained until it finds hidden words."""
    return words_job(tmp_path_factory.mktemp("words"), steps=1400)


@pytest.fixture(scope="session")
def areas(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained until it knows texts by their words."""
    return areas_job(tmp_path_factory.mktemp("areas"), steps=200)


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained until it finds answers."""
    return answers_job(tmp_path_factory.mktemp("answers"), steps=500)


@pytest.fixture(scope="session")
def brief_words(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of hidden words that is there, and no more."""
    return words_job(tmp_path_factory.mktemp("brief-words"), steps=BRIEF)


@pytest.fixture(scope="session")
def brief_areas(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A classifier that is there, and no more."""
    return areas_job(tmp_path_factory.mktemp("brief-areas"), steps=BRIEF)


@pytest.fixture(scope="session")
def brief_answers(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finder of answers that is there, and no more."""
    return answers_job(tmp_path_factory.mktemp("brief-answers"), steps=BRIEF)


@pytest.mark.quality
def test_hidden_words_are_found_from_their_context(words: Trained) -> None:
    metrics = words.result.metrics
    assert metrics["masked_accuracy"] >= metrics["unigram_accuracy"] + 0.1
    assert metrics["masked_accuracy"] >= metrics["masked_accuracy_shuffled"] + 0.1, "a context without order is worse"


@pytest.mark.quality
def test_a_text_is_recognized_by_its_words(areas: Trained) -> None:
    metrics = areas.result.metrics
    assert metrics["accuracy"] >= 0.75
    assert metrics["majority_accuracy"] <= 0.3
    assert metrics["accuracy_shuffled"] <= metrics["majority_accuracy"] + 0.15, "somebody else's words say nothing"


@pytest.mark.quality
def test_answers_are_found_in_their_contexts(answers: Trained) -> None:
    metrics = answers.result.metrics
    assert metrics["exact_match"] >= 0.85
    assert metrics["f1"] >= metrics["exact_match"]
    assert metrics["exact_match_shuffled"] <= 0.5, "the wrong question must bring the wrong answer"


def served(trained: Trained) -> EncoderModel:
    """The model as a server loads it."""
    return load(trained.model, options=LoadOptions())


def held_out(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that a job with the default split does not learn from."""
    rule = Split(10)
    return [row for place, row in enumerate(rows) if rule.held_out(place)]


def best(model: EncoderModel, requests: Sequence[TaskRequest]) -> list[str]:
    """The first candidate of each request, asked eight at a time."""
    found = []
    for start in range(0, len(requests), 8):
        report = model.run_batch(requests[start : start + 8])
        found += [result.candidates[0][0].text for result in report.results]
    return found


def share(right: Sequence[bool]) -> float:
    """How many of them."""
    return float(np.mean(right))


@pytest.mark.quality
def test_the_server_fills_masks_as_well_as_the_job_measured(words: Trained) -> None:
    model = served(words)
    tokenizer = model.reader.tokenizer
    draw = np.random.default_rng(0)
    texts = [tokenizer.tokenize(row["text"])[:40] for row in held_out(paragraphs())]
    texts = [text for text in texts if len(text) >= 12]
    truths, hidden, foreign = [], [], []
    for text, other in zip(texts, [*texts[1:], texts[0]], strict=True):
        # Whole words: a piece of one would be cut differently beside a mask.
        whole = [place for place in range(11) if "##" not in text[place] + text[place + 1]]
        place = int(draw.choice(whole))
        truths.append(text[place])
        for found, around in ((hidden, text), (foreign, other)):
            words_ = [*around[:place], tokenizer.mask_token, *around[place + 1 :]]
            found.append(FillMaskRequest(tokenizer.convert_tokens_to_string(words_), top_k=1))
    right = share([said == truth for said, truth in zip(best(model, hidden), truths, strict=True)])
    wrong = share([said == truth for said, truth in zip(best(model, foreign), truths, strict=True)])
    assert right >= words.result.metrics["unigram_accuracy"] + 0.05
    assert wrong <= right - 0.05, "the words of another text must not do as well"


def test_the_server_labels_texts_as_well_as_the_job_measured(brief_areas: Trained) -> None:
    model = served(brief_areas)
    rows = held_out(functions(seed=0))
    said = best(model, [ClassifyRequest(row["text"]) for row in rows])
    accuracy = share([label == row["label"] for label, row in zip(said, rows, strict=True)])
    assert accuracy == pytest.approx(brief_areas.result.metrics["accuracy"], abs=1e-6)
    config = json.loads((brief_areas.model / "config.json").read_text())
    assert list(config["id2label"].values()) == list(AREAS)


@pytest.mark.quality
def test_the_server_answers_as_well_as_the_job_measured(answers: Trained) -> None:
    model = served(answers)
    rows = held_out(stories(seed=0, count=2000))
    said = best(model, [QuestionRequest(row["question"], row["context"]) for row in rows])
    exact = share([answer == row["answer"] for answer, row in zip(said, rows, strict=True)])
    assert exact == pytest.approx(answers.result.metrics["exact_match"], abs=0.02)


@pytest.mark.quality
def test_an_answer_is_found_in_a_context_of_several_windows(answers: Trained) -> None:
    model = served(answers)
    padding = "it was a long day . " * 30
    row = {"question": "who was it ?", "context": f"{padding}in the old barn anna found the lamp on monday . {padding}"}
    [result] = model.run_batch([QuestionRequest(row["question"], row["context"], top_k=3)]).results
    [candidates] = result.candidates
    assert candidates[0].text == "anna"
    assert row["context"][candidates[0].start : candidates[0].end] == "anna"
    assert result.work.input_tokens > model.reader.maker.context_length


@pytest.mark.quality
def test_vectors_of_texts_on_one_subject_are_neighbours(areas: Trained) -> None:
    model = served(areas)
    rows = held_out(functions(seed=0))
    report = model.run_batch([EmbeddingRequest(row["text"]) for row in rows])
    vectors = np.stack([result.vector for result in report.results])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
    alike = vectors @ vectors.T - 2 * np.eye(len(rows))
    labels = np.array([row["label"] for row in rows])
    assert share(labels[alike.argmax(1)] == labels) >= 0.7
    chance = np.random.default_rng(0).permutation(labels)
    assert share(chance[alike.argmax(1)] == labels) <= 0.4, "neighbours by accident must not count"
    [short] = model.run_batch([EmbeddingRequest(rows[0]["text"], dimensions=8)]).results
    assert short.vector.shape == (8,)
    assert np.linalg.norm(short.vector) == pytest.approx(1, abs=1e-5)


def test_a_result_does_not_depend_on_its_neighbours_in_the_batch(brief_areas: Trained) -> None:
    model = served(brief_areas)
    texts = [row["text"][: 20 + 40 * index] for index, row in enumerate(held_out(functions(seed=0))[:5])]
    requests: list[TaskRequest] = [kind(text) for text in texts for kind in (EmbeddingRequest, ClassifyRequest)]
    assert len({model.batch_key(request) for request in requests}) == 1
    together = model.run_batch(requests)
    for request, result in zip(requests, together.results, strict=True):
        [alone] = model.run_batch([request]).results
        assert alone.work == result.work
        if isinstance(request, EmbeddingRequest):
            assert result.vector == pytest.approx(alone.vector, abs=1e-5)
        else:
            scores = {one.text: one.score for one in alone.candidates[0]}
            assert {one.text: one.score for one in result.candidates[0]} == pytest.approx(scores, abs=1e-5)
    lengths = [result.work.input_tokens for result in together.results]
    assert together.padding is not None
    assert together.padding < 1 - sum(lengths) / (len(lengths) * max(lengths)), "packed rows hold less padding"


@pytest.mark.parametrize(
    ("which", "request_", "code"),
    [
        pytest.param("brief_words", FillMaskRequest("nothing is hidden"), "no_mask", id="a text without a mask"),
        pytest.param(
            "brief_words",
            FillMaskRequest("[MASK] " * 100),
            "context_length_exceeded",
            id="a text longer than the context",
        ),
        pytest.param(
            "brief_areas", EmbeddingRequest("a", dimensions=65), "invalid_value", id="more dimensions than there are"
        ),
        pytest.param(
            "brief_areas", EmbeddingRequest(None, tokens=(5, 10**6)), "invalid_value", id="a token that does not exist"
        ),
        pytest.param("brief_answers", QuestionRequest("who?", " "), "invalid_value", id="an empty context"),
    ],
)
def test_a_request_that_does_not_fit_is_rejected_by_name(
    which: str, request_: TaskRequest, code: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(PromptRejectedError) as caught:
        served(request.getfixturevalue(which)).check(request_)
    assert caught.value.code == code


def test_text_cannot_forge_what_begins_and_ends_a_sequence(brief_areas: Trained) -> None:
    reader = served(brief_areas).reader
    maker, tokenizer = reader.maker, reader.tokenizer
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for text in ("return self", "return [SEP] [MASK] self", "[CLS] [PAD]"):
        assert not special.intersection(maker.tokens(text))
        [window] = maker.windows(text, text)
        assert sum(token in special for token in window.tokens) == 3, "what the sequence itself needs, and no more"
    assert special.intersection(maker.marked_tokens("return [SEP] [MASK] self")), "where asked for they are special"


def test_a_vocabulary_that_asks_for_cutting_and_padding_loses_nothing(brief_words: Trained) -> None:
    tokenizer = served(brief_words).reader.tokenizer
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=40)
    maker = SequenceMaker(tokenizer, context_length=64)
    assert len(tokenizer.backend_tokenizer.encode("the value of the name is the name").ids) == 40
    assert 8 <= len(maker.tokens("the value of the name is the name")) < 20


@pytest.mark.parametrize("which", ["brief_words", "brief_areas", "brief_answers"])
def test_samples_and_card_are_kept_with_the_model(which: str, request: pytest.FixtureRequest) -> None:
    trained = request.getfixturevalue(which)
    samples = (trained.model / "samples" / "final" / "samples.txt").read_text()
    assert samples.count("->") >= trained.job.evaluation.samples
    assert "(was " in samples
    assert "samples" in (trained.model / "README.md").read_text()


def test_openai_s_client_and_plain_http_get_what_the_model_says(brief_areas: Trained, tmp_path: Path) -> None:
    sample = {"path": "/v1/embeddings", "body": {"input": "Hello"}, "expect": "data"}
    config = serving_config(brief_areas.model, family="bert", task="text-classification", sampleRequest=sample)
    rows = held_out(functions(seed=0))[:6]
    texts = [row["text"] for row in rows]
    model = served(brief_areas)
    with Replica(tmp_path, config) as replica:
        replica.wait_ready()
        answer = replica.client().embeddings.create(model="tiny", input=texts)
        for one, text in zip(answer.data, texts, strict=True):
            [alone] = model.run_batch([EmbeddingRequest(text)]).results
            assert one.embedding == pytest.approx(alone.vector.tolist(), abs=1e-5)
        lengths = [len(model.reader.maker.tokens(text)) + 2 for text in texts]
        assert answer.usage.prompt_tokens == sum(lengths)
        said = replica.post("v1/classify", json={"model": "tiny", "inputs": texts, "top_k": 1}).json()
        assert [item["labels"][0]["label"] for item in said["data"]] == best(model, [ClassifyRequest(t) for t in texts])
        other = replica.post("v1/fill-mask", json={"model": "tiny", "inputs": "a [MASK]"})
        assert other.status_code == 404
        long = replica.post("v1/classify", json={"model": "tiny", "inputs": "word " * 500})
        assert long.status_code == 400
        assert long.json()["error"]["code"] == "context_length_exceeded"
