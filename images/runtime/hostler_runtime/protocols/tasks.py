"""What clients ask of models that answer whole requests: one request and one result for each task. Holds no torch.

Routes build requests from HTTP, families answer them; neither knows the other. Bytes are files as they are (PNG, MP4).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SAMPLING_RATE = 16_000
"""Of all audio that reaches a family, in samples per second, one channel."""


@dataclass(frozen=True, slots=True)
class Work:
    """What answering took, for metrics and for the answer's ``usage``."""

    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    audio_seconds: float = 0.0
    video_seconds: float = 0.0
    denoise_steps: int = 0


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One vector for a text; ``tokens`` instead where the client sent token ids."""

    text: str | None
    tokens: tuple[int, ...] | None = None
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """A unit vector."""

    vector: np.ndarray
    work: Work


@dataclass(frozen=True, slots=True)
class FillMaskRequest:
    """A text with at least one mask token."""

    text: str
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that may stand in the place of a mask, a label of a text, or an answer in a context."""

    text: str
    score: float
    token: int | None = None
    start: int | None = None
    """First character of an answer in its context."""
    end: int | None = None


@dataclass(frozen=True, slots=True)
class CandidatesResult:
    """Best first; for fill-mask one list for each mask, elsewhere one list."""

    candidates: tuple[tuple[Candidate, ...], ...]
    work: Work


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """Which label a text has."""

    text: str
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class QuestionRequest:
    """Where in the context the answer stands."""

    question: str
    context: str
    top_k: int = 1


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image; a request for ``n`` images becomes ``n`` of these with seeds that differ."""

    prompt: str
    seed: int
    negative_prompt: str = ""
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    guidance: float | None = None
    adapter: str | None = None
    """Name of a stylistic adapter (LoRA) of the model."""
    adapter_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class ImageResult:
    """A PNG file."""

    png: bytes
    work: Work


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One clip."""

    prompt: str
    seed: int
    negative_prompt: str = ""
    seconds: float | None = None
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    guidance: float | None = None


@dataclass(frozen=True, slots=True)
class VideoResult:
    """An MP4 file (H.264)."""

    mp4: bytes
    frames: int
    frames_per_second: int
    height: int
    width: int
    work: Work


@dataclass(frozen=True, slots=True, eq=False)
class SpeechRequest:
    """Speech to text."""

    samples: np.ndarray
    """float32 in -1..1, at ``SAMPLING_RATE``."""
    language: str | None = None
    """Language that is spoken (ISO 639-1); None lets the model detect it."""
    target_language: str | None = None
    """Language of the text; None means that of the speech."""
    temperature: float = 0.0
    seed: int = 0
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the transcript."""

    start: float
    """Seconds from the beginning."""
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    log_probability: float = 0.0
    """Mean over its tokens."""


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """The transcript."""

    text: str
    language: str
    """That was spoken, detected or given."""
    segments: tuple[Segment, ...]
    work: Work


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """An image (any format that Pillow reads) to its latent."""

    image: bytes


@dataclass(frozen=True, slots=True, eq=False)
class LatentResult:
    """The latent's mean: channels x height x width."""

    latent: np.ndarray
    work: Work


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """A latent to its image: channels x height x width."""

    latent: np.ndarray


TaskRequest = (
    EmbeddingRequest
    | FillMaskRequest
    | ClassifyRequest
    | QuestionRequest
    | ImageRequest
    | VideoRequest
    | SpeechRequest
    | EncodeRequest
    | DecodeRequest
)
TaskResult = EmbeddingResult | CandidatesResult | ImageResult | VideoResult | SpeechResult | LatentResult


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one call of ``run_batch`` did, beside its results."""

    results: tuple[TaskResult, ...]
    padding: float | None = None
    """Share of the computed positions that were padding, where the family has any."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds by phase (``encode``, ``denoise``, ``decode``), where the family has several."""
