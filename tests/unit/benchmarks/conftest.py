"""The scripts of a benchmark's folder as modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks"
_ESTIMATE = ("bars", "elsewhere", "fit", "fitting", "published", "repeated", "report", "scores", "unseen")
_PLANNER = (
    "allocation",
    "attained",
    "demands",
    "estimates",
    "figures",
    "folder",
    "jobs",
    "openb",
    "orders",
    "queue_bench",
    "replay",
    "trace_bench",
    "traces",
)


@pytest.fixture(scope="module")
def planner() -> Iterator[SimpleNamespace]:
    """The planner's benchmark."""
    yield from _loaded("planner", _PLANNER)


@pytest.fixture(scope="module")
def estimates() -> Iterator[SimpleNamespace]:
    """The benchmark of estimates."""
    yield from _loaded("estimate", _ESTIMATE)


def _loaded(name: str, modules: Sequence[str]) -> Iterator[SimpleNamespace]:
    """It is a folder of scripts, some of which another folder has too, so they go again afterwards."""
    folder, before = str(FOLDER / name), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield SimpleNamespace(**{module: importlib.import_module(module) for module in modules})
    finally:
        sys.path.remove(folder)
        for module in set(sys.modules) - before:
            if str(getattr(sys.modules[module], "__file__", "")).startswith(folder):
                del sys.modules[module]
