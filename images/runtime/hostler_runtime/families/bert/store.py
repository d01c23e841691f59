"""Sequences on disk: one flat file of tokens and a small table about them, read through memory maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hostler_runtime.families.bert.masking import IGNORED
from hostler_runtime.families.bert.packing import Piece

_TOKENS = "tokens.bin"
_TABLE = "sequences.npy"
_TABLE_TYPE = np.dtype(
    [("start", "<i8"), ("length", "<i4"), ("second", "<i4"), ("label", "<i4"), ("begin", "<i4"), ("end", "<i4")]
)


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence with what is to be learnt of it, besides its own tokens."""

    tokens: Sequence[int] | np.ndarray
    second: int
    """Index of the first token of the second text; the length where there is none."""
    label: int = IGNORED
    """Class of the text, from 0."""
    begin: int = IGNORED
    """Index of the answer's first token; 0 where this stretch of the context does not hold it."""
    end: int = IGNORED
    """Index of the answer's last token."""


def write_examples(directory: Path, examples: Iterable[Example]) -> int:
    """Store sequences as they come; returns the number of tokens."""
    directory.mkdir(parents=True, exist_ok=True)
    table = []
    start = 0
    with (directory / _TOKENS).open("wb") as stream:
        for one in examples:
            np.asarray(one.tokens, dtype="<u4").tofile(stream)
            table.append((start, len(one.tokens), one.second, one.label, one.begin, one.end))
            start += len(one.tokens)
    np.save(directory / _TABLE, np.array(table, dtype=_TABLE_TYPE))
    return start


class StoredExamples:
    """What ``write_examples`` wrote."""

    def __init__(self, directory: Path) -> None:
        self.table = np.load(directory / _TABLE)
        path = directory / _TOKENS
        # An empty file cannot be mapped.
        self.tokens = np.memmap(path, dtype="<u4", mode="r") if path.stat().st_size else np.empty(0, dtype="<u4")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each sequence."""
        found: list[int] = self.table["length"].tolist()
        return found

    def piece(self, index: int) -> Piece:
        """One sequence, ready to be laid out."""
        row = self.table[index]
        return Piece(self.tokens[row["start"] : row["start"] + row["length"]], int(row["second"]))
