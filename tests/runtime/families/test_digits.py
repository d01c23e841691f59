"""The judge of the image and video families is itself judged."""

from __future__ import annotations

import numpy as np
import pytest
from runtime.families.digits import Reader


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Trained in three seconds."""
    return Reader()


@pytest.mark.parametrize("size", [8, 16, 32])
def test_reads_unseen_digits_at_every_size(reader: Reader, size: int) -> None:
    assert reader.accuracy(size=size) >= 0.95


def test_recognizes_digits_and_not_what_lies_between_them(reader: Reader) -> None:
    digits = reader.held_out.images
    draw = np.random.default_rng(0)
    means = digits[draw.integers(0, len(digits), (500, 4))].astype(np.float64).mean(axis=1).astype(np.uint8)
    noise = draw.integers(0, 256, (500, 8, 8), dtype=np.uint8)
    assert np.mean(reader.recognized(digits)) >= 0.85
    assert np.mean(reader.recognized(means)) <= 0.25
    assert np.mean(reader.recognized(noise)) <= 0.25
