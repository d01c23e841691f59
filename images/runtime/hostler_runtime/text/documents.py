"""Plain texts: as examples to learn from, and as beginnings for a model to go on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hostler_data.record import Record
from hostler_runtime.text.dataset import TokenDataset
from hostler_runtime.text.generation import continue_prompts
from hostler_runtime.text.saving import end_tokens
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.tokenizer import borders, encode_texts

SAMPLES = "samples.jsonl"
_SAMPLE_TOKENS = 64


def documents(tokenizer: Any, rows: Iterable[Record]) -> Iterator[Example]:
    """Each row's ``text``, with a border before and after. Raises ``DataError``."""
    begin, end = borders(tokenizer)
    for tokens in encode_texts(tokenizer, (record.text() for record in rows)):
        yield Example(tokens=[begin, *tokens, end])


def utf8_bytes(rows: Iterable[Record]) -> int:
    """Bytes of all texts."""
    return sum(len(record.text().encode()) for record in rows)


def continuations(dataset: TokenDataset, *, most: int) -> list[list[int]]:
    """Beginnings of held-out sequences: a third of each, as far as that leaves room to go on."""
    sequences = dataset.validation.sequences
    prompts = []
    for index in range(min(most, len(sequences))):
        inputs, _ = sequences[index]
        prompts.append(inputs[: max(1, min(len(inputs) // 3, _SAMPLE_TOKENS))].tolist())
    return prompts


def write_continuations(
    model: Any, dataset: TokenDataset, directory: Path, *, prompts: Sequence[Sequence[int]]
) -> None:
    """A line of JSON for each prompt: what stood there and what the model goes on with, taking the likeliest tokens."""
    answers = continue_prompts(
        model,
        prompts,
        end_tokens=end_tokens(model, dataset.tokenizer),
        most_tokens=_SAMPLE_TOKENS,
        context_length=dataset.context_length,
    )
    decode = dataset.tokenizer.decode
    write_samples(
        directory,
        [
            {"prompt": decode(prompt, skip_special_tokens=True), "output": decode(answer, skip_special_tokens=True)}
            for prompt, answer in zip(prompts, answers, strict=True)
        ],
    )


def write_samples(directory: Path, samples: Iterable[dict[str, str]]) -> None:
    """As JSON lines."""
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in samples)
    (directory / SAMPLES).write_text(lines, encoding="utf-8")
