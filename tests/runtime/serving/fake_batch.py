"""A model of whole requests without torch: results follow from the request, and a test can hold its runs back."""

from __future__ import annotations

import math
import struct
import threading
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from patience import PATIENCE

from hostler_runtime.protocols import tasks
from hostler_runtime.protocols.serving import PromptRejectedError
from hostler_runtime.protocols.tasks import BatchReport, TaskRequest, TaskResult, Work

ALL_TASKS: frozenset[type] = frozenset(
    {
        tasks.EmbeddingRequest, tasks.FillMaskRequest, tasks.ClassifyRequest, tasks.QuestionRequest,
        tasks.ImageRequest, tasks.VideoRequest, tasks.SpeechRequest, tasks.EncodeRequest, tasks.DecodeRequest,
    }
)  # fmt: skip
POISON = "poison"
"""A request of this text makes every batch fail that it is in."""
LATE_REFUSAL = "late refusal"
"""The model finds out only while it works that it cannot take this."""
REFUSAL = "refusal"
STEPS = 4


@dataclass
class FakeBatchModel:
    """A ``BatchModel``."""

    tasks: frozenset[type] = ALL_TASKS
    held: bool = False
    """Each run waits until a test allows it."""
    before: Callable[[Sequence[str]], None] = lambda names: None
    """Called with what a run is about to work on."""
    failures_left: int = 0
    lose_one: bool = False
    allowed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    batches: list[list[str]] = field(default_factory=list)

    def check(self, request: TaskRequest) -> None:
        """Refuses one text."""
        if named(request) == REFUSAL:
            raise PromptRejectedError("This model does not take that.", code="prompt_refused")

    def batch_key(self, request: TaskRequest) -> Hashable:
        """The kind of request, and its size or steps where it has some."""
        sizes = (getattr(request, name, None) for name in ("width", "height", "steps"))
        return (type(request), *sizes)

    def run_batch(self, requests: Sequence[TaskRequest]) -> BatchReport:
        """Everything that a test can provoke."""
        names = [named(request) for request in requests]
        self.before(names)
        if self.held:
            assert self.allowed.acquire(timeout=PATIENCE), "the test never allowed this run"
        self.batches.append(names)
        if self.failures_left > 0:
            self.failures_left -= 1
            raise RuntimeError("kernel went wrong")
        if POISON in names:
            raise RuntimeError("this one is poison")
        if LATE_REFUSAL in names:
            raise PromptRejectedError("This cannot be decoded.", code="late", param="somewhere")
        results = tuple(answer(request) for request in requests)
        return BatchReport(results[1:] if self.lose_one else results, padding=0.25, phases={"denoise": 0.5})


def named(request: TaskRequest) -> str:
    """A text by which a test knows a request."""
    for name in ("text", "prompt", "question"):
        value = getattr(request, name, None)
        if isinstance(value, str):
            return value
    return type(request).__name__


def answer(request: TaskRequest) -> TaskResult:
    """What the model answers; always the same for the same request."""
    match request:
        case tasks.EmbeddingRequest():
            return _embedding(request)
        case tasks.FillMaskRequest():
            masks = request.text.count("[MASK]")
            return tasks.CandidatesResult((_candidates(request.top_k),) * masks, Work(input_tokens=3))
        case tasks.ClassifyRequest():
            return tasks.CandidatesResult((_candidates(request.top_k),), Work(input_tokens=3))
        case tasks.QuestionRequest():
            start = request.context.index("yard")
            found = tasks.Candidate("yard", 0.9, start=start, end=start + 4)
            return tasks.CandidatesResult(((found,) * request.top_k,), Work(input_tokens=7))
        case tasks.ImageRequest():
            size = (request.width or 8, request.height or 8)
            steps = request.steps or STEPS
            return tasks.ImageResult(png(*size, shade=request.seed % 251), Work(images=1, denoise_steps=steps))
        case tasks.VideoRequest():
            return _video(request)
        case tasks.SpeechRequest():
            return _speech(request)
        case tasks.EncodeRequest():
            latent = np.full((1, 2, 2), len(request.image), dtype=np.float32)
            return tasks.LatentResult(latent, Work(images=1))
    return tasks.ImageResult(png(2, 2, shade=int(request.latent.sum()) % 251), Work(images=1))


def png(width: int, height: int, *, shade: int) -> bytes:
    """A grey PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([shade]) * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _embedding(request: tasks.EmbeddingRequest) -> tasks.EmbeddingResult:
    tokens = request.tokens or tuple((request.text or "").encode())
    size = request.dimensions or 4
    vector = np.array([math.sin(sum(tokens) * (index + 1)) for index in range(size)], dtype=np.float32)
    return tasks.EmbeddingResult(vector / np.linalg.norm(vector), Work(input_tokens=len(tokens)))


def _candidates(count: int) -> tuple[tasks.Candidate, ...]:
    return tuple(tasks.Candidate(f"word{index}", 0.5 / (index + 1), token=index) for index in range(count))


def _video(request: tasks.VideoRequest) -> tasks.VideoResult:
    seconds = request.seconds or 1.0
    mp4 = f"film of {request.prompt}, seed {request.seed}".encode()
    work = Work(video_seconds=seconds, denoise_steps=STEPS)
    height, width = request.height or 16, request.width or 16
    return tasks.VideoResult(mp4, round(8 * seconds), 8, height, width, work)


def _speech(request: tasks.SpeechRequest) -> tasks.SpeechResult:
    seconds = len(request.samples) / tasks.SAMPLING_RATE
    loud = "loud" if float(np.abs(request.samples).max()) > 0.1 else "quiet"
    text = f"{loud} in {request.target_language or request.language or 'en'}"
    segments = (
        tasks.Segment(0.0, seconds / 2, loud, (1, 2), -0.25),
        tasks.Segment(seconds / 2, seconds, text[len(loud) :], (3,), -0.5),
    )
    work = Work(output_tokens=3, audio_seconds=seconds)
    return tasks.SpeechResult(text, request.language or "de", segments, work)


def in_order(batches: Sequence[Sequence[str]]) -> list[Any]:
    """Batches as sorted lists, for comparisons that do not care about the order within one."""
    return [sorted(batch) for batch in batches]
