"""A small cluster with controllers on it, for each test."""

from __future__ import annotations

import pytest
from bench import Bench, make_bench


@pytest.fixture
def bench() -> Bench:
    """Two pools, some text, nothing to do yet."""
    return make_bench()
