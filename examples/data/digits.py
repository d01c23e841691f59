"""Scikit-learn's 1,797 handwritten digits as one Parquet file: ``python digits.py data.parquet``.

Each row has an ``image`` (a PNG file of 16 x 16 pixels), its ``label`` and a ``caption``. Needs scikit-learn, Pillow
and pyarrow, which the environment of the runtime's tests has.
"""

from __future__ import annotations

import io
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from PIL import Image
from sklearn.datasets import load_digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTIONS = ("a handwritten {}", "the digit {}", "a picture of the number {}", "{}")
SIZE = 16


def png(pixels: np.ndarray) -> bytes:
    """One digit, from 17 grey levels on 8 x 8 pixels."""
    image = Image.fromarray(np.round(pixels * (255 / 16)).astype(np.uint8).reshape(8, 8))
    file = io.BytesIO()
    image.resize((SIZE, SIZE), Image.Resampling.BILINEAR).save(file, format="PNG")
    return file.getvalue()


def main(target: str) -> None:
    """Write all rows."""
    images, labels = load_digits(return_X_y=True)
    rows = {
        "image": [png(pixels) for pixels in images],
        "label": [WORDS[label] for label in labels],
        "caption": [CAPTIONS[n % len(CAPTIONS)].format(WORDS[label]) for n, label in enumerate(labels)],
    }
    parquet.write_table(pa.table(rows), target, compression="zstd")


if __name__ == "__main__":
    main(sys.argv[1])
