"""From what an encoder heard to tokens: Whisper's decoder step by step, CTC's best path.

A row's choice depends on nothing but its own sound, prompt and seed, whoever shares the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

GREEDY_BELOW = 1e-4
"""A temperature this low leaves nothing to chance, and dividing by it would overflow."""


@dataclass(frozen=True)
class Written:
    """Tokens of one row, with the mean of their log probabilities."""

    tokens: tuple[int, ...]
    log_probability: float


@dataclass(frozen=True)
class Rules:
    """Which tokens a Whisper may write."""

    end: int
    never: Tensor
    """Token ids that are no part of a text."""
    not_first: Tensor
    """Token ids that do not begin one."""
    positions: int
    """Tokens that the decoder has positions for, the prompt's included."""


@dataclass(frozen=True)
class Choice:
    """How one row picks its tokens."""

    temperature: float = 0.0
    seed: int = 0


def write(
    model: Any, heard: Tensor, prompts: Sequence[Sequence[int]], *, choices: Sequence[Choice], rules: Rules
) -> list[Written]:
    """Continue prompts of one length by the encoder's output (rows x positions x width) until every row has ended."""
    device = heard.device
    generators = [torch.Generator(device=device).manual_seed(each.seed) for each in choices]
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    tokens: list[list[int]] = [[] for _ in prompts]
    scores = [0.0] * len(prompts)
    running = set(range(len(prompts)))
    newest = torch.tensor([list(each) for each in prompts], device=device)
    length = newest.shape[1]
    while running and length <= rules.positions:
        logits = _next(model, newest, heard=heard, cache=cache)
        logits[:, rules.never] = -torch.inf
        if not any(tokens):
            logits[:, rules.not_first] = -torch.inf
        log_probabilities = logits.log_softmax(-1)
        chosen = _choose(log_probabilities, choices, generators)
        for row in list(running):
            scores[row] += float(log_probabilities[row, chosen[row]])
            if chosen[row] == rules.end:
                running.remove(row)
            else:
                tokens[row].append(chosen[row])
        newest = torch.tensor(chosen, device=device)[:, None]
        length += 1
    # The end is one of the tokens that were chosen; a row that ran out of positions has none.
    return [
        Written(tuple(each), score / max(1, len(each) + (row not in running)))
        for row, (each, score) in enumerate(zip(tokens, scores, strict=True))
    ]


def listen(model: Any, features: Tensor, *, start: int) -> tuple[Tensor, Tensor]:
    """The encoder's output (rows x positions x width), and the logits of what the decoder expects after the token that
    begins every transcript: the language (rows x vocabulary)."""
    begin = torch.full((len(features), 1), start, device=features.device)
    # Through the whole network, because the hooks that gather sharded weights hang on that.
    out = model(input_features=features, decoder_input_ids=begin, use_cache=False)
    return out.encoder_last_hidden_state, _checked(out.logits[:, -1])


def _next(model: Any, tokens: Tensor, *, heard: Tensor, cache: Any) -> Tensor:
    out = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=heard),
        decoder_input_ids=tokens,
        past_key_values=cache,
        use_cache=True,
    )
    return _checked(out.logits[:, -1])


def _checked(logits: Tensor) -> Tensor:
    if bool(torch.isnan(logits).any()):
        raise FloatingPointError("the model computed NaN: its weights are damaged or their number type is too narrow")
    return logits.float()


def _choose(log_probabilities: Tensor, choices: Sequence[Choice], generators: Sequence[torch.Generator]) -> list[int]:
    likeliest: list[int] = log_probabilities.argmax(-1).tolist()
    return [
        likeliest[row]
        if choice.temperature < GREEDY_BELOW
        else int(torch.multinomial((log_probabilities[row] / choice.temperature).softmax(-1), 1, generator=generator))
        for row, (choice, generator) in enumerate(zip(choices, generators, strict=True))
    ]


def best_path(log_probabilities: Tensor, *, blank: int) -> Written:
    """CTC's greedy decoding of one row (steps x vocabulary): repeated tokens become one, blanks none."""
    values, path = log_probabilities.max(-1)
    tokens, scores = [], []
    before = blank
    for token, value in zip(path.tolist(), values.tolist(), strict=True):
        if token != before and token != blank:
            tokens.append(token)
            scores.append(value)
        before = token
    return Written(tuple(tokens), sum(scores) / max(1, len(scores)))
