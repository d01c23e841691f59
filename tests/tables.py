"""Table-driven tests whose cases are named by a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest


def table(names: str | tuple[str, ...], cases: Mapping[str, Any]) -> pytest.MarkDecorator:
    """`pytest.mark.parametrize` over a mapping from sentence to values."""
    return pytest.mark.parametrize(names, list(cases.values()), ids=list(cases))
