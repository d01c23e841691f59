"""Prompts with their completions, as preference learning and fine-tuning see them: only the completion is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hostler_contract.job import Overlong
from hostler_contract.result import LeftOut
from hostler_data.record import Record
from hostler_runtime.text.cuts import Cuts, Overlongs
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.tokenizer import borders, encode


class Completions:
    """Makes examples whose positions fit into ``context_length``, and counts what is cut for that.

    The prompt loses its beginning first: the completion is what the verdict was about. A completion that alone is too
    long loses its end. Where ``overlong`` says otherwise, rows with such ones are left out or refused instead.
    """

    def __init__(self, *, context_length: int, overlong: Overlong = "truncate") -> None:
        self._context = context_length
        self._overlong = overlong
        self._cut_here = False
        self._judged = Overlongs("judged rows", context_length=context_length, overlong=overlong)
        self._prompts = Cuts("prompts with an answer", limit=context_length)
        self._answers = Cuts("answers", limit=context_length)

    @property
    def rows(self) -> int:
        """Rows that were asked for with ``take``."""
        return self._judged.rows

    @property
    def left_out(self) -> list[LeftOut]:
        """What was cut or left out so far."""
        if self._overlong == "truncate":
            return [*self._prompts.left_out, *self._answers.left_out]
        return self._judged.left_out

    def take(self, record: Record) -> bool:
        """Whether the examples that were made since the last call, all of one row, are to be learnt."""
        longer, self._cut_here = self._cut_here, False
        return self._judged.take(record, longer=longer)

    def check(self) -> None:
        """Raises ``RuntimeFailure`` where too long rows are refused and there are any."""
        self._judged.check()

    def check_left(self, count: int) -> None:
        """Raises ``RuntimeFailure`` where nothing was taken of a part because all of it was longer."""
        self._judged.check_left(count)

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
        self._cut_here |= len(given) < len(prompt) or len(learnt) < len(answer)
        return Example(tokens=[*given, *learnt], learnt=[False] * len(given) + [True] * len(learnt))
