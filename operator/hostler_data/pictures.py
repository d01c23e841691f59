"""What a picture may be before its pixels are decoded, and its pixels with eight bits each."""

from __future__ import annotations

from typing import Any, Final

from hostler_data.libraries import library

MOST_PIXELS: Final = 64 << 20
"""8192 x 8192. Half a megabyte of file can hold any number of equal pixels; decoding, turning and converting one of
this size takes about 800 MiB, and nothing that is trained here reads more than a few thousand pixels a side."""
TOO_LARGE: Final = f"has more than {MOST_PIXELS:,} pixels: make it smaller"


_SIXTEEN: Final = (1 << 16) - 1


class PictureError(Exception):
    """A picture that is not decoded; the message says why and what to do."""


def check_picture(*, width: int, height: int) -> None:
    """Refuse a picture by its size in pixels, which its header says. Raises ``PictureError``."""
    if width * height > MOST_PIXELS:
        raise PictureError(f"has {width:,} x {height:,} pixels, and {MOST_PIXELS:,} are the most: make it smaller")


def with_eight_bits(image: Any) -> Any:
    """The picture in a mode of eight bits: what has sixteen is scaled. Raises ``PictureError`` where the file does not
    say which value is white."""
    if image.mode.startswith("I;16"):
        return _scaled(image)
    if image.mode == "I":
        # How the decoder hands out sixteen bits, and also whole numbers without a known range.
        lowest, highest = image.getextrema()
        if lowest < 0 or highest > _SIXTEEN:
            raise PictureError(
                f"has values from {lowest} to {highest}, which say not what is white: store 8 or 16 bits"
            )
        return _scaled(image)
    if image.mode == "F":
        raise PictureError("has decimal numbers for pixels, which say not what is white: store 8 or 16 bits")
    return image


def _scaled(image: Any) -> Any:
    numpy, pillow = (library(name, use="decoding images") for name in ("numpy", "PIL.Image"))
    # 65535 becomes 255: 257 is their quotient.
    values = numpy.asarray(image, dtype=numpy.uint32)
    scaled = pillow.fromarray(((values + 128) // 257).astype(numpy.uint8))
    scaled.info.update(image.info)
    return scaled
