"""Figures on held-out recordings, with the control that shows that they come from listening."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from hostler_contract.figures import Need
from hostler_data.transcripts import Transcript
from hostler_runtime.families.speech_to_text.artifacts import recognizer_of
from hostler_runtime.families.speech_to_text.dataset import SpeechDataset
from hostler_runtime.families.speech_to_text.recognizers import Heard, Order
from hostler_runtime.families.speech_to_text.scoring import character_error_rate, word_error_rate

_MOST_AT_ONCE = 32


def figures(model: Any, dataset: SpeechDataset, *, batch_size: int) -> dict[str, float]:
    """Error rates over all held-out rows and for each pair of spoken and written language.

    ``wer_of_other_audio`` is the error rate of what the model writes when it hears another recording with the same
    task: a model that only guesses likely text scores the same there. Languages are detected, never given.
    """
    wanted = dataset.transcripts
    heard = transcribed(model, dataset, count=len(wanted), batch_size=batch_size)
    found: dict[str, float] = {
        "word_error_rate": word_error_rate(_pairs(wanted, heard)),
        "character_error_rate": character_error_rate(_pairs(wanted, heard)),
    }
    tasks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, each in enumerate(wanted):
        tasks[each.spoken, each.target].append(row)
    if len(tasks) > 1:
        for (spoken, target), rows in sorted(tasks.items()):
            found[f"word_error_rate_{spoken}_to_{target}"] = word_error_rate(
                (wanted[row].text, heard[row].text) for row in rows
            )
    others = [(wanted[row].text, heard[other].text) for rows in tasks.values() for row, other in _others(rows, wanted)]
    if others:
        found["wer_of_other_audio"] = word_error_rate(others)
    spoken_counts: dict[str, int] = defaultdict(int)
    for each in wanted:
        spoken_counts[each.spoken] += 1
    if len(dataset.text_languages) > 1:
        right = sum(each.spoken == other.language for each, other in zip(wanted, heard, strict=True))
        found["language_accuracy"] = right / len(wanted)
        found["most_frequent_language"] = max(spoken_counts.values()) / len(wanted)
    return found


def lacks(dataset: SpeechDataset) -> set[Need]:
    """What these figures need and the data does not have."""
    tasks: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in dataset.transcripts:
        tasks[each.spoken, each.target].add(each.text)
    there = {
        Need.TASKS: len(tasks) > 1,
        Need.OTHER_RECORDINGS: any(len(texts) > 1 for texts in tasks.values()),
        Need.LANGUAGES: len(dataset.text_languages) > 1,
    }
    return {need for need, met in there.items() if not met}


def write_samples(model: Any, dataset: SpeechDataset, directory: Path, *, count: int) -> None:
    """What was said beside what the model wrote."""
    wanted = dataset.transcripts[:count]
    heard = transcribed(model, dataset, count=len(wanted), batch_size=_MOST_AT_ONCE)
    lines = [
        f"{each.spoken} to {each.target}\n  said:  {each.text}\n  heard: {other.text.strip()} ({other.language})\n"
        for each, other in zip(wanted, heard, strict=True)
    ]
    (directory / "transcripts.txt").write_text("\n".join(lines), encoding="utf-8")


def transcribed(model: Any, dataset: SpeechDataset, *, count: int, batch_size: int) -> list[Heard]:
    """Transcripts of the first held-out recordings in the languages that are wanted of each."""
    recognizer = recognizer_of(model, dataset.format)
    size = max(1, min(batch_size, _MOST_AT_ONCE))
    heard: list[Heard] = []
    for start in range(0, count, size):
        rows = range(start, min(count, start + size))
        orders = [Order(target=dataset.transcripts[row].target if recognizer.is_told else None) for row in rows]
        heard += recognizer.transcribe([dataset.held_out_sound(row) for row in rows], orders)
    return heard


def _pairs(wanted: list[Transcript], heard: list[Heard]) -> list[tuple[str, str]]:
    return [(each.text, other.text) for each, other in zip(wanted, heard, strict=True)]


def _others(rows: list[int], wanted: list[Transcript]) -> list[tuple[int, int]]:
    """Each row with the next one of the same task that says something else."""
    pairs = []
    for place, row in enumerate(rows):
        following = rows[place + 1 :] + rows[:place]
        other = next((each for each in following if wanted[each].text != wanted[row].text), None)
        if other is not None:
            pairs.append((row, other))
    return pairs
