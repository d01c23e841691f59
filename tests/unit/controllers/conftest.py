"""A small cluster with controllers on it, and what services need there, for each test."""

from __future__ import annotations

import pytest
from bench import Bench, make_bench
from builders import make_model, make_priority_class


@pytest.fixture
def bench() -> Bench:
    """Two pools, some text, nothing to do yet."""
    return make_bench()


@pytest.fixture
def modelled(bench: Bench) -> Bench:
    """A bench with the Model ``tiny`` on its claim."""
    bench.cluster.claim("tiny")
    bench.cluster.put(make_model("tiny"))
    return bench


@pytest.fixture
def painting(bench: Bench) -> Bench:
    """A bench with an image model ``tiny`` and two styles for it."""
    for name in ("tiny", "bold-style", "thin-style"):
        bench.cluster.claim(name)
        bench.cluster.put(make_model(name, family="text-to-image", task="text-to-image"))
    return bench


@pytest.fixture
def urgent(bench: Bench) -> Bench:
    """A cluster with a class of high priority."""
    bench.cluster.put(make_priority_class("urgent", 1000))
    bench.cluster.put(make_priority_class("polite", 1000, preemptionPolicy="Never"))
    return bench
