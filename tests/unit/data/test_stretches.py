"""Stretches of a longer recording: offset and duration, in seconds."""

from __future__ import annotations

import io
import math
import struct
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tables import table
from unit.data.makers import opened, write_lines

from hostler_data.describe import describe
from hostler_data.errors import DataError
from hostler_data.media import decode_audio
from hostler_data.record import Record

RATE = 16_000
TONES = (300, 600, 1200)


def scale() -> bytes:
    """A second of each tone, one after the other."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for hertz in TONES:
            samples = (int(16000 * math.sin(2 * math.pi * hertz * index / RATE)) for index in range(RATE))
            file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return stream.getvalue()


def as_flac(content: bytes) -> bytes:
    """The same in a container that is sought in."""
    stream = io.BytesIO()
    with av.open(io.BytesIO(content)) as source, av.open(stream, "w", format="flac") as target:
        track = target.add_stream("flac", rate=RATE, layout="mono")
        for frame in source.decode(audio=0):
            frame.pts = None
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    return stream.getvalue()


WAVE = scale()


def heard(**values: Any) -> np.ndarray:
    """The samples of a row."""
    return decode_audio(Record(file="a.jsonl", row=7, values=values), rate=RATE)


def pitch(samples: np.ndarray) -> float:
    """Hertz of its loudest tone."""
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples))


@pytest.mark.parametrize("content", [WAVE, as_flac(WAVE)], ids=["wav", "flac"])
@pytest.mark.parametrize("second", [0, 1, 2])
def test_a_stretch_is_cut_at_its_offset(content: bytes, second: int) -> None:
    samples = heard(audio=content, offset=float(second), duration=1.0)

    assert len(samples) == RATE
    assert pitch(samples) == pytest.approx(TONES[second], abs=2)


@table(
    "values, seconds",
    {
        "neither": ({}, 3.0),
        "an offset alone": ({"offset": 2.25}, 0.75),
        "a duration alone": ({"duration": 0.5}, 0.5),
        "a duration that is rounded up": ({"offset": 2.0, "duration": 1.01}, 1.0),
        "nulls": ({"offset": None, "duration": None}, 3.0),
    },
)
def test_what_is_heard_of_three_seconds(values: dict[str, Any], seconds: float) -> None:
    assert len(heard(audio=WAVE, **values)) == pytest.approx(seconds * RATE, abs=2)


def test_samples_that_are_given_as_numbers_are_cut_too() -> None:
    assert heard(audio=[0.0] * RATE + [1.0] * RATE, offset=1, duration=0.5).tolist() == [1.0] * (RATE // 2)


@table(
    "values, want",
    {
        "beyond the end": (
            {"offset": 2.0, "duration": 5},
            "the stretch (2 to 7 s) reaches beyond the recording, which ends at 3.00 s: correct the row, or remove it",
        ),
        "a negative offset": (
            {"offset": -1},
            "offset is the number -1, not a number of seconds: write one of 0 or more, without quotes",
        ),
        "a text": (
            {"duration": "1.5"},
            "duration is '1.5', not a number of seconds: write one of 0 or more, without quotes",
        ),
        "nothing": ({"duration": 0}, "duration is 0: give the stretch's seconds, or leave it out"),
    },
)
def test_a_stretch_that_is_none(values: dict[str, Any], want: str) -> None:
    with pytest.raises(DataError) as raised:
        heard(audio=WAVE, **values)

    assert str(raised.value) == f"a.jsonl:7: {want}"


def test_a_stretch_that_begins_after_the_end() -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:7: "):
        heard(audio=WAVE, offset=9.0)


def test_a_manifest_of_stretches_is_described_by_their_seconds(tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(WAVE)
    lines = [
        {"audio_filepath": "long.wav", "offset": float(second), "duration": 1.0, "text": "a sentence"}
        for second in range(3)
    ]
    write_lines(tmp_path / "manifest.jsonl", lines)

    report = describe(opened(tmp_path, "audio"))

    assert report.lengths is not None
    assert (report.valid, report.lengths.total, report.lengths.longest, report.notes) == (True, 3, 1, [])
