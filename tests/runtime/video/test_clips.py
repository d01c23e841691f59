"""Clips as files and as arrays."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_runtime.video.clips import ClipShape, read_clip
from hostler_runtime.video.mp4 import decode_video, encode_mp4

SHAPE = ClipShape(frames=4, size=16, channels=1, frames_per_second=8)


def brightening(count: int, *, size: int = 16) -> np.ndarray:
    """Frames that can be told apart: the n-th has brightness 20 n."""
    return np.stack([np.full((size, size, 1), 20 * index, dtype=np.uint8) for index in range(count)])


def brightness(clip: np.ndarray) -> list[int]:
    """Which frames a clip has, by number."""
    return [round(float(frame.mean()) / 20) for frame in clip]


def video(folder: Path, *, count: int, rate: int, size: int = 16) -> Record:
    """A row with a video file."""
    (folder / "clip.mp4").write_bytes(encode_mp4(brightening(count, size=size), frames_per_second=rate))
    return Record(file="metadata.jsonl", row=7, values={"video": "clip.mp4"}, folder=folder)


def frames(folder: Path, *, count: int) -> Record:
    """A row with a list of images."""
    names = [f"{index}.png" for index in range(count)]
    for name, frame in zip(names, brightening(count), strict=True):
        Image.fromarray(frame[:, :, 0]).save(folder / name)
    return Record(file="metadata.jsonl", row=7, values={"frames": names}, folder=folder)


def test_frames_survive_mp4_and_the_same_frames_give_the_same_file() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 1), dtype=np.uint8)
    film = encode_mp4(noise, frames_per_second=12)
    assert encode_mp4(noise, frames_per_second=12) == film
    seen, rate = decode_video(io.BytesIO(film))
    assert (seen.shape, rate) == ((5, 16, 24, 3), 12.0)
    assert np.abs(seen.astype(int) - noise).mean() < 8


def test_an_odd_size_is_refused() -> None:
    with pytest.raises(ValueError, match="even height and width, not 16 x 15"):
        encode_mp4(np.zeros((2, 16, 15, 3), dtype=np.uint8), frames_per_second=8)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        pytest.param(lambda folder: video(folder, count=4, rate=8), [0, 1, 2, 3], id="a video as long as the model's"),
        pytest.param(lambda folder: video(folder, count=8, rate=8), [2, 3, 4, 5], id="the middle of a longer one"),
        pytest.param(
            lambda folder: video(folder, count=8, rate=16), [0, 2, 4, 6], id="every other frame of a fast one"
        ),
        pytest.param(lambda folder: video(folder, count=2, rate=4), [0, 0, 1, 1], id="each frame twice of a slow one"),
        pytest.param(lambda folder: video(folder, count=4, rate=8, size=32), [0, 1, 2, 3], id="one of another size"),
        pytest.param(lambda folder: frames(folder, count=4), [0, 1, 2, 3], id="a list of images"),
        pytest.param(lambda folder: frames(folder, count=6), [1, 2, 3, 4], id="the middle of a longer list"),
    ],
)
def test_a_row_becomes_a_clip(row: Callable[[Path], Record], shown: list[int], tmp_path: Path) -> None:
    clip = read_clip(row(tmp_path), SHAPE)
    assert clip.shape == (4, 16, 16, 1)
    assert brightness(clip) == shown


def broken(folder: Path) -> Record:
    """A row whose file is no video."""
    (folder / "clip.mp4").write_bytes(b"garbage")
    return Record(file="metadata.jsonl", row=7, values={"video": "clip.mp4"}, folder=folder)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        pytest.param(broken, "video clip.mp4 cannot be decoded", id="a file that is no video"),
        pytest.param(
            lambda folder: Record(file="metadata.jsonl", row=7, values={"video": "none.mp4"}, folder=folder),
            "video none.mp4 does not exist",
            id="no file",
        ),
        pytest.param(
            lambda folder: Record(file="metadata.jsonl", row=7, values={"caption": "x"}, folder=folder),
            "there is no video; the columns are: caption",
            id="neither a video nor frames",
        ),
        pytest.param(lambda folder: video(folder, count=3, rate=8), "has 3 frames", id="a clip that is too short"),
        pytest.param(lambda folder: frames(folder, count=3), "has 3 frames", id="a list that is too short"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_row(
    row: Callable[[Path], Record], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"^metadata.jsonl:7: .*{sentence}"):
        read_clip(row(tmp_path), SHAPE)
