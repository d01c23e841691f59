"""Where programs are cut to learn filling in: a few lines, or the rest of a line or of a bracket.

That is where an editor's cursor is: at the end of a line, or before a bracket that the editor closed by itself. Cuts
within words are left out: a small model spends what it has on spelling the rest of a word before it learns anything
about the other side of the gap.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from hostler_runtime.text.infilling import Cut, Sentinels, arranged
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.tokenizer import borders, encode_texts

LINES_SHARE = 0.4
"""Share of the cuts that take out whole lines."""
SPM_SHARE = 0.5
"""Share of the documents in the order suffix, prefix, middle; the others are prefix, suffix, middle."""
_MOST_WORDS, _MOST_LINES = 12, 3
_WORD = re.compile(r"\w+|[^\w\s]")
_LINE = re.compile(r"[^\n]+")
_CLOSING = re.compile(r"[)\]}]")
_TOGETHER = 64
_TRIES = 3


def cut(text: str, generator: random.Random) -> Cut | None:
    """A stretch out of a text: whole lines, or within a line from a word to a closing bracket or the line's end. None
    where the text is too short for one."""
    stretch = _lines(text, generator) if generator.random() < LINES_SHARE else _within_line(text, generator)
    if stretch is None:
        return None
    start, end = stretch
    return Cut(text[:start], text[start:end], text[end:])


def examples(
    tokenizer: Any, texts: Iterable[str], *, marks: Sentinels | None, context_length: int, seed: int | str
) -> Iterator[Example]:
    """Every text as it is, and once more with its middle last: half of all documents are rearranged.

    All of their tokens are learnt, as in arXiv 2207.14255; learning the middles alone was measured to use the suffix
    less. Without ``marks`` the tokenizer cannot say what is rearranged, and all stay as they are.
    """
    generator = random.Random(seed)
    waiting = iter(texts)
    while batch := list(islice(waiting, _TOGETHER)):
        yield from _as_they_are(tokenizer, batch)
        if marks is not None:
            yield from _rearranged(tokenizer, batch, marks, context_length=context_length, generator=generator)


def header_of(text: str) -> str | None:
    """The lines before the body of the function that a text is; None where it is no single Python function."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    function = tree.body[0]
    start = function.body[0].lineno
    if start == function.lineno:
        return None
    return "".join(text.splitlines(keepends=True)[: start - 1])


def body_of(answer: str) -> str:
    """What a model wrote after a header, up to the first line that is not indented."""
    kept = []
    for line in answer.splitlines(keepends=True):
        if line.strip() and not line[0].isspace():
            break
        kept.append(line)
    return "".join(kept)


def parses(text: str) -> bool:
    """Whether a text is Python."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _as_they_are(tokenizer: Any, texts: list[str]) -> Iterator[Example]:
    begin, end = borders(tokenizer)
    for tokens in encode_texts(tokenizer, texts):
        yield Example(tokens=[begin, *tokens, end])


def _rearranged(
    tokenizer: Any, texts: list[str], marks: Sentinels, *, context_length: int, generator: random.Random
) -> Iterator[Example]:
    _, end = borders(tokenizer)
    for text in texts:
        for attempt in range(_TRIES):
            found = cut(_window(text, generator) if attempt else text, generator)
            if found is None:
                break
            spm = generator.random() < SPM_SHARE
            prefix, middle, suffix = encode_texts(tokenizer, [found.prefix, found.middle, found.suffix])
            if len(prefix) + len(middle) + len(suffix) + 3 > context_length:
                text = found.prefix + found.middle + found.suffix
                continue
            tokens = arranged(marks, prefix=prefix, middle=middle, suffix=suffix, spm=spm, end=end)
            yield Example(tokens=tokens)
            break


def _window(text: str, generator: random.Random) -> str:
    """About a third of a text that is too long for one sequence, from the beginning of a line."""
    starts = _line_starts(text)
    start = starts[generator.randrange(max(1, len(starts) - 1))]
    return text[start : start + max(1, len(text) // 3)]


def _lines(text: str, generator: random.Random) -> tuple[int, int] | None:
    starts = _line_starts(text)
    if len(starts) < 3:
        return None
    first = generator.randrange(len(starts) - 1)
    return starts[first], starts[min(len(starts) - 1, first + generator.randint(1, _MOST_LINES))]


def _within_line(text: str, generator: random.Random) -> tuple[int, int] | None:
    lines = [found for found in _LINE.finditer(text) if len(_WORD.findall(found.group())) > 2]
    if not lines:
        return None
    line = generator.choice(lines)
    ends = [line.start() + found.start() for found in _CLOSING.finditer(line.group())] + [line.end()]
    end = generator.choice(ends)
    starts = [
        line.start() + found.start() for found in _WORD.finditer(line.group()) if line.start() + found.start() < end
    ]
    # The first word of a line is left, so that the cut is within it.
    starts = starts[1:][-_MOST_WORDS:]
    return (generator.choice(starts), end) if starts else None


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]
