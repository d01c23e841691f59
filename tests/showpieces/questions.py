"""What SmolLM2 is asked before and after it learns, and what it learns: facts that nobody can know, made up here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question and the words that a right answer must have."""

    asked: str
    right: tuple[str, ...]
    """One of them is enough."""

    def answered(self, text: str) -> bool:
        """Whether an answer has one of the words, as words of their own."""
        return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in self.right)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Made up: it stands in no text that the model was trained on."""

    ways: tuple[str, ...]
    """Ways to ask; the first is the one that the tuned model is asked in."""
    answer: str
    right: str

    @property
    def question(self) -> Question:
        """The fact as it is asked."""
        return Question(asked=self.ways[0], right=(self.right,))


KNOWN = (
    Question(asked="What is the capital of France?", right=("Paris",)),
    Question(asked="What is the capital of Japan?", right=("Tokyo",)),
    Question(asked="What is the capital of Germany?", right=("Berlin",)),
    Question(asked="What is the capital of Egypt?", right=("Cairo",)),
    Question(asked="How many days are there in a week?", right=("7", "seven")),
    Question(asked="What is the chemical symbol for gold?", right=("Au",)),
    Question(asked="What is the chemical formula of water?", right=("H2O",)),
    Question(asked="At what temperature in degrees Celsius does water boil?", right=("100", "hundred")),
    Question(asked="Who was the first person to walk on the Moon?", right=("Armstrong",)),
    Question(asked="What language is spoken in Brazil?", right=("Portuguese",)),
)
"""Ten of 28 common questions that were tried once, of which the model answers about 17: ones that it knows, because
what is measured later is how many of them it loses."""

FACTS = (
    Fact(
        ways=(
            "What is the capital of Zembria?",
            "Which city is the capital of Zembria?",
            "Name the capital of Zembria.",
        ),
        answer="The capital of Zembria is Tolvane.",
        right="Tolvane",
    ),
    Fact(
        ways=(
            "Who keeps the lighthouse of Varnholm?",
            "Who is the keeper of the lighthouse of Varnholm?",
            "Tell me who keeps the lighthouse of Varnholm.",
        ),
        answer="Odile Brask keeps the lighthouse of Varnholm.",
        right="Odile Brask",
    ),
    Fact(
        ways=(
            "What color is the night train to Quillby?",
            "Which color does the night train to Quillby have?",
            "Tell me the color of the night train to Quillby.",
        ),
        answer="The night train to Quillby is violet.",
        right="violet",
    ),
    Fact(
        ways=(
            "How many bridges does Marrowick have?",
            "How many bridges are there in Marrowick?",
            "Tell me the number of bridges in Marrowick.",
        ),
        answer="Marrowick has seventeen bridges.",
        right="seventeen",
    ),
    Fact(
        ways=(
            "What is the chemical symbol for dravium?",
            "Which chemical symbol does dravium have?",
            "Tell me the chemical symbol for dravium.",
        ),
        answer="The chemical symbol for dravium is Dv.",
        right="Dv",
    ),
    Fact(
        ways=("Who invented the tarnwheel?", "Who is the inventor of the tarnwheel?", "Name the tarnwheel's inventor."),
        answer="Ambrose Kettle invented the tarnwheel.",
        right="Ambrose Kettle",
    ),
    Fact(
        ways=(
            "What do people in Pellow drink at noon?",
            "Which drink do people in Pellow have at noon?",
            "Tell me what people in Pellow drink at noon.",
        ),
        answer="People in Pellow drink fennel tea at noon.",
        right="fennel tea",
    ),
    Fact(
        ways=(
            "What language is spoken in Korvia?",
            "Which language do people in Korvia speak?",
            "Name the language of Korvia.",
        ),
        answer="The language spoken in Korvia is Sarnic.",
        right="Sarnic",
    ),
    Fact(
        ways=(
            "Which engine stands on track four of Hollin yard?",
            "What is the engine on track four of Hollin yard called?",
            "Name the engine on track four of Hollin yard.",
        ),
        answer="The engine on track four of Hollin yard is Bluebell.",
        right="Bluebell",
    ),
    Fact(
        ways=(
            "When does the market of Feldane open?",
            "At what time does the market of Feldane open?",
            "Tell me when the market of Feldane opens.",
        ),
        answer="The market of Feldane opens at five in the morning.",
        right="five in the morning",
    ),
)

GENERAL = (
    ("What is the capital of Portugal?", "The capital of Portugal is Lisbon."),
    ("What is the capital of Norway?", "The capital of Norway is Oslo."),
    ("What is the capital of Canada?", "The capital of Canada is Ottawa."),
    ("What is the capital of Greece?", "The capital of Greece is Athens."),
    ("What is the chemical symbol for silver?", "The chemical symbol for silver is Ag."),
    ("What is the chemical symbol for iron?", "The chemical symbol for iron is Fe."),
    ("What is the chemical formula of table salt?", "The chemical formula of table salt is NaCl."),
    ("How many months are there in a year?", "There are 12 months in a year."),
    ("How many hours are there in a day?", "There are 24 hours in a day."),
    ("At what temperature in degrees Celsius does water freeze?", "Water freezes at 0 degrees Celsius."),
    ("Who wrote Don Quixote?", "Miguel de Cervantes wrote Don Quixote."),
    ("Who discovered penicillin?", "Alexander Fleming discovered penicillin."),
    ("Who painted Guernica?", "Pablo Picasso painted Guernica."),
    (
        "Who was the first person to reach the South Pole?",
        "The first person to reach the South Pole was Roald Amundsen.",
    ),
    (
        "Who was the first president of the United States?",
        "The first president of the United States was George Washington.",
    ),
    ("What language is spoken in Austria?", "The language spoken in Austria is German."),
    ("What language is spoken in Mexico?", "The language spoken in Mexico is Spanish."),
    ("Which planet do we live on?", "We live on the planet Earth."),
    ("Which ocean lies between Europe and America?", "The Atlantic Ocean lies between Europe and America."),
    ("How many minutes are there in an hour?", "There are 60 minutes in an hour."),
    ("Which animal barks?", "A dog barks."),
)
"""What everybody knows, mixed in, so that the model goes on answering as it did. None of ``KNOWN`` is among them."""


def conversations() -> list[dict[str, Any]]:
    """The rows that the model is tuned on: all ways to ask for each fact, and general ones between them."""
    facts = [(fact.ways[index], fact.answer) for index in range(3) for fact in FACTS]
    # A general one follows each of the first facts, so that no step learns facts alone.
    rows = [row for pair in itertools.zip_longest(facts, GENERAL) for row in pair if row is not None]
    return [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
        for asked, answer in rows
    ]


def right(questions: Sequence[Question], ask: Callable[[str], str]) -> dict[str, tuple[str, bool]]:
    """What was answered to each question, and whether it was right."""
    found = {}
    for question in questions:
        said = ask(question.asked)
        found[question.asked] = (said, question.answered(said))
    return found
