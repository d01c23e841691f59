"""What a model's own files recommend is how it answers, unless a request says otherwise."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import torch
from runtime.serving import tiny_model
from runtime.serving.replica import Replica, serving_config
from transformers import GenerationConfig, LogitsProcessorList
from transformers.generation import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from hostler_runtime.protocols.serving import Prompt, Sampling, SamplingDefaults
from hostler_runtime.text.decoding import BatchedDecoder, chances
from hostler_runtime.text.recommended import recommended

CHAT: Any = {"model": "tiny", "messages": [{"role": "user", "content": "Tell me of the engine"}]}
GREEDY = {"temperature": 1.7, "top_k": 1, "repetition_penalty": 1.9, "max_new_tokens": 5, "no_repeat_ngram_size": 3}
"""One candidate leaves nothing to chance."""


@pytest.mark.parametrize(
    "sampling",
    [
        pytest.param({}, id="nothing is left out"),
        pytest.param({"temperature": 0.6, "top_p": 0.95, "top_k": 20}, id="as Qwen3 recommends"),
        pytest.param({"top_k": 1}, id="the likeliest alone"),
        pytest.param({"top_k": 1000}, id="more candidates than tokens"),
        pytest.param({"temperature": 1.5, "min_p": 0.1}, id="a share of the likeliest"),
        pytest.param({"temperature": 2.0, "top_k": 30, "top_p": 0.8, "min_p": 0.05}, id="all at once"),
    ],
)
def test_chances_are_those_of_transformers(sampling: dict[str, Any]) -> None:
    logits = torch.randn(64, generator=torch.Generator().manual_seed(3)) * 3
    wanted = Sampling(seed=0, **sampling)
    warpers = LogitsProcessorList([TemperatureLogitsWarper(wanted.temperature)])
    if wanted.top_k:
        warpers.append(TopKLogitsWarper(wanted.top_k))
    if wanted.top_p < 1:
        warpers.append(TopPLogitsWarper(wanted.top_p))
    if wanted.min_p:
        warpers.append(MinPLogitsWarper(wanted.min_p))
    expected = warpers(torch.zeros(1, 1, dtype=torch.long), logits[None])[0].softmax(-1)

    found = chances(logits, wanted)

    assert torch.allclose(found / found.sum(), expected, atol=1e-6)


def test_a_penalty_on_repetition_is_that_of_transformers() -> None:
    """Also beside a sequence that has none, and for what the answer itself has said."""
    model = tiny_model.make_model(len(tiny_model.make_tokenizer())).eval()
    prompt, penalty, steps = (5, 9, 9, 2), 1.8, 12
    penalize = RepetitionPenaltyLogitsProcessor(penalty)
    expected = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(steps):
            scores = penalize(expected, model(expected).logits[:, -1].float())
            expected = torch.cat([expected, scores.argmax(-1, keepdim=True)], dim=1)
    stream = BatchedDecoder(model)
    members = [Prompt(0, prompt, Sampling(0, 0.0, repetition_penalty=penalty)), Prompt(1, (7, 8), Sampling(0, 0.0))]
    found, plain = [], []
    for step in range(steps):
        fresh = stream.step() if step else stream.add(members)
        found.append(fresh[0])
        plain.append(fresh[1])

    assert [*prompt, *found] == expected[0].tolist()
    alone = BatchedDecoder(model)
    assert plain == [(alone.step() if step else alone.add(members[1:]))[1] for step in range(steps)]


@pytest.mark.parametrize(
    ("given", "want", "left"),
    [
        pytest.param({}, SamplingDefaults(), "", id="nothing is recommended"),
        pytest.param(
            {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "eos_token_id": [1, 2]},
            SamplingDefaults(temperature=0.6, top_p=0.95, top_k=20), "", id="as Qwen3 does",
        ),
        pytest.param(
            {"min_p": 0.1, "repetition_penalty": 1.05, "max_new_tokens": 2048},
            SamplingDefaults(min_p=0.1, repetition_penalty=1.05, max_new_tokens=2048), "", id="the others",
        ),
        pytest.param(
            {"temperature": 0.5, "typical_p": 0.3, "no_repeat_ngram_size": 2}, SamplingDefaults(temperature=0.5),
            "no_repeat_ngram_size 2, typical_p 0.3", id="what the sampler does not know is named",
        ),
        pytest.param(
            {"repetition_penalty": 0.0, "top_k": True}, SamplingDefaults(), "repetition_penalty 0.0, top_k True",
            id="and what makes no sense",
        ),
    ],
)  # fmt: skip
def test_what_is_recommended(
    caplog: pytest.LogCaptureFixture, given: dict[str, Any], want: SamplingDefaults, left: str
) -> None:
    generation = GenerationConfig()
    for name, value in given.items():
        setattr(generation, name, value)

    with caplog.at_level(logging.WARNING):
        found = recommended(generation)

    assert found == want
    assert [getattr(record, "fields", {}).get("settings") for record in caplog.records] == ([left] if left else [])


@pytest.fixture(scope="module")
def opinionated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """A model that recommends to draw from one candidate, and short answers."""
    root = tmp_path_factory.mktemp("opinionated")
    directory = tiny_model.save(root / "model")
    path = directory / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | GREEDY | {"do_sample": True}))
    with Replica(root / "replica", serving_config(directory)) as one:
        yield one.wait_ready()


def test_a_request_that_says_nothing_is_answered_as_recommended(opinionated: Replica) -> None:
    client = opinionated.client()
    answers = [client.chat.completions.create(**CHAT, seed=seed) for seed in range(4)]

    assert len({answer.choices[0].message.content for answer in answers}) == 1
    assert {answer.usage.completion_tokens for answer in answers if answer.usage} == {5}
    (said,) = (line for line in opinionated.log.read_text().splitlines() if "does not apply" in line)
    assert "no_repeat_ngram_size 3" in said


@pytest.mark.parametrize(
    ("asked", "differ"),
    [
        pytest.param({"top_k": 0}, True, id="all candidates"),
        pytest.param({"top_k": 0, "min_p": 1.0}, False, id="the likeliest alone, said in another way"),
    ],
)
def test_a_request_wins(opinionated: Replica, asked: dict[str, Any], *, differ: bool) -> None:
    client: openai.OpenAI = opinionated.client()
    answers = [client.chat.completions.create(**CHAT, seed=seed, max_tokens=8, extra_body=asked) for seed in range(4)]

    assert (len({answer.choices[0].message.content for answer in answers}) > 1) == differ
    assert {answer.usage.completion_tokens for answer in answers if answer.usage} == {8}


def test_a_penalty_can_be_switched_off(opinionated: Replica) -> None:
    client: openai.OpenAI = opinionated.client()
    usual, without = (
        client.chat.completions.create(**CHAT, max_tokens=24, temperature=0, extra_body=body).choices[0].message.content
        for body in ({}, {"repetition_penalty": 1.0})
    )
    assert usual != without
