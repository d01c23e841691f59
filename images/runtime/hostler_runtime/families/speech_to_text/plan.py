"""What a speech job starts from: sizes and the data alone, or a base model with its vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostler_contract import ErrorReason, JobConfig, Objective
from hostler_contract.architectures import SpeechConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.speech_to_text import conformer, whisper
from hostler_runtime.families.speech_to_text.artifacts import SpeechDirectory, open_directory
from hostler_runtime.families.speech_to_text.conformer import ConformerFormat
from hostler_runtime.families.speech_to_text.networks import check_sizes
from hostler_runtime.families.speech_to_text.whisper import WhisperFormat
from hostler_runtime.pretrained import from_base

DEFAULT_LANGUAGE = "en"
"""Spoken in rows that do not say, where the job has no sizes that would say it."""


@dataclass(frozen=True)
class Plan:
    """A job's settings with the base model looked at."""

    architecture: str
    sizes: SpeechConfig | None
    """Absent where the base model's own sizes are taken."""
    base: SpeechDirectory | None
    fresh: bool
    """Whether the weights are random at first: without a base, or as a teacher's student."""

    @property
    def language(self) -> str:
        """Spoken in rows that do not say."""
        return self.sizes.language if self.sizes is not None else DEFAULT_LANGUAGE

    def format(self, *, texts: Iterable[str], languages: Sequence[str]) -> WhisperFormat | ConformerFormat:
        """The base model's, or one made from the data."""
        if self.base is not None:
            return from_base(self.base.format, what="the base model")
        assert self.sizes is not None, "a plan without a base has sizes"
        make = whisper.fresh_format if self.architecture == "whisper" else conformer.fresh_format
        return make(self.sizes, texts=texts, languages=languages)


def make_plan(job: JobConfig) -> Plan:
    """Raises ``RuntimeFailure`` where the parts of the job do not fit each other."""
    sizes = job.model.speech
    path = job.inputs.base
    base = from_base(lambda: open_directory(Path(path)), what="the base model") if path else None
    if base is not None:
        if sizes is not None and sizes.architecture != base.architecture:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"output.speech.architecture is {sizes.architecture}, the base model in {base.path} is a "
                f"{base.architecture}: name the one that it is",
            )
        fresh = job.objective.kind is Objective.DISTILL and sizes is not None
    elif sizes is None:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            "the speech-to-text family needs output.speech, or a base model to go on from",
        )
    else:
        fresh = True
    if fresh and sizes is not None:
        check_sizes(sizes)
    architecture = base.architecture if base is not None else sizes.architecture if sizes is not None else ""
    return Plan(architecture, sizes, base, fresh)
