"""Uploaded files become samples, or a refusal that says what is wrong with them."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from runtime.serving.recordings import FORMATS, RATE, recording, tone

from hostler_runtime.server import sound
from hostler_runtime.server.errors import ApiError


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_tone_comes_back_from_every_format(ending: str, channels: int) -> None:
    samples = sound.decode(recording(ending, 1.5, channels=channels), name=f"tone.{ending}")
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(1.5, abs=0.12)  # codecs pad with up to two frames
    middle = samples[RATE // 4 : RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * RATE / len(middle) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.1)


def test_an_uncompressed_file_comes_back_sample_for_sample() -> None:
    samples = sound.decode(recording("wav", 0.5), name="tone.wav")
    assert np.abs(samples - tone(0.5)).max() < 2 / 32768


def wav_of(*floats: float) -> bytes:
    """A wav file of floating-point samples."""
    values = np.array(floats, dtype="<f4").tobytes()
    header = b"RIFF" + (36 + len(values)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    shape = (3).to_bytes(2, "little") + (1).to_bytes(2, "little") + RATE.to_bytes(4, "little")
    rest = (4 * RATE).to_bytes(4, "little") + (4).to_bytes(2, "little") + (32).to_bytes(2, "little")
    return header + shape + rest + b"data" + len(values).to_bytes(4, "little") + values


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(b"", "it is empty", id="no byte"),
        pytest.param(b"This is a text, and no sound.\n" * 50, "cannot be decoded", id="a text"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be decoded", id="an image"),
        pytest.param(recording("flac", 1)[:60], "cannot be decoded", id="the beginning of a file"),
        pytest.param(recording("m4a", 1)[:-400], "there is no sound", id="a file without its end"),
        pytest.param(wav_of(), "there is no sound in it", id="a header only"),
        pytest.param(wav_of(0.0, np.inf, 0.5), "not all numbers", id="an infinite sample"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_name(content: bytes, want: str) -> None:
    with pytest.raises(ApiError, match=f"The file 'upload.wav' cannot be used.*{want}") as caught:
        sound.decode(content, name="upload.wav")
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "file", "invalid_audio")


def test_a_file_is_not_decoded_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "MAX_SECONDS", 2)
    assert len(sound.decode(recording("mp3", 1.5), name="short.mp3")) > RATE
    with pytest.raises(ApiError, match="longer than 2 seconds"):
        sound.decode(recording("mp3", 60), name="long.mp3")


def test_a_playlist_reads_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload may name what FFmpeg would then open by itself."""
    (tmp_path / "secret.wav").write_bytes(recording("wav", 1))
    monkeypatch.chdir(tmp_path)
    playlist = b"ffconcat version 1.0\nfile secret.wav\n"
    with av.open(io.BytesIO(playlist)) as unguarded:
        assert sum(frame.samples for frame in unguarded.decode(audio=0)) == RATE
    with pytest.raises(ApiError, match="cannot be decoded"):
        sound.decode(playlist, name="list.wav")
