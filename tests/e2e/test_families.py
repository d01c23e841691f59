"""One small family of each kind of data through the whole system: rows, images, recordings, clips. Documents are
trained on in the other tests; what a model is worth is shown where it is trained in full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exampleruns import ALL, Example, run
from stack import Stack

SHORT = [example for example in ALL if example.short]


@pytest.fixture(scope="module")
def home(namespace: Callable[[str], str]) -> str:
    """One namespace for all of them."""
    return namespace("families")


@pytest.mark.parametrize("example", [pytest.param(example, id=example.folder) for example in SHORT])
def test_a_family_is_trained_registered_served_and_asked(
    stack: Stack, home: str, tmp_path: Path, example: Example
) -> None:
    job = run(stack, example, namespace=home, scratch=tmp_path, short=True)

    progress = job["status"]["progress"]
    assert progress["percent"] == 100
    assert progress["metrics"], progress
