"""Variation of frames while training: a later beginning, and missing bands and moments (SpecAugment, arXiv 1904.08779).

All of it comes from torch's global generator, so that a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from hostler_runtime.families.speech_to_text.formats import Sound

_LATEST_SHARE = 0.08
"""Of the longest sound: how much later one may begin."""
_WIDEST_BAND_SHARE = 0.15
"""Of the mel bins, that are missing at most."""
_LONGEST_GAP_SHARE = 0.06
"""Of a recording's frames, that are missing at most."""


def augmented(sound: Sound, *, most_frames: int) -> Sound:
    """A variation of a sound; never longer than ``most_frames``."""
    room = most_frames - len(sound.frames)
    later = _upto(min(room, int(most_frames * _LATEST_SHARE)))
    count, bins = sound.frames.shape
    frames = np.full((later + count, bins), np.float32(sound.silence))
    frames[later:] = sound.frames
    missing = float(sound.frames.mean())
    band = _upto(int(bins * _WIDEST_BAND_SHARE))
    low = _upto(bins - band)
    frames[later:, low : low + band] = missing
    gap = _upto(int(count * _LONGEST_GAP_SHARE))
    begin = later + _upto(count - gap)
    frames[begin : begin + gap] = missing
    return dataclasses.replace(sound, frames=frames)


def _upto(most: int) -> int:
    """A random number from 0 to ``most``."""
    return int(torch.randint(0, max(0, most) + 1, ()))
