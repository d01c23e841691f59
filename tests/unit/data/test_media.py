"""Images and recordings as arrays, and files that cannot be decoded, with file and row."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.data.makers import clip, opened, png, tone, write_lines

from hostler_data.errors import DataError, MissingLibraryError
from hostler_data.media import decode_audio, decode_first_frame, decode_frames, decode_image
from hostler_data.record import Record


def noise() -> bytes:
    """A PNG file of several kilobytes."""
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "PNG")
    return stream.getvalue()


HALF_AN_IMAGE = noise()[:2000]


def record(**values: Any) -> Record:
    """Row 7 of a file in this directory."""
    return Record(file="a.jsonl", row=7, values=values)


def test_an_image_from_a_file_from_bytes_and_as_the_hub_stores_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(90))
    in_folder = Record(file="x", row=1, values={"image": "a.png"}, folder=tmp_path)
    sources = [in_folder, record(image=png(90)), record(image={"bytes": png(90), "path": "x.png"})]

    for source in [*sources, record(image=np.full((8, 8), 90, np.uint8))]:
        pixels = decode_image(source, channels=1)
        assert pixels.shape == (8, 8, 1)
        assert pixels.dtype == np.uint8
        assert (pixels == 90).all()


@pytest.mark.parametrize(
    ("size", "channels", "want"),
    [(None, 3, (10, 20, 3)), (16, 3, (16, 16, 3)), ((4, 6), 1, (4, 6, 1)), (None, 4, (10, 20, 4))],
)
def test_size_and_channels(size: Any, channels: int, want: tuple[int, ...]) -> None:
    assert decode_image(record(image=png(1, width=20, height=10)), size=size, channels=channels).shape == want


def test_what_stands_over_is_cut_on_both_sides() -> None:
    wide = Image.new("L", (30, 10), 0)
    wide.paste(255, (10, 0, 20, 10))
    stream = io.BytesIO()
    wide.save(stream, "PNG")

    assert (decode_image(record(image=stream.getvalue()), size=10, channels=1) == 255).all()


def test_frames_are_stacked() -> None:
    assert decode_frames(record(frames=[png(1), png(2)]), channels=1)[:, 0, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param({"image": b"junk"}, "a.jsonl:7: image is not an image file. Repair or remove it", id="junk"),
        pytest.param({"image": HALF_AN_IMAGE}, "a.jsonl:7: image cannot be decoded", id="half an image"),
        pytest.param({"image": "none.png"}, "a.jsonl:7: image none.png does not exist", id="a missing file"),
        pytest.param({"image": "../a.png"}, "a.jsonl:7: image '../a.png' lies outside the dataset", id="elsewhere"),
        pytest.param({"image": 3}, "a.jsonl:7: image is a number, neither a file nor its bytes", id="a number"),
        pytest.param({"picture": b""}, "a.jsonl:7: there is no image; the columns are: picture", id="another column"),
    ],
)
def test_images_that_cannot_be_decoded(values: dict[str, Any], want: str) -> None:
    with pytest.raises(DataError) as raised:
        decode_image(record(**values))

    assert str(raised.value).startswith(want)


def test_an_image_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    with pytest.raises(DataError, match="image has more than 67,108,864 pixels: make it smaller"):
        decode_image(record(image=png(1)))


@pytest.mark.parametrize(
    ("frames", "want"),
    [
        ([], "frames is an empty list, not a list of images"),
        ([png(1), png(1, width=9)], "the images of frames differ in size"),
    ],
)
def test_frames_that_make_no_clip(frames: list[bytes], want: str) -> None:
    with pytest.raises(DataError, match=want):
        decode_frames(record(frames=frames))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (16_000, 1)])
def test_audio_becomes_one_channel_at_the_rate_that_is_wanted(rate: int, channels: int) -> None:
    samples = decode_audio(record(audio=tone(seconds=0.5, rate=rate, channels=channels)))

    assert samples.dtype == np.float32
    assert abs(len(samples) - 8000) <= 32
    assert 0.4 < np.abs(samples).max() < 0.6
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 16_000 / len(samples) == pytest.approx(440, abs=3)


def test_audio_from_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    write_lines(tmp_path / "manifest.jsonl", [{"audio": "a.wav", "text": "beep"}])
    (row,) = opened(tmp_path, "audio")

    assert len(decode_audio(row, rate=8000)) == 4000


def test_audio_that_is_an_array_is_taken_as_it_is() -> None:
    assert decode_audio(record(audio=[0.0, 0.5])).tolist() == [0.0, 0.5]
    assert decode_audio(record(audio={"array": [0.25], "sampling_rate": 16_000})).tolist() == [0.25]


@pytest.mark.parametrize(
    ("audio", "want"),
    [
        pytest.param(b"junk", "a.jsonl:7: audio cannot be decoded", id="junk"),
        pytest.param(tone(seconds=0), "a.jsonl:7: audio ", id="no samples"),
        pytest.param("none.wav", "a.jsonl:7: audio none.wav does not exist", id="a missing file"),
        pytest.param(
            {"array": [0.1], "sampling_rate": 8000}, "a.jsonl:7: audio has 8000 samples a second", id="a rate"
        ),
        pytest.param([[0.1], [0.2]], "a.jsonl:7: audio has 2 dimensions", id="two channels"),
    ],
)
def test_recordings_that_cannot_be_decoded(audio: Any, want: str) -> None:
    with pytest.raises(DataError) as raised:
        decode_audio(record(audio=audio))

    assert str(raised.value).startswith(want)


def test_the_first_picture_of_a_clip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(clip())
    in_folder = Record(file="x", row=1, values={"video": "a.mp4"}, folder=tmp_path)

    for source in [in_folder, record(video=clip())]:
        pixels = decode_first_frame(source)
        assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("video", "want"),
    [
        pytest.param(b"junk", "video cannot be decoded: Invalid data found when processing input. Repair", id="junk"),
        pytest.param(clip()[:40], "video cannot be decoded", id="the beginning of a clip"),
        pytest.param(tone(), "video has no pictures in it. Repair or remove it", id="a recording"),
        pytest.param("none.mp4", "video none.mp4 does not exist", id="a missing file"),
    ],
)
def test_clips_that_cannot_be_decoded(video: bytes | str, want: str) -> None:
    with pytest.raises(DataError) as raised:
        decode_first_frame(record(video=video))

    assert str(raised.value).startswith(f"a.jsonl:7: {want}")


def test_a_missing_library_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(MissingLibraryError, match=r"needs av, which is not installed: pip install hostler\[data\]"):
        decode_audio(record(audio=tone()))
