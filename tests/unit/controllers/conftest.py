"""A small cluster with controllers on it, for each test."""

from __future__ import annotations

import pytest
from bench import make_bench
from fakes import Bench


@pytest.fixture
def bench() -> Bench:
    """Two pools, some text, nothing to do yet."""
    return make_bench()
