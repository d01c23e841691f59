"""Digits, who reads them, and a published checkpoint, for the tests of the image families."""

from __future__ import annotations

from pathlib import Path

import pytest
from runtime.families import digits
from runtime.families.painters import published_checkpoint
from runtime.families.pictures import few_digits


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


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint of the kind that is published."""
    words = tmp_path / "words"
    words.mkdir()
    return published_checkpoint(tmp_path / "published", words)
