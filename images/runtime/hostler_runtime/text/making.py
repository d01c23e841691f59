"""What rows of text become, on the way through a pass of preparation: examples as arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from hostler_data.record import Record
from hostler_runtime.protocols.preparing import Made, Work
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.tokenizer import load_tokenizer

_TOKENS, _LEARNT, _LENGTHS = "tokens", "learnt", "lengths"


def made_of(examples: Sequence[Example], record: Record | None = None) -> Made:
    """The examples of one row, with its place where that is of use."""
    lengths = [len(example.tokens) for example in examples]
    tokens = [np.asarray(example.tokens, dtype=np.uint32) for example in examples]
    masks = [np.asarray(example.learnt, dtype=bool) for example in examples if example.learnt is not None]
    if masks and len(masks) != len(examples):
        raise ValueError("either all examples of a row have a mask or none has")
    arrays = {
        _TOKENS: np.concatenate(tokens) if tokens else np.empty(0, np.uint32),
        _LEARNT: np.concatenate(masks) if masks else np.empty(0, bool),
        _LENGTHS: np.array(lengths, dtype=np.int64),
    }
    return Made(arrays, None if record is None else [record.file, record.row])


def examples_of(made: Made) -> list[Example]:
    """The examples of one row."""
    ends = np.cumsum(made.arrays[_LENGTHS])[:-1]
    tokens = np.split(made.arrays[_TOKENS], ends)
    if not len(made.arrays[_LENGTHS]):
        return []
    if not len(made.arrays[_LEARNT]):
        return [Example(tokens=cast(Sequence[int], each)) for each in tokens]
    masks = np.split(made.arrays[_LEARNT], ends)
    return [
        Example(tokens=cast(Sequence[int], each), learnt=cast(Sequence[bool], mask))
        for each, mask in zip(tokens, masks, strict=True)
    ]


def place_of(made: Made) -> Record:
    """A row without its values, to say where it is."""
    file, row = made.facts[:2]
    return Record(file=file, row=row, values={})


def prepared(
    work: Work, name: str, rows: Iterable[Record], make: Callable[[Iterable[Record], int], Iterable[Example]]
) -> Iterator[Example]:
    """Examples that ``make`` makes of the rows of each chunk, with the chunk's number."""
    passed = work.each(name, rows, lambda chunk, number: (made_of([example]) for example in make(chunk, number)))
    return (example for made in passed for example in examples_of(made))


def kept_tokenizer(work: Work, make: Callable[[], Any]) -> Any:
    """A tokenizer that is trained on the rows, once."""
    return work.once(
        "tokenizer", make, save=lambda made, directory: made.save_pretrained(directory), load=load_tokenizer
    )
