"""How good an encoder is at what its head is for, on held-out rows.

Each figure stands beside two others: what a guess without the text would give, and what the same model makes of the
wrong text (tokens shuffled among all texts of a batch, or somebody else's question). A model that read its input
does much worse there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hostler_runtime.families.bert.answers import exact_match, f1
from hostler_runtime.families.bert.dataset import EncoderDataset
from hostler_runtime.families.bert.inference import answer
from hostler_runtime.families.bert.losses import logits_of
from hostler_runtime.families.bert.masking import IGNORED, shuffle_tokens
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.requests import Reader, reading
from hostler_runtime.families.bert.tokenizer import SequenceMaker
from hostler_runtime.protocols.tasks import CandidatesResult, QuestionRequest

MOST_ROWS = 4096
"""Held-out rows (or questions) beyond these change the figures less than their noise."""


def evaluate_head(
    model: PackedEncoder, dataset: EncoderDataset, *, batch_size: int, device: torch.device
) -> dict[str, float]:
    """Figures by name, shares from 0 to 1."""
    if model.head == "question-answering":
        return _questions(model, dataset, batch_size=batch_size)
    right = wrong = number = guessed = 0
    likeliest = most_frequent(dataset)
    for batch in _batches(dataset, batch_size=batch_size, device=device):
        logits, targets = logits_of(model, batch)
        shuffled = {**batch, "input_ids": _shuffled(batch, dataset)}
        right += int((logits.argmax(-1) == targets).sum())
        wrong += int((logits_of(model, shuffled)[0].argmax(-1) == targets).sum())
        guessed += int((targets == likeliest).sum())
        number += len(targets)
    if model.head == "masked-lm":
        names = ("masked_accuracy", "masked_accuracy_shuffled", "unigram_accuracy")
    else:
        names = ("accuracy", "accuracy_shuffled", "majority_accuracy")
    return {name: count / max(1, number) for name, count in zip(names, (right, wrong, guessed), strict=True)}


def most_frequent(dataset: EncoderDataset) -> int:
    """The token, or the label, that is most frequent in the training part: the best guess without reading."""
    if dataset.plan.head == "classification":
        return int(np.bincount(dataset.train.examples.table["label"]).argmax())
    counts = np.bincount(dataset.train.examples.tokens, minlength=len(dataset.tokenizer))
    counts[dataset.tokenizer.all_special_ids] = 0
    return int(counts.argmax())


def write_samples(model: PackedEncoder, dataset: EncoderDataset, directory: Path, *, count: int) -> None:
    """``samples.txt``: what the model makes of the first held-out rows."""
    lines = {
        "masked-lm": _filled_masks,
        "classification": _classified,
        "question-answering": _answered,
    }[model.head or "masked-lm"](model, dataset, count)
    (directory / "samples.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _batches(dataset: EncoderDataset, *, batch_size: int, device: torch.device) -> Iterator[dict[str, Tensor]]:
    rows = range(min(dataset.validation_rows, MOST_ROWS))
    for start in range(0, len(rows), batch_size):
        batch = dataset.validation_batch(rows[start : start + batch_size])
        yield {name: tensor.to(device) for name, tensor in batch.items()}


def _shuffled(batch: dict[str, Tensor], dataset: EncoderDataset) -> Tensor:
    tokens = batch["input_ids"]
    return shuffle_tokens(tokens.cpu(), dataset.ordinary(tokens).cpu(), seed=0).to(tokens.device)


def _questions(model: PackedEncoder, dataset: EncoderDataset, *, batch_size: int) -> dict[str, float]:
    questions = dataset.questions()[:MOST_ROWS]
    scores = np.zeros(3)
    for start in range(0, len(questions), batch_size):
        portion = questions[start : start + batch_size]
        # The question of the row after it: about as long, and about another text.
        others = [*questions[start + 1 : start + len(portion)], questions[0]][: len(portion)]
        answers = _read(model, dataset, [(one.question, one.context) for one in portion])
        misled = _read(model, dataset, [(o.question, one.context) for o, one in zip(others, portion, strict=True)])
        for one, given, other in zip(portion, answers, misled, strict=True):
            scores += (exact_match(given, one.answers), f1(given, one.answers), exact_match(other, one.answers))
    exact, overlap, wrong = (scores / max(1, len(questions))).tolist()
    return {"exact_match": exact, "f1": overlap, "exact_match_shuffled": wrong}


def _read(model: PackedEncoder, dataset: EncoderDataset, asked: list[tuple[str, str]]) -> list[str]:
    """Answers as a server would give them."""
    maker = SequenceMaker(dataset.tokenizer, context_length=dataset.plan.context_length)
    reader = Reader(dataset.tokenizer, maker, labels=(), width=model.model.config.hidden_size)
    results, _ = answer(
        model,
        [reading(QuestionRequest(question, context), reader) for question, context in asked],
        pad_token=maker.padding,
    )
    return [result.candidates[0][0].text for result in results if isinstance(result, CandidatesResult)]


def _filled_masks(model: PackedEncoder, dataset: EncoderDataset, count: int) -> list[str]:
    batch = _first(model, dataset, count)
    logits, _ = logits_of(model, batch)
    asked = batch["input_ids"].new_full(batch["input_ids"].shape, -1)
    asked[batch["targets"] != IGNORED] = logits.argmax(-1)
    decode = dataset.tokenizer.decode
    lines = []
    for row in range(len(asked)):
        inside = (batch["segments"][row] == 1).cpu()
        hidden = inside & (asked[row] >= 0).cpu()
        text = decode(batch["input_ids"][row][inside])
        words = zip(asked[row][hidden].tolist(), batch["targets"][row][hidden].tolist(), strict=True)
        said = ", ".join(f"{decode([guess])!r} (was {decode([truth])!r})" for guess, truth in words)
        lines.append(f"{text}\n-> {said or 'nothing hidden'}")
    return lines


def _classified(model: PackedEncoder, dataset: EncoderDataset, count: int) -> list[str]:
    batch = _first(model, dataset, count)
    logits, targets = logits_of(model, batch)
    first = 0
    lines = []
    for row in range(len(batch["input_ids"])):
        text = dataset.tokenizer.decode(batch["input_ids"][row][batch["segments"][row] == 1], skip_special_tokens=True)
        guess, truth = dataset.labels[int(logits[first].argmax())], dataset.labels[int(targets[first])]
        lines.append(f"{text}\n-> {guess} (was {truth})")
        first += int((batch["targets"][row] != IGNORED).sum())
    return lines


def _answered(model: PackedEncoder, dataset: EncoderDataset, count: int) -> list[str]:
    questions = dataset.questions()[:count]
    answers = _read(model, dataset, [(one.question, one.context) for one in questions])
    return [
        f"{one.context}\n{one.question}\n-> {given} (was {one.answers[0]})"
        for one, given in zip(questions, answers, strict=True)
    ]


def _first(model: PackedEncoder, dataset: EncoderDataset, count: int) -> dict[str, Tensor]:
    device = next(model.parameters()).device
    batch = dataset.validation_batch(range(min(count, dataset.validation_rows)))
    return {name: tensor.to(device) for name, tensor in batch.items()}
