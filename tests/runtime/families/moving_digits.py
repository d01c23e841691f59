"""Clips of handwritten digits that cross the picture, and judges that no model under test has seen."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Final

import numpy as np
from runtime.families import digits

from hostler_runtime.video.mp4 import encode_mp4

SIZE: Final = 32
"""Height and width of the clips, in pixels; a digit takes half of each."""
FRAMES: Final = 6
FRAMES_PER_SECOND: Final = 6
STEP: Final = 2
"""Pixels that a digit moves from one frame to the next."""
DIRECTIONS: Final = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
PROMPTS: Final = tuple((label, name) for label in range(10) for name in DIRECTIONS)
"""Every digit in every direction."""
_INK: Final = 0.3
"""Brightness from which a pixel belongs to the digit."""


def caption(label: int, direction: str) -> str:
    """What is said of a clip."""
    return f"a {digits.WORDS[label]} moving {direction}"


def clip(image: np.ndarray, direction: str) -> np.ndarray:
    """A digit (16 x 16, uint8) on its way through the middle of a dark picture: frames x height x width x 1."""
    side = image.shape[0]
    frames = np.zeros((FRAMES, SIZE, SIZE, 1), dtype=np.uint8)
    for index in range(FRAMES):
        top, left = _place(index, direction)
        frames[index, top : top + side, left : left + side, 0] = image
    return frames


def write_shard(path: Path, *, count: int | None = None) -> Path:
    """A WebDataset shard: MP4 files and captions, one for each digit, all directions in turn."""
    data = digits.load(size=SIZE // 2)
    names = list(DIRECTIONS)
    with tarfile.open(path, "w") as shard:
        for index in range(count or len(data)):
            label, direction = int(data.labels[index]), names[_shuffled(index) % len(names)]
            film = encode_mp4(clip(data.images[index], direction), frames_per_second=FRAMES_PER_SECOND)
            for extension, content in (("mp4", film), ("txt", caption(label, direction).encode())):
                member = tarfile.TarInfo(f"{index:05d}.{extension}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    return path


def direction_of(frames: np.ndarray) -> str:
    """Where what is bright goes: the slope of its centre's place over time, by least squares."""
    bright = np.clip(_grey(frames) - _INK, 0, None)
    weight = bright.sum(axis=(1, 2)) + 1e-9
    places = np.arange(frames.shape[1])
    moments = np.arange(len(frames)) - (len(frames) - 1) / 2
    down = float(moments @ (bright.sum(axis=2) @ places / weight))
    right = float(moments @ (bright.sum(axis=1) @ places / weight))
    if abs(down) > abs(right):
        return "down" if down > 0 else "up"
    return "right" if right > 0 else "left"


def still_of(frames: np.ndarray) -> np.ndarray:
    """One picture of the digit (16 x 16, uint8): the mean over the frames along the way that it seems to take."""
    direction, side = direction_of(frames), SIZE // 2
    stills = []
    for index, frame in enumerate(_grey(frames)):
        top, left = _place(index, direction)
        stills.append(frame[top : top + side, left : left + side])
    return np.round(np.mean(stills, axis=0) * 255).astype(np.uint8)


def _place(index: int, direction: str) -> tuple[int, int]:
    """Top and left of the digit in a frame."""
    down, right = DIRECTIONS[direction]
    way, middle = STEP * index - STEP * (FRAMES - 1) // 2, SIZE // 4
    return middle + down * way, middle + right * way


def _grey(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=-1) / 255


def _shuffled(index: int) -> int:
    """A permutation of the numbers that has nothing to do with the order of the digits."""
    return index * 2_654_435_761 % (1 << 32) >> 7
