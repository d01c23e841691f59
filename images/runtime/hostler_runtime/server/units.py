"""Metrics in the units of a model's task: images, seconds of audio and video, denoising steps, tokens.

A series begins to exist when the model first reports its unit, which the sample request makes it do. So a model that
denoises nothing has no series of denoising steps, and one that does has it at zero before its first request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from hostler_contract import metrics as names
from hostler_runtime.protocols.tasks import Work
from hostler_runtime.server.observer import Run

_COUNTED: Final[tuple[tuple[str, str, Callable[[Work], float]], ...]] = (
    (names.IMAGES_TOTAL, "Images generated, encoded or decoded.", lambda work: work.images),
    (names.AUDIO_SECONDS_TOTAL, "Seconds of audio transcribed or translated.", lambda work: work.audio_seconds),
    (names.VIDEO_SECONDS_TOTAL, "Seconds of video generated.", lambda work: work.video_seconds),
    (names.DENOISE_STEPS_TOTAL, "Denoising steps, of each image or clip.", lambda work: work.denoise_steps),
)
_TOKEN_KINDS: Final[tuple[tuple[str, Callable[[Work], float]], ...]] = (
    ("input", lambda work: work.input_tokens),
    ("output", lambda work: work.output_tokens),
)


class UnitMetrics:
    """Counts what runs of a batch model did. Only the model's thread calls it."""

    def __init__(self, registry: CollectorRegistry, labels: Sequence[str]) -> None:
        self._registry = registry
        self._labels = list(labels)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def announce(self, run: Run) -> None:
        """Let the series of this run exist, without counting it."""
        self._take(run, share=0.0)

    def count(self, run: Run) -> None:
        """Count this run."""
        self._take(run, share=1.0)

    def _take(self, run: Run, *, share: float) -> None:
        report = run.report
        if report is None:
            return
        works = [result.work for result in report.results]
        for name, text, amount in _COUNTED:
            self._add(name, text, sum(map(amount, works)), share=share)
        for kind, amount in _TOKEN_KINDS:
            total = sum(map(amount, works))
            self._add(names.TOKENS_TOTAL, TOKENS_TEXT, total, share=share, extra={names.TOKEN_TYPE_LABEL: kind})
        for phase, seconds in report.phases.items():
            text = "Seconds that the model spent in each phase of its work."
            self._add(names.PHASE_SECONDS_TOTAL, text, seconds, share=share, extra={names.PHASE_LABEL: phase})
        audio = sum(work.audio_seconds for work in works)
        if audio > 0:
            text = "Seconds of computing for a second of audio, over the batch."
            factor = run.seconds / audio
            edges: Sequence[float] = names.REAL_TIME_FACTOR_BUCKETS
            self._observe(names.REAL_TIME_FACTOR, text, factor, share=share, buckets=edges)
        if report.padding is not None:
            text = "Share of the computed positions that were padding, of each batch."
            edges = names.PADDING_BUCKETS
            self._observe(names.PADDING_RATIO, text, report.padding, share=share, buckets=edges)

    def _add(self, name: str, text: str, amount: float, *, share: float, extra: dict[str, str] | None = None) -> None:
        if amount <= 0:
            return
        extra = extra or {}
        if name not in self._counters:
            labels = (*names.SERVING_LABELS, *extra)
            self._counters[name] = Counter(name, text, labels, registry=self._registry)
        self._counters[name].labels(*self._labels, *extra.values()).inc(amount * share)

    def _observe(self, name: str, text: str, value: float, *, share: float, buckets: Sequence[float]) -> None:
        if name not in self._histograms:
            self._histograms[name] = Histogram(
                name, text, names.SERVING_LABELS, buckets=buckets, registry=self._registry
            )
        series = self._histograms[name].labels(*self._labels)
        if share:
            series.observe(value)


TOKENS_TEXT: Final = "Tokens of prompts that were processed (input) and tokens generated (output)."
