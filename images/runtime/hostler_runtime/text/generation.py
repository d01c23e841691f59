"""Continue several prompts at once while a model is trained: for figures and samples, never for serving."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from hostler_runtime.protocols.serving import Prompt, Sampling
from hostler_runtime.text.decoding import BatchedDecoder

_GREEDY = Sampling(seed=0, temperature=0.0)
_TOGETHER = 32


def continue_prompts(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    end_tokens: Collection[int],
    most_tokens: int,
    context_length: int,
    sampling: Sampling = _GREEDY,
) -> list[list[int]]:
    """New tokens of each prompt, without the one that ended it. The model must be in evaluation mode."""
    answers: list[list[int]] = []
    for start in range(0, len(prompts), _TOGETHER):
        batch = [Prompt(key, tuple(tokens), sampling) for key, tokens in enumerate(prompts[start : start + _TOGETHER])]
        answers += _continue(model, batch, ends=end_tokens, most=most_tokens, context=context_length)
    return answers


def _continue(model: Any, prompts: list[Prompt], *, ends: Collection[int], most: int, context: int) -> list[list[int]]:
    answers: list[list[int]] = [[] for _ in prompts]
    room = {prompt.key: min(most, context - len(prompt.tokens)) for prompt in prompts}
    living = [prompt for prompt in prompts if room[prompt.key] > 0]
    stream = BatchedDecoder(model)
    fresh = stream.add(living) if living else {}
    while fresh:
        finished = []
        for key, token in fresh.items():
            if token in ends:
                finished.append(key)
                continue
            answers[key].append(token)
            if len(answers[key]) >= room[key]:
                finished.append(key)
        stream.remove(finished)
        fresh = stream.step() if len(fresh) > len(finished) else {}
    return answers
