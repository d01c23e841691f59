"""Token sequences on disk: written once as a stream, read by number. A sequence of n + 1 tokens has n positions."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

IGNORED = -100
"""Target of a position that teaches nothing: the default of torch's cross entropy."""
_STRETCH, _SAMPLED = 1 << 20, 1 << 16
"""Tokens that are looked at together: one after the other, and where only some of them are."""
_FACTS, _TOKENS, _LEARNT, _STARTS = "sequences.json", "tokens.bin", "learnt.bin", "starts.npy"


@dataclass(frozen=True)
class Example:
    """One document: its tokens and, where not all of them are to be learnt, which are."""

    tokens: Sequence[int]
    learnt: Sequence[bool] | None = None


class SequenceWriter:
    """Appends documents, cut into sequences of at most ``context_length`` positions.

    Neighbouring sequences of one document share a token, the target of one and the first input of the next, so that
    every token but a document's first is the target of exactly one position.
    """

    def __init__(self, directory: Path, *, context_length: int, vocabulary_size: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._context = context_length
        self._kind = np.uint16 if vocabulary_size <= 1 << 16 else np.uint32
        self._tokens = (directory / _TOKENS).open("wb")
        self._learnt = (directory / _LEARNT).open("wb")
        self._starts = array("q", [0])
        self._masked = False
        self.documents = 0
        self.tokens = 0
        """Of all documents, as given."""

    def __enter__(self) -> SequenceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tokens.close()
        self._learnt.close()
        if kind is None:
            np.save(self._directory / _STARTS, np.frombuffer(self._starts, dtype=np.int64))
            facts = {"type": np.dtype(self._kind).name, "masked": self._masked}
            (self._directory / _FACTS).write_text(json.dumps(facts))

    def add(self, example: Example) -> None:
        """One document of at least two tokens."""
        tokens = np.asarray(example.tokens, dtype=self._kind)
        learnt = np.ones(len(tokens), dtype=bool) if example.learnt is None else np.asarray(example.learnt, dtype=bool)
        self._masked |= example.learnt is not None
        self.documents += 1
        self.tokens += len(tokens)
        for start in range(0, len(tokens) - 1, self._context):
            end = start + self._context + 1
            self._tokens.write(tokens[start:end].tobytes())
            self._learnt.write(learnt[start:end].tobytes())
            self._starts.append(self._starts[-1] + len(tokens[start:end]))


class Sequences:
    """What a ``SequenceWriter`` wrote, mapped from the disk."""

    def __init__(self, directory: Path) -> None:
        facts = json.loads((directory / _FACTS).read_text())
        self.starts: np.ndarray = np.load(directory / _STARTS)
        empty = len(self.starts) == 1
        kind = np.dtype(facts["type"])
        self.tokens = np.empty(0, kind) if empty else np.memmap(directory / _TOKENS, dtype=kind, mode="r")
        self.learnt = np.empty(0, bool) if empty else np.memmap(directory / _LEARNT, dtype=bool, mode="r")
        self.masked: bool = facts["masked"]
        """Whether some tokens are not to be learnt."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Positions of each sequence."""
        return np.diff(self.starts) - 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of each position."""
        start, end = self.starts[index], self.starts[index + 1]
        tokens = self.tokens[start:end].astype(np.int64)
        return tokens[:-1], np.where(self.learnt[start + 1 : end], tokens[1:], IGNORED)

    def pairs(self, *, most: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets of all sequences, without the targets that teach nothing, a stretch at a time.

        Of more than ``most`` tokens only so many are looked at, in stretches that lie evenly over all of them.
        """
        last = np.zeros(len(self.tokens), dtype=bool)
        last[self.starts[1:] - 1] = True
        for start, end in _stretches(len(self.tokens) - 1, most=most):
            taught = ~last[start:end] & self.learnt[start + 1 : end + 1]
            yield self.tokens[start:end][taught], self.tokens[start + 1 : end + 1][taught]


def _stretches(count: int, *, most: int | None) -> Iterator[tuple[int, int]]:
    if most is None or count <= most:
        yield from ((start, min(start + _STRETCH, count)) for start in range(0, count, _STRETCH))
        return
    pieces = -(-most // _SAMPLED)
    length = most // pieces
    # Spread like this they never overlap: they lie at least count / pieces apart, which is more than their length.
    yield from ((int(start), int(start) + length) for start in np.linspace(0, count - length, pieces))


def write(examples: Iterable[Example], directory: Path, *, context_length: int, vocabulary_size: int) -> SequenceWriter:
    """Write all examples; the writer's counts say what they were."""
    with SequenceWriter(directory, context_length=context_length, vocabulary_size=vocabulary_size) as writer:
        for example in examples:
            writer.add(example)
    return writer
