"""Encoders that learn hidden words, labels and answers from real text, and serve what they learnt.

Each head is trained once, in this process, by the trainer's own code.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.quality.encoder_texts import AREAS, functions, paragraphs, stories
from runtime.quality.encoders import Trained, encoder_job, interrupted, train, write_rows
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertModel

from hostler_contract import ErrorReason
from hostler_data.records import open_records
from hostler_data.split import Split
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.families.bert import training
from hostler_runtime.families.bert.serving import EncoderModel, load
from hostler_runtime.families.serving_protocol import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.families.tasks import (
    ClassifyRequest,
    EmbeddingRequest,
    FillMaskRequest,
    QuestionRequest,
    TaskRequest,
)

QUICK = {"layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": 32, "vocabularySize": 400}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two cores are shared with everything else; sums in a fixed order make runs comparable bit by bit."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Hidden words of Python's language reference."""
    home = tmp_path_factory.mktemp("words")
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "reference.jsonl", paragraphs()),
            encoder={"hiddenSize": 128},
            hyperparameters={"steps": 900, "batchSize": 24, "learningRate": 3e-3, "warmupSteps": 20},
        )
    )


@pytest.fixture(scope="session")
def areas(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Which package of the standard library a function is from."""
    home = tmp_path_factory.mktemp("areas")
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "functions.jsonl", functions(seed=0)),
            encoder={"layers": 1, "contextLength": 128, "vocabularySize": 1500, "head": "classification"},
            hyperparameters={"steps": 200, "batchSize": 32, "learningRate": 2e-3, "warmupSteps": 10},
        )
    )


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Who, what, where and when in stories of one event."""
    home = tmp_path_factory.mktemp("answers")
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "stories.jsonl", stories(seed=0, count=2000)),
            encoder={"vocabularySize": 400, "head": "question-answering"},
            hyperparameters={"steps": 500, "batchSize": 32, "learningRate": 3e-3, "warmupSteps": 50},
        )
    )


def test_hidden_words_are_found_from_their_context(words: Trained) -> None:
    metrics = words.result.metrics
    assert metrics["masked_accuracy"] >= metrics["unigram_accuracy"] + 0.1
    assert metrics["masked_accuracy"] >= metrics["masked_accuracy_shuffled"] + 0.05, "a context without order is worse"


def test_a_text_is_recognized_by_its_words(areas: Trained) -> None:
    metrics = areas.result.metrics
    assert metrics["accuracy"] >= 0.85
    assert metrics["majority_accuracy"] <= 0.3
    assert metrics["accuracy_shuffled"] <= metrics["majority_accuracy"] + 0.15, "somebody else's words say nothing"


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


def test_the_server_fills_masks_as_well_as_the_job_measured(words: Trained) -> None:
    model = served(words)
    tokenizer = model.reader.tokenizer
    draw = np.random.default_rng(0)
    truths, hidden, mixed = [], [], []
    for row in held_out(paragraphs())[:200]:
        tokens = tokenizer(row["text"], add_special_tokens=False)["input_ids"][:40]
        if len(tokens) < 8:
            continue
        place = int(draw.integers(len(tokens)))
        truths.append(tokenizer.decode([tokens[place]]))
        others = [token for index, token in enumerate(tokens) if index != place]
        draw.shuffle(others)
        for found, around in ((hidden, tokens[:place] + tokens[place + 1 :]), (mixed, others)):
            text = [*around[:place], tokenizer.mask_token_id, *around[place:]]
            found.append(FillMaskRequest(tokenizer.decode(text), top_k=1))
    right = share([said == truth for said, truth in zip(best(model, hidden), truths, strict=True)])
    wrong = share([said == truth for said, truth in zip(best(model, mixed), truths, strict=True)])
    assert right >= words.result.metrics["unigram_accuracy"] + 0.05
    assert wrong < right, "words in any order must not do as well"


def test_the_server_labels_texts_as_well_as_the_job_measured(areas: Trained) -> None:
    model = served(areas)
    rows = held_out(functions(seed=0))
    said = best(model, [ClassifyRequest(row["text"]) for row in rows])
    accuracy = share([label == row["label"] for label, row in zip(said, rows, strict=True)])
    assert accuracy == pytest.approx(areas.result.metrics["accuracy"], abs=1e-6)
    config = json.loads((areas.model / "config.json").read_text())
    assert list(config["id2label"].values()) == list(AREAS)


def test_the_server_answers_as_well_as_the_job_measured(answers: Trained) -> None:
    model = served(answers)
    rows = held_out(stories(seed=0, count=2000))
    said = best(model, [QuestionRequest(row["question"], row["context"]) for row in rows])
    exact = share([answer == row["answer"] for answer, row in zip(said, rows, strict=True)])
    assert exact == pytest.approx(answers.result.metrics["exact_match"], abs=0.02)


def test_an_answer_is_found_in_a_context_of_several_windows(answers: Trained) -> None:
    model = served(answers)
    padding = "it was a long day . " * 30
    row = {"question": "who was it ?", "context": f"{padding}in the old barn anna found the lamp on monday . {padding}"}
    [result] = model.run_batch([QuestionRequest(row["question"], row["context"], top_k=3)]).results
    [candidates] = result.candidates
    assert candidates[0].text == "anna"
    assert row["context"][candidates[0].start : candidates[0].end] == "anna"
    assert result.work.input_tokens > model.reader.maker.context_length


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


def test_a_result_does_not_depend_on_its_neighbours_in_the_batch(areas: Trained) -> None:
    model = served(areas)
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
        pytest.param("words", FillMaskRequest("nothing is hidden"), "no_mask", id="a text without a mask"),
        pytest.param(
            "words", FillMaskRequest("[MASK] " * 100), "context_length_exceeded", id="a text longer than the context"
        ),
        pytest.param(
            "areas", EmbeddingRequest("a", dimensions=65), "invalid_value", id="more dimensions than there are"
        ),
        pytest.param(
            "areas", EmbeddingRequest(None, tokens=(5, 10**6)), "invalid_value", id="a token that does not exist"
        ),
        pytest.param("answers", QuestionRequest("who?", " "), "invalid_value", id="an empty context"),
    ],
)
def test_a_request_that_does_not_fit_is_rejected_by_name(
    which: str, request_: TaskRequest, code: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(PromptRejectedError) as caught:
        served(request.getfixturevalue(which)).check(request_)
    assert caught.value.code == code


def test_text_cannot_forge_what_begins_and_ends_a_sequence(areas: Trained) -> None:
    model = served(areas)
    plain, forged = "return [ sep ] [ mask ] self", "return [SEP] [MASK] self"
    special = {model.reader.maker.last, model.reader.tokenizer.mask_token_id}
    for text in (plain, forged):
        with model.reader.maker.verbatim():
            assert not special.intersection(model.reader.maker.tokens(text))
    assert special.intersection(model.reader.maker.tokens(forged)), "outside of it they are what they look like"


@pytest.mark.parametrize("which", ["words", "areas", "answers"])
def test_samples_and_card_are_kept_with_the_model(which: str, request: pytest.FixtureRequest) -> None:
    trained = request.getfixturevalue(which)
    samples = (trained.model / "samples" / "final" / "samples.txt").read_text()
    assert samples.count("->") >= trained.job.evaluation.samples
    assert "(was " in samples
    assert "samples" in (trained.model / "README.md").read_text()


def tiny_checkpoint(directory: Path, *, kind: Any = BertForMaskedLM, vocabulary: int = 120, **sizes: int) -> Path:
    """A directory as published BERTs look: configuration, vocab.txt, safetensors."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    tokens += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + ["return", "self", "def", "the", "."]
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.3, **sizes,
    )  # fmt: skip
    kind(config).save_pretrained(directory)
    (directory / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    return directory


def test_a_published_checkpoint_is_served_as_it_is(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "base", kind=BertForPreTraining)
    model = load(path, options=LoadOptions())
    assert model.tasks == {EmbeddingRequest, FillMaskRequest}
    [result] = model.run_batch([FillMaskRequest("Return the [MASK] .", top_k=3)]).results
    library = BertForPreTraining.from_pretrained(path).eval()
    inputs = model.reader.tokenizer("Return the [MASK] .", return_tensors="pt")
    place = int((inputs["input_ids"][0] == model.reader.tokenizer.mask_token_id).nonzero())
    with torch.no_grad():
        logits = library(**inputs).prediction_logits[0, place, : len(model.reader.tokenizer)]
    scores, tokens = logits.softmax(-1).topk(3)
    assert [one.token for one in result.candidates[0]] == tokens.tolist()
    assert [one.score for one in result.candidates[0]] == pytest.approx(scores.tolist(), abs=1e-5)


def test_an_encoder_without_a_head_gives_embeddings(tmp_path: Path) -> None:
    model = load(tiny_checkpoint(tmp_path / "base", kind=BertModel), options=LoadOptions())
    assert model.tasks == {EmbeddingRequest}
    [result] = model.run_batch([EmbeddingRequest("return self")]).results
    assert result.vector.shape == (16,)


def test_a_published_checkpoint_learns_to_classify_from_where_it_is(tmp_path: Path) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    rows = write_rows(tmp_path / "rows.jsonl", functions(seed=0, count=20))
    trained = train(
        encoder_job(
            tmp_path,
            data=rows,
            encoder={**QUICK, "layers": 2, "contextLength": 40, "head": "classification"},
            inputs={"base": str(base)},
            objective={"kind": "finetune"},
            hyperparameters={"steps": 2, "learningRate": 1e-9},
        )
    )
    before, after = load_file(base / "model.safetensors"), load_file(trained.model / "model.safetensors")
    shared = [name for name in after if name in before]
    assert len(shared) > 30
    for name in shared:
        assert torch.allclose(before[name], after[name], atol=1e-6), name
    assert after["classifier.weight"].shape == (len(AREAS), 16)
    assert (trained.model / "tokenizer.json").is_file()
    assert trained.result.comparison is not None
    assert ClassifyRequest in load(trained.model, options=LoadOptions()).tasks


def _without_a_layer(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    kept = {name: value for name, value in weights.items() if ".layer.1." not in name}
    save_file(kept, base / "model.safetensors", metadata={"format": "pt"})


def _another_family(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(
        json.dumps({**config, "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]})
    )


def _longer_vocabulary(base: Path) -> None:
    with (base / "vocab.txt").open("a") as stream:
        stream.writelines(f"more{index}\n" for index in range(200))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda base: shutil.rmtree(base), "there is no directory", id="no directory"),
        pytest.param(lambda base: (base / "config.json").unlink(), "has no config.json", id="no configuration"),
        pytest.param(lambda base: (base / "vocab.txt").unlink(), "has no tokenizer.json or vocab.txt", id="no words"),
        pytest.param(lambda base: (base / "model.safetensors").write_bytes(b"?"), "cannot read", id="no weights"),
        pytest.param(_without_a_layer, "16 tensors are missing", id="a layer less than config.json says"),
        pytest.param(_another_family, "GPT2LMHeadModel is not a BERT", id="another architecture"),
        pytest.param(_longer_vocabulary, "they are not a pair", id="a vocabulary that the weights do not know"),
    ],
)
def test_a_checkpoint_that_is_no_bert_is_refused_by_server_and_trainer(
    tmp_path: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    damage(base)
    with pytest.raises(UnservableError) as served_:
        load(base, options=LoadOptions())
    rows = write_rows(tmp_path / "rows.jsonl", functions(seed=0, count=4))
    job = encoder_job(tmp_path, data=rows, inputs={"base": str(base)}, objective={"kind": "finetune"})
    with pytest.raises(RuntimeFailure) as trained:
        train(job)
    for reason, message in ((served_.value.reason, str(served_.value)), (trained.value.reason, trained.value.message)):
        assert reason is ErrorReason.ARTIFACT_UNREADABLE
        assert sentence in message


@pytest.mark.parametrize(
    ("encoder", "sections", "sentence"),
    [
        pytest.param({"hiddenSize": 30}, {}, "hiddenSize 30 is not a multiple of heads 4", id="a width without heads"),
        pytest.param(
            {},
            {"objective": {"supervision": "semi-supervised"}},
            "semi-supervised training needs the head classification",
            id="pseudo-labels for hidden words",
        ),
        pytest.param(None, {}, "needs model.encoder, or a base model", id="neither sizes nor a base"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(
    tmp_path: Path, encoder: dict[str, Any] | None, sections: dict[str, Any], sentence: str
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", functions(seed=0, count=4))
    with pytest.raises(RuntimeFailure) as caught:
        train(encoder_job(tmp_path, data=rows, encoder=encoder, **sections))
    assert caught.value.reason is ErrorReason.INVALID_CONFIGURATION
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        pytest.param({"layers": 3}, "layers is 3, the base model in", id="another depth"),
        pytest.param({"contextLength": 64}, "knows only 40 positions", id="longer than its positions"),
    ],
)
def test_sizes_beside_a_base_must_be_the_base_s_own(tmp_path: Path, sizes: dict[str, int], sentence: str) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    encoder = {**QUICK, "layers": 2, **sizes}
    rows = write_rows(tmp_path / "rows.jsonl", functions(seed=0, count=4))
    job = encoder_job(tmp_path, data=rows, encoder=encoder, inputs={"base": str(base)}, objective={"kind": "finetune"})
    with pytest.raises(RuntimeFailure) as caught:
        train(job)
    assert sentence in caught.value.message


_GOOD_CLASS = [{"text": f"text number {index}", "label": "ab"[index % 2]} for index in range(4)]
_GOOD_ANSWER = [{"question": "who?", "context": "anna and bert", "answer": "anna"} for _ in range(4)]


@pytest.mark.parametrize(
    ("head", "rows", "sentence"),
    [
        pytest.param(
            "masked-lm", [{"body": "a"}, {"body": "b"}], "there is no text; the columns are: body", id="no text"
        ),
        pytest.param(
            "classification",
            [*_GOOD_CLASS, {"text": "x", "label": None}],
            "rows.jsonl:5: the label is missing",
            id="no label",
        ),
        pytest.param(
            "classification",
            [*_GOOD_CLASS, {"text": " ", "label": "a"}],
            "rows.jsonl:5: the text is empty",
            id="an empty text",
        ),
        pytest.param(
            "classification",
            [{"text": "x", "label": index} for index in (0, 1, 7, 1, 0)],
            "rows.jsonl:3: the label 7 is out of range: 3 labels count from 0 to 2",
            id="a number beyond the labels",
        ),
        pytest.param(
            "classification",
            [{"text": "x", "label": index} for index in (0, 1, -1)],
            "rows.jsonl:3: the label -1 is out of range",
            id="a negative number",
        ),
        pytest.param(
            "classification",
            [*_GOOD_CLASS, {"text": "x", "label": {"name": "a"}}],
            "rows.jsonl:5: the label \"{'name': 'a'}\" is neither a name nor a whole number",
            id="an object for a label",
        ),
        pytest.param(
            "classification",
            [{"text": "x", "label": "a"} for _ in range(3)],
            "rows.jsonl:3: 1 different labels up to here, and a classifier needs two",
            id="one label only",
        ),
        pytest.param(
            "question-answering",
            [*_GOOD_ANSWER, {**_GOOD_ANSWER[0], "answer": "carla"}],
            "rows.jsonl:5: the answer 'carla' does not stand in its context",
            id="an answer from elsewhere",
        ),
        pytest.param(
            "question-answering",
            [*_GOOD_ANSWER, {**_GOOD_ANSWER[0], "answer_start": 3}],
            "rows.jsonl:5: the answer 'anna' does not stand at character 3 of its context: 'a an'",
            id="an answer in another place",
        ),
        pytest.param(
            "question-answering",
            [*_GOOD_ANSWER, {"question": "who?", "context": "anna"}],
            "rows.jsonl:5: there is no answer; the columns are: context, question",
            id="no answer",
        ),
    ],
)
def test_data_that_cannot_be_learnt_is_named_by_file_and_row(
    tmp_path: Path, head: str, rows: list[dict[str, Any]], sentence: str
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", rows)
    job = encoder_job(tmp_path, data=path, encoder={**QUICK, "head": head})
    with pytest.raises(Exception) as caught:
        train(job)
    failure = classify(caught.value)
    assert failure.reason is ErrorReason.DATASET_INVALID
    assert sentence in failure.message


def test_answers_may_come_in_squad_s_own_shape(tmp_path: Path) -> None:
    rows = [
        {"question": "who?", "context": "anna and anna", "answers": {"text": ["anna", "Anna"], "answer_start": [9, 0]}}
        for _ in range(4)
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    job = encoder_job(
        tmp_path,
        data=path,
        encoder={**QUICK, "head": "question-answering"},
        dataset={"columns": {"answer": "answers"}},
    )
    directory = tmp_path / "prepared"
    directory.mkdir()
    records = open_records([path], root=tmp_path, format="jsonl", columns=job.dataset.columns)
    training.prepare(job, records, directory)
    dataset = training.open_dataset(job, directory)
    table = dataset.train.examples.table[0]
    tokens = dataset.train.examples.piece(0).tokens
    said = dataset.tokenizer.decode(tokens[table["begin"] : table["end"] + 1])
    assert said == "anna"
    assert table["begin"] > len(tokens) // 2, "the second anna is meant"
    assert dataset.questions()[0].answers == ["anna", "Anna"]


@pytest.mark.parametrize(
    ("encoder", "objective"),
    [
        pytest.param({}, {}, id="hidden words"),
        pytest.param({"head": "classification", "dropoutPercent": 10}, {}, id="labels, with dropout"),
        pytest.param(
            {"head": "classification"},
            {"supervision": "semi-supervised", "semiSupervised": {"threshold": 0.3}},
            id="labels and pseudo-labels",
        ),
    ],
)
def test_a_job_that_was_interrupted_ends_where_it_would_have_ended(
    tmp_path: Path, encoder: dict[str, Any], objective: dict[str, Any]
) -> None:
    rows = functions(seed=0, count=20)
    if objective:
        rows = [row if place % 2 else {"text": row["text"]} for place, row in enumerate(rows)]
    path = write_rows(tmp_path / "data" / "rows.jsonl", rows)

    def job(name: str) -> Any:
        return encoder_job(
            tmp_path / name,
            data=path,
            encoder={**QUICK, **encoder},
            objective=objective,
            hyperparameters={"steps": 8},
            dataset={"validationPercent": 30},
        )

    whole, resumed = train(job("whole")), interrupted(job("resumed"), after=3)
    assert resumed.result.metrics == whole.result.metrics
    left, right = (load_file(one.model / "model.safetensors") for one in (whole, resumed))
    assert left.keys() == right.keys()
    for name, weights in left.items():
        assert torch.equal(weights, right[name]), name


def test_what_may_be_pruned_and_adapted_are_the_layers_of_the_blocks(areas: Trained) -> None:
    network = served(areas).network
    names = [name for name, _ in training.prunable(network)]
    assert len(names) == 6
    assert all(isinstance(network.get_submodule(name), torch.nn.Linear) for name in names)
    assert not any("embeddings" in name or "classifier" in name or "pooler" in name for name in names)
