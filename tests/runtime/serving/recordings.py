"""Sound files in the formats that clients send, made here."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np

RATE: Final = 16_000
FORMATS: Final = {
    # name's ending: container, codec, rate that the codec takes
    "wav": ("wav", "pcm_s16le", 16_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "flac": ("flac", "flac", 22_050),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 44_100),
}


def tone(seconds: float, *, rate: int = RATE, hertz: float = 440.0, loudness: float = 0.5) -> np.ndarray:
    """A sine."""
    moments = np.arange(round(seconds * rate)) / rate
    return (loudness * np.sin(2 * np.pi * hertz * moments)).astype(np.float32)


def recording(ending: str, seconds: float, *, loudness: float = 0.5, channels: int = 1) -> bytes:
    """A file with a tone of 440 Hz."""
    container_format, codec, rate = FORMATS[ending]
    layout = {1: "mono", 2: "stereo"}[channels]
    target = io.BytesIO()
    with av.open(target, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        mono = tone(seconds, rate=rate, loudness=loudness)
        samples = np.repeat((mono * 32767).astype(np.int16), channels)[None, :]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.rate = rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return target.getvalue()
