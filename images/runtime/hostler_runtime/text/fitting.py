"""Conversations on their way into a context: one that is too long is cut, left out or refused, and never in silence.

Documents are cut into pieces, all of which are learnt. A piece of a conversation would begin in mid-sentence, without
the question that its answer is to, so each example of a conversation is one sequence or none. Most conversations have
one; where a chat template writes earlier turns differently, they have one for each answer that this concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from hostler_contract import ErrorReason
from hostler_contract.job import Overlong
from hostler_contract.result import LeftOut
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.text.sequences import Example

_WHAT = "conversations"


class Fitting:
    """Does with conversations of more than ``context_length`` positions what ``overlong`` says, and counts them."""

    def __init__(self, *, context_length: int, overlong: Overlong) -> None:
        self._context = context_length
        self._overlong = overlong
        self._seen = self._longer = self._longest = 0
        self._cut = self._unlearnt = self._dropped = 0
        self._tokens = 0
        self._learnt = self._found = 0
        self._first: dict[str, str] = {}

    def examples(self, found: Iterable[tuple[Record, Sequence[Example]]]) -> Iterator[Example]:
        """Of one part of the data, the examples of conversations that fit, and of the others what is to be kept. Raises
        ``RuntimeFailure`` at the end where nothing is left of it."""
        self._learnt = self._found = kept_here = 0
        for record, examples in found:
            self._seen += 1
            self._found += _taught(examples)
            kept = self._fitted(record, examples)
            self._learnt += _taught(kept)
            kept_here += len(kept)
            yield from kept
        if self._longer and not kept_here:
            raise self._refusal("shorten them, or raise contextLength")

    def check(self) -> None:
        """Raises ``RuntimeFailure`` where too long ones are refused and there are any."""
        if self._longer and self._overlong == "refuse":
            raise self._refusal("shorten them, raise contextLength, or set training.overlong to truncate or drop")

    @property
    def rows(self) -> int:
        """Conversations that came by, of both parts."""
        return self._seen

    @property
    def share(self) -> float:
        """Of the tokens that were to be learnt in the part that was read last, the share that is."""
        return self._learnt / self._found if self._found else 1.0

    @property
    def left_out(self) -> list[LeftOut]:
        """For ``DatasetFacts``; empty where everything fitted."""
        limit = self._context
        unlearnt = f"no answer begins within their first {limit:,} tokens"
        found = (
            self._part("cut", self._cut, limit=limit, tokens=self._tokens),
            self._part("dropped", self._dropped, why=f"they are longer than {limit:,} tokens"),
            self._part("unlearnt", self._unlearnt, why=unlearnt),
        )
        return [part for part in found if part is not None]

    def _fitted(self, record: Record, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples of one conversation, or what is to be kept of them."""
        # The last token is a target only.
        most, longest = self._context + 1, max(len(example.tokens) for example in examples)
        if longest <= most:
            return examples
        self._longer += 1
        self._longest = max(self._longest, longest)
        if self._overlong != "truncate":
            self._dropped += 1
            self._note("dropped", record)
            return []
        cut = [Example(tokens=example.tokens[:most], learnt=_learnt(example)[:most]) for example in examples]
        kept = [example for example in cut if _taught([example])]
        if not kept:
            self._unlearnt += 1
            self._note("unlearnt", record)
            return []
        self._cut += 1
        self._tokens += sum(len(example.tokens) for example in examples) - sum(len(each.tokens) for each in kept)
        self._note("cut", record)
        return kept

    def _note(self, kind: str, record: Record) -> None:
        self._first.setdefault(kind, f"{record.file}:{record.row}")

    def _part(
        self, kind: str, count: int, *, limit: int | None = None, tokens: int = 0, why: str | None = None
    ) -> LeftOut | None:
        if not count:
            return None
        first = self._first[kind]
        return LeftOut(what=_WHAT, count=count, of=self._seen, limit=limit, tokens=tokens, why=why, first=first)

    def _refusal(self, way_out: str) -> RuntimeFailure:
        first = next(iter(self._first.values()))
        return RuntimeFailure(
            ErrorReason.DATASET_INVALID,
            f"{self._longer:,} of {self._seen:,} {_WHAT} are longer than the context of {self._context:,} tokens, the "
            f"first in {first}, the longest with {self._longest:,}: {way_out}",
        )


def _taught(examples: Iterable[Example]) -> int:
    """Tokens that are learnt; the first one of a sequence is nobody's target."""
    return sum(int(np.count_nonzero(_learnt(example)[1:])) for example in examples)


def _learnt(example: Example) -> Sequence[bool]:
    return [True] * len(example.tokens) if example.learnt is None else example.learnt
