"""The scripts of a benchmark's folder as modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "planner"
_MODULES = (
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
    """The planner's benchmark; it is a folder of scripts, so they go again afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in _MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
                del sys.modules[name]
