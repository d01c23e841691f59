"""Hubs on loopback and a volume, for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.importing.modelhub import ModelHub, Shelf
from runtime.importing.models import llama
from runtime.importing.volume import NAME, Volume

Start = Callable[..., ModelHub]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start hubs."""
    started: list[ModelHub] = []

    def hub(shelf: Shelf | None = None, **options: Any) -> ModelHub:
        started.append(ModelHub({NAME: shelf or Shelf(files=llama())}, **options))
        return started[-1]

    yield hub
    for each in started:
        each.close()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)
