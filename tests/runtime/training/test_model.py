"""What comes out of training: a model that has learnt from the order of the words, and files that others can load."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from runtime.training.harness import REFERENCE_TEXT, Outcome, Train, make_job
from transformers import AutoModelForCausalLM, AutoTokenizer

from hostler_contract import JobConfig
from hostler_data.files import content_sha256
from hostler_runtime.text import decoder
from hostler_runtime.text.sequences import Sequences
from hostler_runtime.training.artifact import content_hash

CONTEXT = 128


def a_small_llama(root: Path, *, steps: int) -> JobConfig:
    """On 400 kB of Python's reference."""
    (root / "data").mkdir()
    (root / "data" / "reference.txt").write_text(REFERENCE_TEXT)
    sizes = {
        "architecture": "llama", "layers": 2, "hiddenSize": 96, "heads": 4, "contextLength": CONTEXT,
        "vocabularySize": 512,
    }  # fmt: skip
    return make_job(
        root / "workspace", data=root / "data", model__transformer=sizes, hyperparameters__steps=steps,
        hyperparameters__batchSize=8, hyperparameters__learningRate=5e-3, hyperparameters__warmupSteps=20,
        checkpoint__everySteps=250,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, train: Train) -> tuple[JobConfig, Outcome]:
    """A model that has begun to learn the order of words."""
    job = a_small_llama(tmp_path_factory.mktemp("trained"), steps=100)
    return job, train(job)


@pytest.fixture(scope="module")
def loaded(trained: tuple[JobConfig, Outcome]) -> tuple[Any, Any]:
    """The artifacts through the library's own classes, from the disk alone."""
    path = Path(trained[0].workspace) / "model"
    return (
        AutoModelForCausalLM.from_pretrained(path, local_files_only=True),
        AutoTokenizer.from_pretrained(path, local_files_only=True),
    )


def held_out(job: JobConfig) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets that training never saw, a sequence at a time."""
    (prepared,) = (Path(job.workspace) / "cache").glob("prepared-*")
    sequences = Sequences(prepared / "validation")
    return [sequences[index] for index in range(len(sequences))]


@torch.no_grad()
def perplexity(model: Any, sequences: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Computed apart from the code under test."""
    total, count = 0.0, 0
    for inputs, targets in sequences:
        logits = model(input_ids=torch.from_numpy(inputs)[None]).logits[0].log_softmax(-1)
        total -= float(logits.gather(1, torch.from_numpy(targets)[:, None]).sum())
        count += len(targets)
    return math.exp(total / count)


@pytest.mark.quality
def test_held_out_text_is_less_surprising_than_by_counting_words_or_pairs(tmp_path: Path, train: Train) -> None:
    metrics = train(a_small_llama(tmp_path, steps=500)).result.metrics

    assert metrics["validation_perplexity"] < 0.9 * metrics["bigram_perplexity"]


def test_held_out_text_is_less_surprising_than_by_frequency(
    trained: tuple[JobConfig, Outcome],
) -> None:
    metrics = trained[1].result.metrics

    assert metrics["validation_perplexity"] < 0.8 * metrics["unigram_perplexity"]
    assert metrics["bigram_perplexity"] < 0.5 * metrics["unigram_perplexity"]
    assert metrics["validation_perplexity"] == pytest.approx(math.exp(metrics["validation_loss"]))
    assert 1.0 < metrics["validation_bits_per_byte"] < 4.0


def test_the_same_tokens_in_random_order_are_more_surprising_than_by_frequency(
    trained: tuple[JobConfig, Outcome], loaded: tuple[Any, Any]
) -> None:
    """The control of the test above: what was learnt is order, so destroying the order must destroy the gain."""
    generator = np.random.default_rng(0)
    tokens = generator.permutation(np.concatenate([targets for _, targets in held_out(trained[0])]))
    rows = tokens[: len(tokens) // (CONTEXT + 1) * (CONTEXT + 1)].reshape(-1, CONTEXT + 1)
    shuffled = [(row[:-1], row[1:]) for row in rows]

    assert perplexity(loaded[0], shuffled) > trained[1].result.metrics["unigram_perplexity"]


def test_the_loaded_artifact_scores_what_was_reported(
    trained: tuple[JobConfig, Outcome], loaded: tuple[Any, Any]
) -> None:
    measured = perplexity(loaded[0], held_out(trained[0]))

    assert measured == pytest.approx(trained[1].result.metrics["validation_perplexity"], rel=1e-3)


def test_the_tokenizer_gives_every_text_back(loaded: tuple[Any, Any]) -> None:
    tokenizer = loaded[1]
    for text in ("def f(x):\n    return x", "naïve café, 日本語 🚂", "a<|endoftext|>b"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert tokenizer.eos_token == "<|endoftext|>"
    assert tokenizer.padding_side == "left"
    assert tokenizer.model_max_length == 128


def test_a_conversation_becomes_text_to_continue(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    messages = [{"role": "system", "content": "The import statement"}, {"role": "user", "content": "A module is"}]

    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    tokens = tokenizer(rendered, return_tensors="pt", add_special_tokens=False)
    answer = model.generate(**tokens, max_new_tokens=16, do_sample=False)

    assert rendered == "<|endoftext|>The import statement\n\nA module is"
    assert answer.shape[1] > tokens["input_ids"].shape[1]


def test_the_result_describes_the_files(trained: tuple[JobConfig, Outcome], loaded: tuple[Any, Any]) -> None:
    job, outcome = trained
    artifact = outcome.result.artifact
    root = Path(job.workspace) / "model"
    files = sorted(path for path in root.rglob("*") if path.is_file())

    assert artifact is not None
    assert artifact.path == "model"
    assert artifact.size_bytes == sum(path.stat().st_size for path in files)
    assert artifact.sha256 == content_hash(root, files)
    assert artifact.parameters == sum(each.numel() for each in loaded[0].parameters())
    assert artifact.vocabulary_size == loaded[0].config.vocab_size == len(loaded[1])
    assert artifact.kv_bytes_per_token == 2 * 2 * 96 * 4
    assert {path.name for path in files} == {
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json", "samples.jsonl",
    }  # fmt: skip
    assert not list(Path(job.workspace).glob(".model*"))
    assert len(outcome.result.to_termination_message().encode()) < 4096


def test_the_dataset_is_part_of_the_lineage(trained: tuple[JobConfig, Outcome]) -> None:
    dataset = trained[1].result.dataset

    assert dataset is not None
    assert dataset.size_bytes == len(REFERENCE_TEXT.encode())
    (file,) = (Path(trained[0].workspace).parent / "data").iterdir()
    assert dataset.sha256 == content_sha256([file], root=file.parent)
    assert dataset.tokens > 100_000


def test_the_model_card_has_a_header_that_catalogs_read(trained: tuple[JobConfig, Outcome]) -> None:
    text = (Path(trained[0].workspace) / "model" / "README.md").read_text()
    _, header, body = text.split("---\n", maxsplit=2)

    facts = yaml.safe_load(header)
    assert (facts["library_name"], facts["pipeline_tag"]) == ("transformers", "text-generation")
    assert facts["tags"] == ["hostler", "chat", "pretrain"]
    assert "A `llama` decoder with" in body
    assert "| validation perplexity |" in body


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_precision_asked_for_is_the_one_computed_in(
    precision: str, dtype: torch.dtype, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    genuine = decoder.forward

    def forward(model: Any, batch: Any) -> torch.Tensor:
        # The wrapper that computes in lower precision gives its results back in full.
        handle = model.lm_head.register_forward_hook(lambda _module, _inputs, output: seen.add(output.dtype))
        try:
            return genuine(model, batch)
        finally:
            handle.remove()

    monkeypatch.setattr(decoder, "forward", forward)

    result = train(make_job(tmp_path / "workspace", hyperparameters__precision=precision)).result

    assert seen == {dtype}
    assert math.isfinite(result.metrics["validation_loss"])
