"""Small things that the tests of the image families share."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from runtime.families import digits


def images_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """A dataset block for an image folder."""
    return {
        "source": {"kind": "path", "location": str(folder)},
        "format": "images",
        "validationPercent": 10,
        **changes,
    }


def few_digits(folder: Path, *, count: int = 60) -> Path:
    """The first digits alone, for runs that only show that something runs."""
    whole = digits.load()
    return digits.write_folder(folder, digits=digits.Digits(whole.images[:count], whole.labels[:count]))


def pixels(png: bytes) -> np.ndarray:
    """What a file shows, as uint8."""
    return np.asarray(Image.open(io.BytesIO(png)))


def as_png(image: np.ndarray) -> bytes:
    """A file that shows an image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()
