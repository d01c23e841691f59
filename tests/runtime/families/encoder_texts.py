"""Texts for encoders: Python's own reference and library, and small stories with questions."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics
from typing import Any, Final

AREAS: Final = ("asyncio", "email", "multiprocessing", "unittest", "xml")
"""Packages of the standard library that exist in every version we run on, each with a vocabulary of its own."""
_SHORTEST_FUNCTION = 120
_SHOWN = 200


def _words(text: str) -> list[str]:
    return text.split()


_NAMES: Final = _words(
    "anna bruno carla david elena felix greta henri ida jonas klara leon maria nico olga paul rosa simon"
)
_THINGS: Final = _words(
    "lamp key book chair clock drum fork glass hat jar kite ladder map pen quilt rope spoon table vase"
)
_PLACES: Final = _words("attic barn cellar garden hall kitchen library market office park school tower yard")
_KINDS: Final = _words("old new small big dark bright quiet")
_DAYS: Final = _words("monday tuesday wednesday thursday friday saturday sunday")
_HOURS: Final = _words("morning afternoon evening")
_EVENTS: Final = (
    "{who} bought {what} in {where} on {when} .",
    "on {when} {what} was sold in {where} by {who} .",
    "in {where} {who} found {what} on {when} .",
    "{what} was lost by {who} on {when} in {where} .",
)
_FILLERS: Final = (
    "it was a long day .",
    "nobody said a word .",
    "the weather was fine that week .",
    "people talked about it for years .",
    "there was a letter too .",
)
_QUESTIONS: Final = {
    "who": ("who was it ?", "who did it ?"),
    "what": ("what is it about ?", "which thing ?"),
    "where": ("where was it ?", "in which place ?"),
    "when": ("when was it ?", "on which day ?"),
}


def paragraphs() -> list[dict[str, str]]:
    """Python's language reference by paragraphs, as the standard library ships it (PSF licence)."""
    found = (part for key in sorted(topics.topics) for part in topics.topics[key].split("\n\n"))
    return [{"text": re.sub(r"\s+", " ", part)} for part in found if len(part) > 20]


def functions(*, seed: int, count: int = 300) -> list[dict[str, str]]:
    """The beginnings of ``count`` functions of each area, in random order; the label is the package."""
    draw = random.Random(seed)
    rows = [
        {"text": text, "label": area} for area in AREAS for text in draw.sample(sorted(set(_functions(area))), count)
    ]
    draw.shuffle(rows)
    return rows


def stories(*, seed: int, count: int) -> list[dict[str, Any]]:
    """What happened to whom, where and when, in sentences of varying order; a question asks for one of the four."""
    draw = random.Random(seed)
    return [_story(draw) for _ in range(count)]


def _story(draw: random.Random) -> dict[str, Any]:
    facts = {
        "who": draw.choice(_NAMES),
        "what": f"the {_described(draw, _THINGS)}",
        "where": f"the {_described(draw, _PLACES)}",
        "when": draw.choice(_DAYS) + (f" {draw.choice(_HOURS)}" if draw.random() < 0.5 else ""),
    }
    event = draw.choice(_EVENTS).format(**facts)
    around = draw.sample(_FILLERS, draw.randint(0, 3))
    place = draw.randint(0, len(around))
    context = " ".join([*around[:place], event, *around[place:]])
    asked = draw.choice(sorted(facts))
    return {
        "question": draw.choice(_QUESTIONS[asked]),
        "context": context,
        "answer": facts[asked],
        "answer_start": context.index(event) + event.index(facts[asked]),
    }


def _described(draw: random.Random, nouns: list[str]) -> str:
    return draw.choice(nouns) if draw.random() < 0.5 else f"{draw.choice(_KINDS)} {draw.choice(nouns)}"


def _functions(package: str) -> Iterator[str]:
    root = Path(sysconfig.get_paths()["stdlib"]) / package
    for file in sorted(root.rglob("*.py")):
        if "test" in file.relative_to(root).parts:
            continue
        source = file.read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = " ".join(" ".join(lines[node.lineno - 1 : node.end_lineno]).split())
                if len(text) >= _SHORTEST_FUNCTION:
                    yield text[:_SHOWN]
