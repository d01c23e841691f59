"""Recordings with their transcripts: from rows to files, and from files to batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoFeatureExtractor, AutoTokenizer

from hostler_contract.result import DatasetFacts
from hostler_data.media import decode_audio
from hostler_data.records import Record, Records
from hostler_data.transcripts import Transcript, transcript_of
from hostler_runtime.families.speech_to_text.augmentation import augmented
from hostler_runtime.families.speech_to_text.conformer import ConformerFormat
from hostler_runtime.families.speech_to_text.formats import Example, Format, MisfitError, Sound, seconds_of
from hostler_runtime.families.speech_to_text.plan import Plan
from hostler_runtime.families.speech_to_text.store import Examples, write_examples
from hostler_runtime.families.speech_to_text.whisper import WhisperFormat
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.preparing import INLINE, Made, Make, Work
from hostler_runtime.protocols.tasks import SAMPLING_RATE
from hostler_runtime.protocols.training import Batch

MOST_TRANSCRIBED = 512
"""Held-out rows that are transcribed at most: writing costs more than a loss, and more of them change little."""
_MOST_ROWS = 64
"""Recordings that are turned into frames together."""
_FACTS = "facts.json"
_FORMAT = "format"
_TRAIN, _VALIDATION = "train", "validation"


class SpeechDataset:
    """What ``prepare`` wrote."""

    def __init__(self, directory: Path, *, plan: Plan) -> None:
        stored = json.loads((directory / _FACTS).read_text())
        self.plan = plan
        self.facts = DatasetFacts.model_validate(stored["dataset"])
        self.text_languages: dict[str, tuple[str, ...]] = {
            spoken: tuple(targets) for spoken, targets in stored["textLanguages"].items()
        }
        base = plan.base
        self.format = (
            from_base(base.format, what="the base model")
            if base is not None
            else _stored_format(directory / _FORMAT, plan)
        )
        bins = int(self.format.extractor.feature_size)
        self._train = Examples(directory / _TRAIN, mel_bins=bins)
        self._validation = Examples(directory / _VALIDATION, mel_bins=bins)
        self._most_frames = self.format.max_samples // int(self.format.extractor.hop_length)
        self.transcripts = [Transcript(**row) for row in stored["transcripts"]]

    @property
    def train_rows(self) -> int:
        """Rows to train on."""
        return len(self._train)

    @property
    def validation_rows(self) -> int:
        """Rows held out."""
        return len(self._validation)

    @property
    def sequences_per_row(self) -> float:
        """Recordings are not packed."""
        return 1.0

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """Varied recordings."""
        found = [self._train[row] for row in rows]
        sounds = [augmented(sound, most_frames=max(self._most_frames, len(sound.frames))) for sound, _ in found]
        return self.format.batch(sounds, [example for _, example in found])

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """Recordings as they are."""
        found = [self._validation[row] for row in rows]
        return self.format.batch([sound for sound, _ in found], [example for _, example in found])

    def held_out_sound(self, row: int) -> Sound:
        """The recording of a held-out transcript."""
        return self._validation[row][0]


def prepare_speech(
    plan: Plan, records: Records, directory: Path, *, validation_percent: int, work: Work = INLINE
) -> None:
    """Languages and vocabulary first, then both parts as frames and tokens. Raises ``DataError`` and
    ``RuntimeFailure``."""
    train, validation = records.split(validation_percent)
    text_languages = _text_languages(plan, records)
    languages = sorted({each for spoken, targets in text_languages.items() for each in (spoken, *targets)})

    def new_layout() -> WhisperFormat | ConformerFormat:
        return plan.format(texts=(record.text() for record in train), languages=languages)

    if plan.base is None:
        layout = work.once(
            _FORMAT,
            new_layout,
            save=lambda made, directory: made.save(directory),
            load=lambda directory: _stored_format(directory, plan),
        )
    else:
        layout = new_layout()
    (directory / _FORMAT).mkdir()
    layout.save(directory / _FORMAT)
    tokens = rows = 0
    transcripts: list[Transcript] = []
    for name, part in ((_TRAIN, train), (_VALIDATION, validation)):
        make = _maker(plan, layout)
        counted = _Prepared(work.each(name, part, make, most=_MOST_ROWS))
        tokens += write_examples(directory / name, counted)
        rows += counted.rows
        transcripts = counted.transcripts
    facts = DatasetFacts(sha256=records.sha256, size_bytes=records.size_bytes, rows=rows, tokens=tokens)
    stored: dict[str, Any] = {
        "dataset": facts.model_dump(mode="json"),
        "textLanguages": text_languages,
        "transcripts": [vars(each) for each in transcripts],
    }
    (directory / _FACTS).write_text(json.dumps(stored))


def _maker(plan: Plan, layout: Format) -> Make:
    def make(rows: Iterable[Record], number: int) -> Iterator[Made]:
        for record in rows:
            transcript = transcript_of(record, default=plan.language)
            sound = layout.sound(_samples(record, layout))
            try:
                example = layout.example(
                    transcript.text, spoken=transcript.spoken, target=transcript.target, sound=sound
                )
            except MisfitError as problem:
                raise record.error(str(problem)) from problem
            arrays = {
                "frames": sound.frames.astype("<f2").reshape(-1),
                "tokens": np.asarray(example.tokens, dtype=np.int32),
            }
            facts = [sound.frames.shape[1], example.given, float(sound.silence), float(sound.seconds), vars(transcript)]
            yield Made(arrays, facts)

    return make


class _Prepared:
    """Rows of one part as sounds with what is to be written for them."""

    def __init__(self, passed: Iterable[Made]) -> None:
        self._passed = passed
        self.rows = 0
        self.transcripts: list[Transcript] = []

    def __iter__(self) -> Iterator[tuple[Sound, Example]]:
        for made in self._passed:
            bins, given, silence, seconds, transcript = made.facts
            self.rows += 1
            if len(self.transcripts) < MOST_TRANSCRIBED:
                self.transcripts.append(Transcript(**transcript))
            frames = made.arrays["frames"].reshape(-1, bins)
            yield Sound(frames, silence, seconds), Example(tuple(made.arrays["tokens"].tolist()), given)


def _samples(record: Record, layout: Format) -> np.ndarray:
    samples: np.ndarray = decode_audio(record, rate=SAMPLING_RATE)
    if len(samples) > layout.max_samples:
        raise record.error(
            f"the recording lasts {seconds_of(samples):.2f} s, and the model hears "
            f"{layout.max_samples / SAMPLING_RATE:g} s at once: cut it with its text, or raise maxSeconds"
        )
    if not np.isfinite(samples).all():
        raise record.error(
            "the recording has samples that are not numbers (NaN or infinity): store it again, or remove the row"
        )
    return samples


def _text_languages(plan: Plan, records: Records) -> dict[str, list[str]]:
    """Which languages are spoken and written, most frequent text first."""
    counts: dict[str, dict[str, int]] = {}
    for record in records:
        row = transcript_of(record, default=plan.language)
        targets = counts.setdefault(row.spoken, {})
        targets[row.target] = targets.get(row.target, 0) + 1
        if plan.architecture == "conformer" and len(targets) > 1:
            raise record.error(
                f"the text is in {row.target}, and that of earlier rows in {next(iter(targets))}, with {row.spoken} "
                "spoken in both: a conformer is not told which is wanted; train one for each, or a whisper"
            )
    # The language that is spoken comes first: it is what a request gets that names none.
    return {
        spoken: sorted(targets, key=lambda target: (target != spoken, -targets[target], target))
        for spoken, targets in sorted(counts.items())
    }


def _stored_format(directory: Path, plan: Plan) -> WhisperFormat | ConformerFormat:
    sizes = plan.sizes
    assert sizes is not None, "a plan without a base has sizes"
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    extractor = AutoFeatureExtractor.from_pretrained(directory, local_files_only=True)
    if plan.architecture == "whisper":
        return WhisperFormat(tokenizer, extractor, text_positions=sizes.max_text_tokens)
    return ConformerFormat(tokenizer, extractor, subsampling=sizes.subsampling, max_seconds=sizes.max_seconds)
