"""Every example, whole: its gates hold, and its request is answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from exampleruns import ALL, Example, run
from stack import Stack


@pytest.mark.parametrize("example", [pytest.param(example, id=example.folder) for example in ALL])
def test_an_example_trains_to_its_bounds_and_answers(
    stack: Stack, namespace: Callable[[str], str], tmp_path: Path, reached: dict[str, Any], example: Example
) -> None:
    job = run(stack, example, namespace=namespace(f"example-{example.folder}"), scratch=tmp_path)

    status, gates = job["status"], job["spec"]["evaluation"]["gates"]
    began, ended = (datetime.fromisoformat(status[name]) for name in ("startTime", "completionTime"))
    seconds = (ended - began).total_seconds()
    figures = {figure["name"]: float(figure["value"]) for figure in status["progress"]["metrics"]}
    reached[example.folder] = {"seconds": seconds, "steps": job["spec"]["training"]["steps"], "figures": figures}

    assert status["progress"]["percent"] == 100
    assert {gate["metric"] for gate in gates} <= figures.keys(), "a model that is Ready has passed its gates"
