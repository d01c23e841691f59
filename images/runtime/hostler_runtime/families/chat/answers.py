"""How many held-out questions a model answers as the data does, word for word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hostler_runtime.text.dataset import TokenDataset
from hostler_runtime.text.documents import write_samples
from hostler_runtime.text.generation import continue_prompts
from hostler_runtime.text.saving import end_tokens
from hostler_runtime.text.sequences import IGNORED, Sequences

_MOST_QUESTIONS = 128
_MOST_ANSWER_TOKENS = 128


@dataclass(frozen=True)
class Question:
    """The first turn of the assistant in a held-out conversation."""

    prompt: list[int]
    """Tokens up to where it begins."""
    answer: list[int]
    """Its tokens, with the one that ends it."""


def held_out_questions(dataset: TokenDataset, *, most: int) -> list[Question]:
    """Of the first held-out conversations that are not cut."""
    found: list[Question] = []
    sequences = dataset.validation.sequences
    for index in range(len(sequences)):
        if len(found) == most:
            break
        question = _question(*sequences[index], most=_MOST_ANSWER_TOKENS)
        if question is not None:
            found.append(question)
    return found


def answer_figures(model: Any, dataset: TokenDataset) -> dict[str, float]:
    """``answer_accuracy``: the share of held-out answers that the model gives word for word, taking likeliest tokens.
    ``commonest_answer_accuracy``: that of always giving the training part's commonest answer."""
    questions = held_out_questions(dataset, most=_MOST_QUESTIONS)
    if not questions:
        return {}
    text = dataset.tokenizer.decode
    wanted = [text(question.answer, skip_special_tokens=True).strip() for question in questions]
    given = [answer.strip() for answer in answers(model, dataset, questions)]
    commonest = text(_commonest(dataset.train.sequences), skip_special_tokens=True).strip()
    return {
        "answer_accuracy": float(np.mean([one == other for one, other in zip(wanted, given, strict=True)])),
        "commonest_answer_accuracy": wanted.count(commonest) / len(wanted),
    }


def answers(model: Any, dataset: TokenDataset, questions: Sequence[Question]) -> list[str]:
    """What the model says, without special tokens."""
    tokenizer = dataset.tokenizer
    longest = max((len(question.answer) for question in questions), default=0)
    given = continue_prompts(
        model,
        [question.prompt for question in questions],
        end_tokens=end_tokens(model, tokenizer),  # those that a server of the saved model will stop at, and no other
        most_tokens=longest + 8,
        context_length=dataset.context_length,
    )
    return [tokenizer.decode(tokens, skip_special_tokens=True) for tokens in given]


def write_answers(model: Any, dataset: TokenDataset, directory: Path, *, questions: Sequence[Question]) -> None:
    """A line of JSON for each question: the conversation so far, the model's answer, and the data's."""
    decode = dataset.tokenizer.decode
    write_samples(
        directory,
        [
            {
                "prompt": decode(question.prompt, skip_special_tokens=False),
                "output": output,
                "reference": decode(question.answer, skip_special_tokens=True),
            }
            for question, output in zip(questions, answers(model, dataset, questions), strict=True)
        ],
    )


def _question(inputs: np.ndarray, targets: np.ndarray, *, most: int) -> Question | None:
    taught = targets != IGNORED
    if not taught.any() or taught[0]:
        return None  # a part of a long conversation, without its beginning
    first = int(taught.argmax())
    rest = taught[first:]
    length = int(rest.argmin()) if not rest.all() else len(rest)
    if length > most:
        return None
    return Question(prompt=inputs[: first + 1].tolist(), answer=targets[first : first + length].tolist())


def _commonest(sequences: Sequences) -> list[int]:
    seen: Counter[tuple[int, ...]] = Counter()
    for index in range(min(len(sequences), 20_000)):
        question = _question(*sequences[index], most=_MOST_ANSWER_TOKENS)
        if question is not None:
            seen[tuple(question.answer)] += 1
    return list(seen.most_common(1)[0][0]) if seen else []
