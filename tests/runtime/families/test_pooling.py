"""Embeddings as a directory in the layout of sentence-transformers defines them: the published formulas, by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.families.encoders import encoder_job, train, write_rows
from runtime.packing.architectures import encoder
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from hostler_runtime.families.bert.pooling import copy_pooling
from hostler_runtime.families.bert.serving import load
from hostler_runtime.families.bert.tokenizer import train_tokenizer
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.protocols.tasks import EmbeddingRequest

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "many",
    "small",
    "birds",
    "watch",
    "from",
    "an",
    "old",
    "tree",
]
TEXTS = ["The quick brown fox", "a dog", "many small birds watch the old tree while a lazy fox jumps over"]
WIDTH, CONTEXT = 32, 40
PACKAGE = "sentence_transformers.models"


def minilm(
    directory: Path, *, pooling: dict[str, Any], after: Sequence[str] = ("Normalize",), name: str = "bert"
) -> Path:
    """A directory as MiniLM is published: the encoder, and what stands on it in directories beside it."""
    tokenizer = train_tokenizer(WORDS, vocabulary_size=300, context_length=CONTEXT)
    masked = encoder(name, "masked-lm", vocabulary=len(tokenizer), context=CONTEXT)
    body: Any = masked.base_model
    body.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    kinds = ["Transformer", "Pooling", *after]
    modules = [
        {"idx": place, "name": str(place), "path": "" if place == 0 else f"{place}_{kind}", "type": f"{PACKAGE}.{kind}"}
        for place, kind in enumerate(kinds)
    ]
    (directory / "modules.json").write_text(json.dumps(modules))
    for module in modules[1:]:
        (directory / str(module["path"])).mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": WIDTH, **pooling}))
    return directory


def tokens_of(directory: Path, text: str) -> Tensor:
    """The encoder's last layer, computed by the library alone: tokens x width."""
    tokenizer, body = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    with torch.no_grad():
        found: Tensor = body(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
    return found


def served(directory: Path, texts: Sequence[str] = TEXTS, **options: Any) -> list[np.ndarray]:
    """What the server answers, all texts in one batch."""
    model = load(directory, options=LoadOptions())
    return [one.vector for one in model.run_batch([EmbeddingRequest(text, **options) for text in texts]).results]


def unit(vector: Tensor) -> Tensor:
    """Its direction."""
    return vector / vector.norm()


def weighted(tokens: Tensor) -> Tensor:
    """Later tokens weigh more."""
    places = torch.arange(1, len(tokens) + 1)[:, None]
    return (tokens * places).sum(0) / places.sum()


@pytest.mark.parametrize(
    ("pooling", "after", "want"),
    [
        pytest.param(
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, ["Normalize"],
            lambda tokens: unit(tokens.mean(0)), id="MiniLM: the mean, as a unit vector",
        ),
        pytest.param(
            {"pooling_mode_mean_tokens": True}, [], lambda tokens: tokens.mean(0), id="the mean as it is",
        ),
        pytest.param(
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ["Normalize"],
            lambda tokens: unit(tokens[0]), id="BGE: the first token, as a unit vector",
        ),
        pytest.param({"pooling_mode_max_tokens": True}, [], lambda tokens: tokens.amax(0), id="the largest"),
        pytest.param(
            {"pooling_mode_mean_sqrt_len_tokens": True}, [],
            lambda tokens: tokens.sum(0) / math.sqrt(len(tokens)), id="the sum over the root of the length",
        ),
        pytest.param({"pooling_mode_weightedmean_tokens": True}, [], weighted, id="a mean by place"),
        pytest.param({"pooling_mode_lasttoken": True}, [], lambda tokens: tokens[-1], id="the last token"),
        pytest.param({"pooling_mode": "cls"}, [], lambda tokens: tokens[0], id="newer files say it so"),
        pytest.param(
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, ["Normalize"],
            lambda tokens: unit(torch.cat([tokens[0], tokens.mean(0)])), id="two of them side by side",
        ),
    ],
)  # fmt: skip
def test_vectors_are_those_of_the_published_definition(
    tmp_path: Path, pooling: dict[str, Any], after: list[str], want: Callable[[Tensor], Tensor]
) -> None:
    directory = minilm(tmp_path / "model", pooling=pooling, after=after)

    for text, vector in zip(TEXTS, served(directory), strict=True):
        np.testing.assert_allclose(vector, want(tokens_of(directory, text)).numpy(), atol=1e-5)


def test_modernbert_pools_like_the_others(tmp_path: Path) -> None:
    directory = minilm(tmp_path / "model", pooling={"pooling_mode_cls_token": True}, name="modernbert")

    for text, vector in zip(TEXTS, served(directory), strict=True):
        np.testing.assert_allclose(vector, unit(tokens_of(directory, text)[0]).numpy(), atol=1e-5)


def test_an_encoder_without_a_definition_gives_means_as_unit_vectors(tmp_path: Path) -> None:
    directory = minilm(tmp_path / "model", pooling={"pooling_mode_cls_token": True})
    (directory / "modules.json").unlink()

    for text, vector in zip(TEXTS, served(directory), strict=True):
        np.testing.assert_allclose(vector, unit(tokens_of(directory, text).mean(0)).numpy(), atol=1e-5)


def with_dense(directory: Path, *, activation: str = "Tanh") -> Path:
    """A model whose vectors go through a dense layer to a quarter of the width."""
    minilm(directory, pooling={"pooling_mode_mean_tokens": True}, after=["Dense", "Normalize"])
    torch.manual_seed(1)
    save_file(
        {"linear.weight": torch.randn(WIDTH // 4, WIDTH), "linear.bias": torch.randn(WIDTH // 4)},
        directory / "2_Dense" / "model.safetensors",
    )
    settings = {"in_features": WIDTH, "out_features": WIDTH // 4, "activation_function": f"torch.nn.{activation}"}
    (directory / "2_Dense" / "config.json").write_text(json.dumps(settings))
    return directory


def test_a_dense_layer_after_the_pooling_counts(tmp_path: Path) -> None:
    directory = with_dense(tmp_path / "model")
    torch.manual_seed(1)
    weight, bias = torch.randn(WIDTH // 4, WIDTH), torch.randn(WIDTH // 4)

    for text, vector in zip(TEXTS, served(directory), strict=True):
        want = unit(torch.tanh(weight @ tokens_of(directory, text).mean(0) + bias))
        np.testing.assert_allclose(vector, want.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("after", "length"),
    [pytest.param(["Normalize"], 1.0, id="unit vectors stay that"), pytest.param([], None, id="others")],
)
def test_shorter_vectors_begin_like_the_whole_ones(tmp_path: Path, after: list[str], length: float | None) -> None:
    directory = minilm(tmp_path / "model", pooling={"pooling_mode_mean_tokens": True}, after=after)

    [whole], [short] = served(directory, TEXTS[:1]), served(directory, TEXTS[:1], dimensions=8)

    assert short.shape == (8,)
    np.testing.assert_allclose(short / np.linalg.norm(short), whole[:8] / np.linalg.norm(whole[:8]), atol=1e-5)
    assert np.linalg.norm(short) == pytest.approx(length if length is not None else np.linalg.norm(whole[:8]), abs=1e-5)


def test_settings_beside_the_modules_count(tmp_path: Path) -> None:
    directory = minilm(tmp_path / "model", pooling={"pooling_mode_mean_tokens": True})
    (directory / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 12, "do_lower_case": True}))
    (directory / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "many small "}, "default_prompt_name": "query"})
    )

    [vector] = served(directory, ["birds"])

    np.testing.assert_allclose(vector, unit(tokens_of(directory, "many small birds").mean(0)).numpy(), atol=1e-5)
    with pytest.raises(PromptRejectedError, match="this model reads at most 12"):
        served(directory, [" ".join(["birds"] * 20)])


def _modules(directory: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    listed = json.loads((directory / "modules.json").read_text())
    change(listed)
    (directory / "modules.json").write_text(json.dumps(listed))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(
            lambda at: _modules(at, lambda one: one[2].update(type="mine.Odd")), "the module Odd is not known",
            id="a module of somebody's own",
        ),
        pytest.param(
            lambda at: (at / "1_Pooling" / "config.json").write_text('{"pooling_mode_median_tokens": true}'),
            "pools by median_tokens; known are cls_token", id="an unknown mode",
        ),
        pytest.param(
            lambda at: (at / "1_Pooling" / "config.json").write_text("{}"), "pools by nothing", id="no mode",
        ),
        pytest.param(
            lambda at: _modules(at, lambda one: one[1].update(path="../../etc")), "is no directory of the model",
            id="a module outside of the model",
        ),
        pytest.param(
            lambda at: _modules(at, lambda one: one.pop(1)), "begins with Transformer, Dense", id="no pooling",
        ),
        pytest.param(
            lambda at: (at / "modules.json").write_text('{"a": 1}'), "is no list of objects", id="another document",
        ),
        pytest.param(
            lambda at: (at / "2_Dense" / "model.safetensors").rename(at / "2_Dense" / "pytorch_model.bin"),
            "can run code when loaded", id="pickled weights",
        ),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_be_followed_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    directory = with_dense(tmp_path / "model")
    damage(directory)

    with pytest.raises(UnservableError) as refused:
        load(directory, options=LoadOptions())

    assert sentence in str(refused.value)


def test_a_model_that_was_tuned_pools_as_its_base_did(tmp_path: Path) -> None:
    base = minilm(tmp_path / "base", pooling={"pooling_mode_cls_token": True})
    data = write_rows(
        tmp_path / "rows.jsonl", [{"text": text, "label": "ab"[place % 2]} for place, text in enumerate(TEXTS * 4)]
    )
    tuned = train(
        encoder_job(
            tmp_path,
            data=data,
            encoder={
                "layers": 4, "hiddenSize": WIDTH, "heads": 4, "contextLength": CONTEXT, "head": "classification",
            },
            inputs={"base": str(base)},
            objective={"kind": "finetune"},
            hyperparameters={"steps": 1, "learningRate": 1e-9},
        )
    )  # fmt: skip

    for before, after in zip(served(base), served(tuned.model), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-4)


def test_what_has_no_definition_has_nothing_to_bring_along(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()

    copy_pooling(tmp_path / "from", tmp_path / "to")

    assert not list((tmp_path / "to").iterdir())
