"""From an uploaded file to samples, through FFmpeg's libraries."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import numpy as np

from hostler_runtime.protocols.tasks import SAMPLING_RATE
from hostler_runtime.server.errors import ApiError

MAX_SECONDS: Final = 3600
"""Longest audio of one request, about 220 MiB of samples; compressed silence could hold days in 25 MiB."""
FORMATS: Final = "wav,mp3,flac,ogg,matroska,webm,mov,mp4,m4a,aac,mpeg"
"""Containers that are read. Playlists are not among them: they name other files and hosts to be read."""


def decode(content: bytes, *, name: str, param: str = "file") -> np.ndarray:
    """float32 samples in -1..1, one channel at ``SAMPLING_RATE``.

    Raises ``ApiError`` for what is no audio, empty, damaged, or longer than ``MAX_SECONDS``.
    """
    # Imported late: a server of another family never loads FFmpeg.
    import av

    if not content:
        raise _unusable(name, "it is empty", param=param)
    blocks: list[np.ndarray] = []
    samples = 0
    try:
        for block in _blocks(content):
            samples += len(block)
            if samples > MAX_SECONDS * SAMPLING_RATE:
                raise _unusable(name, f"it is longer than {MAX_SECONDS} seconds; cut it into parts", param=param)
            blocks.append(block)
    except av.FFmpegError as error:
        reason = f"it cannot be decoded ({error.strerror}); accepted are wav, mp3, flac, ogg, webm, m4a and mp4"
        raise _unusable(name, reason, param=param) from error
    if samples == 0:
        raise _unusable(name, "there is no sound in it", param=param)
    audio = np.concatenate(blocks)
    if not np.isfinite(audio).all():
        raise _unusable(name, "its samples are not all numbers", param=param)
    return audio


def _blocks(content: bytes) -> Iterator[np.ndarray]:
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    with av.open(io.BytesIO(content), "r", options=options) as container:
        if not container.streams.audio:
            return
        # Channels are averaged here: FFmpeg's own way to one channel is 3 dB louder for floats and leaves -1..1.
        resampler = av.AudioResampler(format="fltp", rate=SAMPLING_RATE)
        for frame in container.decode(container.streams.audio[0]):
            for piece in resampler.resample(frame):
                yield piece.to_ndarray().mean(axis=0)
        for piece in resampler.resample(None):
            yield piece.to_ndarray().mean(axis=0)


def _unusable(name: str, why: str, *, param: str) -> ApiError:
    return ApiError(f"The file '{name}' cannot be used: {why}.", param=param, code="invalid_audio")
