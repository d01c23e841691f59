"""Rows of data as clips of one size, length and speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from hostler_data.media import decode_frames, media_source
from hostler_data.record import Record
from hostler_runtime.video.mp4 import decode_video

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class ClipShape:
    """What every clip of a dataset is brought to."""

    frames: int
    size: int
    """Height and width, in pixels."""
    channels: int
    frames_per_second: int


def read_clip(record: Record, shape: ClipShape) -> np.ndarray:
    """The row's clip as frames x height x width x channels, uint8.

    ``frames`` is a list of images that follow each other at the wanted speed; ``video`` a file of any speed, of which
    frames are taken at the wanted one. A longer clip gives its middle. Raises ``DataError`` with file and row where
    there is neither, where a file cannot be read, and where a clip is too short.
    """
    if "frames" in record.values:
        found = decode_frames(record, role="frames", size=shape.size, channels=shape.channels)
    elif "video" in record.values:
        found = _video(record, shape)
    else:
        record.require("video")
        raise AssertionError("unreachable")
    if len(found) < shape.frames:
        raise record.error(
            f"the clip has {len(found)} frames at {shape.frames_per_second} a second, the model takes {shape.frames}: "
            "remove the row, or lower frames"
        )
    start = (len(found) - shape.frames) // 2
    return np.ascontiguousarray(found[start : start + shape.frames])


def _video(record: Record, shape: ClipShape) -> np.ndarray:
    source = media_source(record, "video")
    name = f"video {source.name}" if isinstance(source, Path) else "video"
    try:
        frames, rate = decode_video(source)
    except FileNotFoundError:
        raise record.error(f"{name} does not exist: put it there, or remove the row") from None
    except (OSError, ValueError, av.FFmpegError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise record.error(f"{name} cannot be decoded: {reason}. Repair or remove it") from error
    # The frame that is on screen at each moment.
    moments = np.arange(int(len(frames) / rate * shape.frames_per_second + 1e-6)) / shape.frames_per_second
    chosen = np.minimum((moments * rate + 1e-6).astype(int), len(frames) - 1)
    return np.stack([_fitted(frames[index], shape) for index in chosen]) if len(chosen) else frames[:0]


def _fitted(frame: np.ndarray, shape: ClipShape) -> np.ndarray:
    image = Image.fromarray(frame).convert(_MODES[shape.channels])
    if image.size != (shape.size, shape.size):
        image = ImageOps.fit(image, (shape.size, shape.size), method=Image.Resampling.BICUBIC)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]
