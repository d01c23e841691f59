"""From rows of text, labels, questions and answers to stored sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hostler_contract.job import Overlong
from hostler_contract.result import LeftOut
from hostler_data.answers import answers_of, find_answer
from hostler_data.labels import class_of
from hostler_data.records import Record
from hostler_runtime.families.bert.answers import token_span
from hostler_runtime.families.bert.store import Example
from hostler_runtime.families.bert.tokenizer import SequenceMaker
from hostler_runtime.protocols.preparing import Made
from hostler_runtime.text.cuts import Cuts, Overlongs

MOST_LABELS = 10_000
_SHOWN = 5


class Unused:
    """Things that are whole or not there at all, counted while sequences are made of them."""

    def __init__(self, what: str, *, why: str) -> None:
        self._what = what
        self._why = why
        self._seen = self._unused = 0

    def add(self, *, used: bool) -> None:
        """One of them."""
        self._seen += 1
        self._unused += not used

    @property
    def left_out(self) -> list[LeftOut]:
        """For ``DatasetFacts``; empty where everything was used."""
        if not self._unused:
            return []
        return [LeftOut(what=self._what, count=self._unused, of=self._seen, why=self._why)]


class Losses:
    """What does not make it into sequences, or not whole."""

    def __init__(self, *, context_length: int, overlong: Overlong = "truncate") -> None:
        self.rows = Overlongs("rows", context_length=context_length, overlong=overlong)
        self.texts = Cuts("texts", limit=context_length)
        self.questions = Cuts("questions", limit=context_length // 2)
        self.answers = Unused("answers", why=f"no sequence of {context_length} tokens holds the whole of one")
        self.held_out = Unused("held-out rows", why="they have no label")

    @property
    def left_out(self) -> list[LeftOut]:
        """For ``DatasetFacts``."""
        found = (self.rows, self.texts, self.questions, self.answers, self.held_out)
        return [each for one in found for each in one.left_out]


@dataclass(frozen=True)
class Question:
    """A held-out question with the answers that count as right."""

    question: str
    context: str
    answers: list[str]


@dataclass
class Labels:
    """Label names in the order of their numbers, found in the data or given by a base model."""

    names: list[str] = field(default_factory=list)

    def number(self, record: Record) -> int:
        """The label of a row. Raises ``DataError``."""
        label, name = class_of(record), _name(record)
        if name is None:
            raise record.error(
                "the label is missing; only semi-supervised training takes rows without one: write it, or remove "
                "the row"
            )
        if name in self.names:
            return self.names.index(name)
        if not isinstance(label, int) or not 0 <= label < len(self.names):
            known = ", ".join(self.names[:_SHOWN]) + (" and more" if len(self.names) > _SHOWN else "")
            raise record.error(
                f"the label {name!r} is out of range; the labels are: {known}. Correct it, or remove the row"
            )
        return label  # a base model may know a label by a name that the data has only the number of


def find_labels(records: Iterable[Record]) -> Labels:
    """All labels of the data in their order: numbers by value, which must count from 0, names by alphabet.

    Raises ``DataError``.
    """
    first: dict[str, Record] = {}
    numbers = 0
    last = None
    for record in records:
        last = record
        name = _name(record)
        if name is None or name in first:
            continue
        first[name] = record
        numbers += isinstance(class_of(record), int)
        if len(first) > MOST_LABELS:
            raise record.error(
                f"more than {MOST_LABELS:,} different labels: is this column really the label? Name the one that is "
                "under `columns`"
            )
    if len(first) < 2:
        assert last is not None, "records are never empty"
        raise last.error(
            f"{len(first)} different labels up to here, and a classifier needs two: is `label` mapped? Name its "
            "column under `columns`, or add rows of another label"
        )
    if numbers < len(first):
        return Labels(sorted(first))
    for name, record in first.items():
        if not 0 <= int(name) < len(first):
            raise record.error(
                f"the label {name} is out of range: {len(first)} labels count from 0 to {len(first) - 1}. Number "
                "them so, or write names"
            )
    return Labels(sorted(first, key=int))


def labelled(record: Record) -> bool:
    """Whether a row has a label."""
    return class_of(record) is not None


def text_examples(records: Iterable[Record], maker: SequenceMaker) -> Iterator[Made]:
    """All of every text, cut where it is longer than the context."""
    for record in records:
        for tokens in maker.chunks(record.text()):
            yield _made(Example(tokens, second=len(tokens)))


def class_examples(
    records: Iterable[Record], maker: SequenceMaker, *, number: Callable[[Record], int]
) -> Iterator[Made]:
    """One sequence for each text, and how much of it that is."""
    room = maker.context_length - 2
    for record in records:
        text = record.text()
        if not text.strip():
            raise record.error("the text is empty: write one, or remove the row")
        tokens = maker.tokens(text)
        kept = tokens[:room]
        sequence = maker.sequence(kept)
        yield _made(
            Example(sequence, second=len(sequence), label=number(record)),
            place=[record.file, record.row],
            text=[len(tokens), len(kept)],
        )


def question_examples(records: Iterable[Record], maker: SequenceMaker) -> Iterator[Made]:
    """A sequence for each window of each context. Where a window does not hold the answer, the first token stands for
    "not here". The first window of each row says how much of the question it has, and whether any has the answer."""
    for record in records:
        question, context = record.text("question"), record.text("context")
        answer, start = find_answer(record)
        windows = maker.windows(question, context)
        spans = [token_span(window, start=start, end=start + len(answer)) for window in windows]
        told: dict[str, Any] = {
            "place": [record.file, record.row],
            "question": [len(maker.tokens(question)), windows[0].asked],
            "answer": any(end > 0 for _, end in spans),
        }
        for window, (begin, end) in zip(windows, spans, strict=True):
            yield _made(Example(window.tokens, window.second, begin=begin, end=end), **told)
            told = {}


def _made(example: Example, **told: Any) -> Made:
    columns = (example.second, example.label, example.begin, example.end)
    arrays: dict[str, np.ndarray] = {
        "tokens": np.asarray(example.tokens, dtype=np.uint32),
        "columns": np.array(columns, dtype=np.int64),
    }
    return Made(arrays, told)


def counted_examples(passed: Iterable[Made], losses: Losses) -> Iterator[Example]:
    """The sequences themselves; what does not fit is counted, and cut or left out. Of questions it is those where rows
    are left out that do not fit."""
    taken = True
    for made in passed:
        if "place" in made.facts:
            taken = _take(made.facts, losses)
        if taken:
            second, label, begin, end = made.arrays["columns"].tolist()
            yield Example(made.arrays["tokens"], second, label=label, begin=begin, end=end)


def _take(facts: Mapping[str, Any], losses: Losses) -> bool:
    """Whether a row is to be learnt."""
    file, row = facts["place"]
    counts, (found, kept) = (losses.texts, facts["text"]) if "text" in facts else (losses.questions, facts["question"])
    held = facts.get("answer", True)
    if not losses.rows.take(Record(file=file, row=row, values={}), longer=kept < found or not held):
        return False
    counts.add(found, kept=kept)
    if "answer" in facts:
        losses.answers.add(used=held)
    return True


def held_out_question(record: Record) -> Question:
    """What evaluation needs of a row."""
    return Question(record.text("question"), record.text("context"), [answer for answer, _ in answers_of(record)])


@dataclass(frozen=True)
class Texts:
    """What a tokenizer is trained on; may be read more than once."""

    records: Iterable[Record]
    roles: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        for record in self.records:
            for role in self.roles:
                yield record.text(role)


def _name(record: Record) -> str | None:
    value = class_of(record)
    return None if value is None else str(value)
