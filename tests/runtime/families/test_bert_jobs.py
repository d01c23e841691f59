"""Encoders from and into the ecosystem's own format, through every objective, and what jobs refuse to learn from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.families.encoder_texts import AREAS, functions
from runtime.families.encoders import Trained, encoder_job, interrupted, train, write_rows
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertModel

from hostler_contract import ErrorReason
from hostler_data.records import open_records
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.families.bert import training
from hostler_runtime.families.bert.serving import load
from hostler_runtime.protocols.serving import LoadOptions, UnservableError
from hostler_runtime.protocols.tasks import ClassifyRequest, EmbeddingRequest, FillMaskRequest

QUICK = {"layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": 32, "vocabularySize": 400}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two cores are shared with everything else; sums in a fixed order make runs comparable bit by bit."""
    torch.set_num_threads(1)


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
        pytest.param(_another_family, "GPT2LMHeadModel is not an encoder", id="another architecture"),
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
        pytest.param(None, {}, "needs output.encoder, or a base model", id="neither sizes nor a base"),
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
            "rows.jsonl:5: label is an object, neither a name nor a whole number",
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


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A classifier that has learnt a little."""
    home = tmp_path_factory.mktemp("base")
    return train(
        encoder_job(
            home,
            data=write_rows(home / "data" / "functions.jsonl", functions(seed=0, count=60)),
            encoder={**QUICK, "layers": 2, "hiddenSize": 32, "contextLength": 64, "head": "classification"},
            hyperparameters={"steps": 40, "batchSize": 32},
        )
    )


@pytest.mark.parametrize(
    ("objective", "encoder", "steps", "size"),
    [
        pytest.param({"kind": "finetune", "lora": {"rank": 2}}, None, 4, "as large", id="an adapter, merged"),
        pytest.param({"kind": "distill"}, {"layers": 1, "hiddenSize": 32}, 4, "smaller", id="half the layers"),
        pytest.param({"kind": "prune"}, None, 4, "as large", id="zeros among the weights"),
        pytest.param({"kind": "prune", "prune": {"method": "structured"}}, None, 4, "smaller", id="fewer channels"),
        pytest.param({"kind": "quantize"}, None, 0, "smaller", id="8-bit weights"),
        pytest.param(
            {"kind": "quantize", "quantize": {"method": "int8-dynamic"}},
            None,
            0,
            "smaller",
            id="8-bit weights and inputs",
        ),
    ],
)
def test_every_objective_makes_a_model_that_is_served(
    tmp_path: Path,
    base: Trained,
    objective: dict[str, Any],
    encoder: dict[str, Any] | None,
    steps: int,
    size: str,
) -> None:
    made = train(
        encoder_job(
            tmp_path,
            data=Path(base.job.dataset.source.location),
            encoder=None if encoder is None else {**QUICK, "contextLength": 64, "head": "classification", **encoder},
            inputs={"base": str(base.model)},
            objective=objective,
            hyperparameters={"steps": steps, "learningRate": 1e-4},
        )
    )
    comparison = made.result.comparison
    assert comparison is not None
    assert (comparison.after.size_bytes < comparison.before.size_bytes) == (size == "smaller")
    assert comparison.before.metrics["accuracy"] == pytest.approx(base.result.metrics["accuracy"], abs=1e-6)
    requests = [ClassifyRequest(row["text"][:100]) for row in functions(seed=1, count=4)]
    old, new = (load(one.model, options=LoadOptions()).run_batch(requests).results for one in (base, made))
    assert [len(result.candidates[0]) for result in new] == [len(AREAS)] * len(requests)
    if "distill" not in objective.values():
        same = [one.candidates[0][0].text == other.candidates[0][0].text for one, other in zip(old, new, strict=True)]
        assert sum(same) >= 0.8 * len(same), "hardly changed, a model says the same"


def test_what_may_be_pruned_and_adapted_are_the_layers_of_the_blocks(base: Trained) -> None:
    network = load(base.model, options=LoadOptions()).network
    names = [name for name, _ in training.prunable(network)]
    assert len(names) == 12
    assert all(isinstance(network.get_submodule(name), torch.nn.Linear) for name in names)
    assert not any("embeddings" in name or "classifier" in name or "pooler" in name for name in names)
