"""Digits, who reads them, and a published checkpoint, for the tests of the image families."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime.families import digits
from runtime.families.painters import published_checkpoint
from runtime.families.pictures import few_digits

from hostler_runtime.families.text_to_image import measures
from hostler_runtime.images import judge


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All digits as files."""
    return digits.write_folder(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty digits, for runs that only show that something runs."""
    return few_digits(tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="session")
def reader() -> digits.Reader:
    """The judge."""
    return digits.Reader()


@pytest.fixture(scope="module")
def cheap_figures() -> Iterator[None]:
    """Where nobody asks whether images show what they should, few are drawn, and their judge learns next to nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "MOST_DRAWN", measures.LEAST_DRAWN)
        patch.setattr(judge, "STEPS", 5)
        yield


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint of the kind that is published."""
    words = tmp_path / "words"
    words.mkdir()
    return published_checkpoint(tmp_path / "published", words)
