"""Long audio, cut where it is quietest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hostler_runtime.protocols.tasks import SAMPLING_RATE

_STEP = SAMPLING_RATE // 50
"""Samples over which loudness is measured: 20 ms."""
_SMOOTHED_STEPS = 5
_SILENT = 1e-4
"""Loudness (root mean square, 1 is full scale) below which nothing is said."""
_SILENT_SHARE = 0.01
"""The same relative to the loudest moment: 40 dB less."""
_EARLIEST_CUT = 0.3
"""Share of the longest window before which no cut is made."""
_AS_QUIET = 1.5
"""A moment is as good as the quietest one while it is no more than so many times as loud."""
_LONG_SHARE = 0.5
"""A pause counts as long from this share of the longest one."""
_MARGIN = SAMPLING_RATE // 10
"""Samples of silence that stay before and after speech."""


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of audio in which something is heard."""

    samples: np.ndarray
    start: float
    """Seconds from the beginning."""
    end: float


def cut(samples: np.ndarray, *, longest: int) -> list[Window]:
    """Stretches of at most ``longest`` samples with the silence around them left out; none where all is silent."""
    loudness = _loudness(samples)
    threshold = max(_SILENT, _SILENT_SHARE * float(loudness.max(initial=0.0)))
    windows = []
    for first, last in _stretches(loudness, count=len(samples), longest=longest):
        loud = np.flatnonzero(loudness[first // _STEP : -(-last // _STEP)] > threshold)
        if loud.size:
            begin = max(first, first + int(loud[0]) * _STEP - _MARGIN)
            end = min(last, first + int(loud[-1] + 1) * _STEP + _MARGIN)
            windows.append(Window(samples[begin:end], seconds(begin), seconds(end)))
    return windows


def seconds(samples: int) -> float:
    """To the millisecond, as subtitles have it."""
    return round(samples / SAMPLING_RATE, 3)


def _stretches(loudness: np.ndarray, *, count: int, longest: int) -> Iterator[tuple[int, int]]:
    first = 0
    while count - first > longest:
        early, late = (first + int(longest * _EARLIEST_CUT)) // _STEP, (first + longest) // _STEP
        last = (early + _quietest(loudness[early:late])) * _STEP
        yield first, last
        first = last
    yield first, count


def _quietest(loudness: np.ndarray) -> int:
    """The step before which to cut: in the last of the long pauses, because the shortest ones are within words."""
    quiet = loudness <= max(_SILENT, _AS_QUIET * float(loudness.min()))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    lengths = ends - begins
    pause = int(np.flatnonzero(lengths >= _LONG_SHARE * lengths.max())[-1])
    # A pause that lasts until the end of the window is used up; of any other one each side gets a half.
    return int(ends[pause]) if ends[pause] == len(loudness) else int(begins[pause] + ends[pause] + 1) // 2


def _loudness(samples: np.ndarray) -> np.ndarray:
    """Smoothed root mean square of each step."""
    steps = -(-len(samples) // _STEP)
    padded = np.zeros(steps * _STEP, dtype=np.float64)
    padded[: len(samples)] = samples
    power = (padded.reshape(steps, _STEP) ** 2).mean(axis=1)
    return np.sqrt(np.convolve(power, np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS), mode="same"))
