"""Prompts with their completions, as preference learning and fine-tuning see them: only the completion is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hostler_runtime.text.sequences import Example
from hostler_runtime.text.tokenizer import borders, encode


def completion(tokenizer: Any, *, prompt: str, answer: str, context_length: int) -> Example:
    """Tokens of a prompt and its completion, cut so that their positions fit into ``context_length``.

    The prompt loses its beginning first: the completion is what the verdict was about. A completion that alone is too
    long loses its end.
    """
    begin, end = borders(tokenizer)
    return joined([begin, *encode(tokenizer, prompt)], [*encode(tokenizer, answer), end], context_length=context_length)


def joined(prompt: Sequence[int], answer: Sequence[int], *, context_length: int) -> Example:
    """An example whose first part is given and whose second is learnt; see ``completion``."""
    answer = list(answer[:context_length])
    prompt = list(prompt)[-(context_length + 1 - len(answer)) :]
    return Example(tokens=[*prompt, *answer], learnt=[False] * len(prompt) + [True] * len(answer))
