"""What a speech model reads and writes, before there is a network: frames of sound, and tokens of text.

Both architectures hear log-mel frames. They differ in what is written: Whisper's decoder is told the task before the
text, Conformer's encoder writes the language and the text by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from hostler_runtime.protocols.tasks import SAMPLING_RATE
from hostler_runtime.protocols.training import Batch

TextLanguages = Mapping[str, Sequence[str]]
"""For each language that may be spoken, those in which its text can be written; the first is the usual one."""


@dataclass(frozen=True, eq=False)
class Sound:
    """One stretch of audio as frames."""

    frames: np.ndarray
    """frames x mel bins."""
    silence: float
    """What stands in every bin after the end."""
    seconds: float


@dataclass(frozen=True)
class Example:
    """What is to be written for a sound."""

    tokens: tuple[int, ...]
    given: int
    """Number of tokens at the beginning that the model is told, not asked for."""


class MisfitError(ValueError):
    """A row that this format cannot express; the message says why and what to do."""


class Format(Protocol):
    """Feature extractor and tokenizer of one architecture."""

    architecture: str
    tokenizer: Any
    extractor: Any
    languages: tuple[str, ...]
    """Those that the vocabulary has a token for."""

    @property
    def max_samples(self) -> int:
        """Longest stretch of audio."""

    def sound(self, samples: np.ndarray) -> Sound:
        """Frames of one stretch of audio, none longer than ``max_samples``."""

    def example(self, text: str, *, spoken: str, target: str, sound: Sound) -> Example:
        """Tokens of a transcript. Raises ``MisfitError``."""

    def text(self, tokens: Sequence[int]) -> str:
        """Text of tokens, special ones left out."""

    def width(self, sounds: Sequence[Sound]) -> int:
        """Frames of each row of a batch of these, padding included."""

    def features(self, sounds: Sequence[Sound]) -> dict[str, Tensor]:
        """Padded input of the network: ``input_features`` and, for conformer, ``attention_mask``."""

    def batch(self, sounds: Sequence[Sound], examples: Sequence[Example]) -> Batch:
        """Input and targets of a training step."""

    def save(self, directory: Path) -> None:
        """In transformers' own files."""


def seconds_of(samples: np.ndarray) -> float:
    """Duration of audio at the sampling rate of all families."""
    return len(samples) / SAMPLING_RATE


def language_token(language: str) -> str:
    """How Whisper spells a language in its vocabulary."""
    return f"<|{language}|>"


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a text. What looks like a special token in it stays text: data must not be able to forge one."""
    backend = tokenizer.backend_tokenizer
    before, backend.encode_special_tokens = backend.encode_special_tokens, True
    try:
        tokens: list[int] = backend.encode(text, add_special_tokens=False).ids
    finally:
        backend.encode_special_tokens = before
    return tokens
