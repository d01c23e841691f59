"""Pictures: bounded before they are decoded, brought to eight bits, captioned by what stands beside them."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tables import table
from unit.data.makers import opened, png

from hostler_data.describe import describe
from hostler_data.errors import DataError
from hostler_data.media import decode_image
from hostler_data.pictures import MOST_PIXELS, PictureError, check_picture
from hostler_data.record import Record

RAMP = np.linspace(0, 65535, 256 * 256).reshape(256, 256)


def written(pixels: np.ndarray, kind: str) -> bytes:
    """A file with these values."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def decoded(content: bytes, **options: Any) -> np.ndarray:
    """As a trainer sees it."""
    return decode_image(Record(file="a.jsonl", row=7, values={"image": content}), **options)


@table(
    "content",
    {
        "a scan of 16 bits as PNG": written(RAMP.astype(np.uint16), "PNG"),
        "the same as TIFF": written(RAMP.astype(np.uint16), "TIFF"),
        "whole numbers of 32 bits that are 16 wide": written(RAMP.astype(np.int32), "TIFF"),
    },
)
def test_an_even_ramp_of_sixteen_bits_stays_one(content: bytes) -> None:
    pixels = decoded(content)

    assert pixels.mean() == pytest.approx(127.5, abs=0.5)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert (np.diff(pixels[:, 0, 0].astype(int)) >= 0).all()


@table(
    "content, want",
    {
        "decimal numbers": (
            written((RAMP / 65535).astype(np.float32), "TIFF"),
            "has decimal numbers for pixels, which say not what is white: store 8 or 16 bits",
        ),
        "whole numbers without a known range": (
            written((RAMP * 100).astype(np.int32), "TIFF"),
            "has values from 0 to 6553500, which say not what is white: store 8 or 16 bits",
        ),
    },
)
def test_values_of_which_nobody_knows_what_is_white_are_refused(content: bytes, want: str) -> None:
    with pytest.raises(DataError) as raised:
        decoded(content)

    assert str(raised.value) == f"a.jsonl:7: image {want}"


def test_a_large_picture_is_refused_by_its_header() -> None:
    stream = io.BytesIO()
    Image.new("1", (13_300, 13_300)).save(stream, "PNG")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="image has 13,300 x 13,300 pixels, and 67,108,864 are the most: make it"):
            decoded(stream.getvalue(), size=16)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(stream.getvalue()) < 1 << 20
    assert peak < 4 << 20, "no pixel was decoded"


def test_the_bound() -> None:
    check_picture(width=8192, height=8192)
    check_picture(width=MOST_PIXELS, height=1)
    with pytest.raises(PictureError):
        check_picture(width=8193, height=8192)


def test_texts_beside_pictures_are_their_captions(tmp_path: Path) -> None:
    folder = tmp_path / "10_mydog dog"
    folder.mkdir()
    for name in ("0", "1"):
        (folder / f"{name}.png").write_bytes(png(1))
        (folder / f"{name}.txt").write_text(f"a brown dog, view {name}\n")

    records = opened(tmp_path, "images")

    assert [record.values["caption"] for record in records] == ["a brown dog, view 0", "a brown dog, view 1"]
    assert describe(records, family="text-to-image").notes == []


def test_a_text_of_another_name_is_no_caption(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(1))
    (tmp_path / "about.txt").write_text("pictures")

    records = opened(tmp_path, "images")

    assert [dict(record.values) for record in records] == [{"image": "0.png"}]
    assert describe(records).notes == ["1 file that nobody reads: about.txt."]
