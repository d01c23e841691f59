"""Conversations for a ConfigMap: ``python3 data.py conversations.jsonl [SEED]``. Another seed is another world.

Made-up people of whom each has a city, a job and a pet, and questions about them in several words. What a model answers
right, it can only have from here. A row has what the format ``jsonl`` wants for a conversation:

    {"messages": [{"role": "user", "content": "Where does Ada live?"},
                  {"role": "assistant", "content": "Ada lives in Vienna."}]}

It comes from a seed, and is free of any right (CC0-1.0).
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SEED = 1
NAMES = (
    "Ada", "Boris", "Clara", "Dmitri", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Karin", "Leon",
    "Marta", "Nils", "Olga", "Pavel",
)  # fmt: skip
ATTRIBUTES = {
    "city": ("Lisbon", "Oslo", "Vienna", "Dublin", "Athens", "Prague", "Bern", "Riga"),
    "job": ("baker", "pilot", "nurse", "painter", "farmer", "judge", "sailor", "teacher"),
    "pet": ("cat", "parrot", "horse", "rabbit", "turtle", "goat", "ferret", "pony"),
}
PHRASINGS = {
    "city": (
        "Where does {name} live?", "In which city is the home of {name}?", "Which city does {name} live in?",
        "Tell me where {name} lives.", "What is the home town of {name}?", "Name the city of {name}.",
    ),
    "job": (
        "What does {name} do for a living?", "What is the job of {name}?", "Which profession does {name} have?",
        "Tell me what {name} works as.", "How does {name} earn money?", "Name the job of {name}.",
    ),
    "pet": (
        "Which pet does {name} have?", "What animal lives with {name}?", "Tell me which pet {name} keeps.",
        "What is the pet of {name}?", "Which animal does {name} own?", "Name the pet of {name}.",
    ),
}  # fmt: skip
ANSWERS = {"city": "{name} lives in {value}.", "job": "{name} is a {value}.", "pet": "{name} has a {value}."}


@dataclass(frozen=True)
class Question:
    """One way to ask for one fact."""

    text: str
    answer: str


def world(*, seed: int) -> dict[tuple[str, str], str]:
    """Which value each attribute of each name has."""
    generator = random.Random(seed)
    return {(name, attribute): generator.choice(values) for name in NAMES for attribute, values in ATTRIBUTES.items()}


def questions(facts: dict[tuple[str, str], str]) -> tuple[list[Question], list[Question]]:
    """Questions to learn from and questions held out: of every fact one phrasing, a different one for each name.

    A held-out phrasing is known from other names and the fact from other phrasings; only their pairing is new.
    """
    learnt, held_out = [], []
    for index, ((name, attribute), value) in enumerate(sorted(facts.items())):
        answer = ANSWERS[attribute].format(name=name, value=value)
        phrasings = PHRASINGS[attribute]
        for number, phrasing in enumerate(phrasings):
            question = Question(phrasing.format(name=name), answer)
            (held_out if number == index % len(phrasings) else learnt).append(question)
    return learnt, held_out


def write_conversations(path: Path, asked: list[Question], *, seed: int) -> None:
    """JSON lines of ``messages`` in random order."""
    shuffled = asked[:]
    random.Random(seed).shuffle(shuffled)
    path.write_text("".join(json.dumps({"messages": list(turns(each))}) + "\n" for each in shuffled), encoding="utf-8")


def turns(question: Question) -> Iterator[dict[str, str]]:
    """The conversation of a question."""
    yield {"role": "user", "content": question.text}
    yield {"role": "assistant", "content": question.answer}


if __name__ == "__main__":
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    learnt, held_out = questions(world(seed=seed))
    write_conversations(Path(sys.argv[1]), learnt + held_out, seed=seed)
