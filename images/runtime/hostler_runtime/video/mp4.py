"""MP4 files (H.264) from arrays, and arrays from video files, through FFmpeg's libraries."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from hostler_data.pictures import MOST_PIXELS

_MOST_PIXELS_OF_A_CLIP = 1 << 29
"""Of all frames together: 1.5 GiB, as two minutes of 512 x 512 at 16 a second."""
QUALITY = 10
"""Constant rate factor of x264 (0 lossless, 51 worst): generated clips are small, and artefacts would be taken for the
model's."""


def encode_mp4(frames: np.ndarray, *, frames_per_second: int) -> bytes:
    """``frames`` x height x width x channels (1 or 3, uint8) as an MP4 file that players and browsers show.

    The same frames give the same bytes. Height and width must be even, because H.264 stores colour at half the size.
    """
    count, height, width, _ = frames.shape
    if height % 2 or width % 2:
        raise ValueError(f"H.264 needs an even height and width, not {height} x {width}")
    file = io.BytesIO()
    with av.open(file, mode="w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, frames_per_second)
        # One thread: how x264 shares out work changes its bytes.
        stream.options = {"crf": str(QUALITY), "preset": "medium", "threads": "1"}
        for index in range(count):
            pixels = np.ascontiguousarray(np.broadcast_to(frames[index], (height, width, 3)))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def decode_video(source: Path | io.BytesIO) -> tuple[np.ndarray, float]:
    """All frames of a video file (frames x height x width x 3, uint8) and their number per second.

    Raises what ``av`` raises, and ``ValueError`` where there is no picture in the file, or more than fits into memory.
    """
    with av.open(str(source) if isinstance(source, Path) else source, mode="r") as container:
        if not container.streams.video:
            raise ValueError("has no pictures in it")
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.base_rate or 0)
        if stream.width * stream.height > MOST_PIXELS:
            raise ValueError(f"{stream.width:,} x {stream.height:,} pixels, and {MOST_PIXELS:,} are the most")
        most = max(1, _MOST_PIXELS_OF_A_CLIP // max(1, stream.width * stream.height))
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(stream), most + 1)]
        if len(frames) > most:
            raise ValueError(f"more than {most:,} frames of {stream.width:,} x {stream.height:,}: shorten or shrink it")
    if not frames or rate <= 0:
        raise ValueError("has no pictures in it")
    return np.stack(frames), rate
