"""Every example, whole: its gates hold, and its request is answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exampleruns import ALL, Example, run
from stack import Stack


@pytest.mark.parametrize("example", [pytest.param(example, id=example.folder) for example in ALL])
def test_an_example_trains_to_its_bounds_and_answers(
    stack: Stack, namespace: Callable[[str], str], tmp_path: Path, example: Example
) -> None:
    job = run(stack, example, namespace=namespace(f"example-{example.folder}"), scratch=tmp_path)

    assert job["status"]["progress"]["percent"] == 100
