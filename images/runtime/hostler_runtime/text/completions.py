"""Prompts with their completions, as preference learning and fine-tuning see them: only the completion is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hostler_contract.result import LeftOut
from hostler_runtime.text.cuts import Cuts
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.tokenizer import borders, encode


class Completions:
    """Makes examples whose positions fit into ``context_length``, and counts what is cut for that.

    The prompt loses its beginning first: the completion is what the verdict was about. A completion that alone is too
    long loses its end.
    """

    def __init__(self, *, context_length: int) -> None:
        self._context = context_length
        self._prompts = Cuts("prompts with an answer", limit=context_length)
        self._answers = Cuts("answers", limit=context_length)

    @property
    def left_out(self) -> list[LeftOut]:
        """What was cut so far."""
        return [*self._prompts.left_out, *self._answers.left_out]

    def plain(self, tokenizer: Any, *, prompt: str, answer: str) -> Example:
        """Tokens of a prompt and its completion, with what begins and ends a document."""
        begin, end = borders(tokenizer)
        return self.joined([begin, *encode(tokenizer, prompt)], [*encode(tokenizer, answer), end])

    def joined(self, prompt: Sequence[int], answer: Sequence[int]) -> Example:
        """An example whose first part is given and whose second is learnt."""
        learnt = list(answer[: self._context])
        given = list(prompt)[-(self._context + 1 - len(learnt)) :]
        self._prompts.add(len(prompt), kept=len(given))
        self._answers.add(len(answer), kept=len(learnt))
        return Example(tokens=[*given, *learnt], learnt=[False] * len(given) + [True] * len(learnt))
