"""Figures of containers as strings: short, and coarse enough that an idle minute writes nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from hostler.api.common import Figure

_ABSURD = 1e15
"""More tokens a second than all machines compute, and more seconds than anybody waits."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST = 64


def sensible(figure: float | None) -> float | None:
    """A figure that can be shown. A pod may run anybody's code, so one without sense is one that is not known."""
    return figure if figure is not None and math.isfinite(figure) and abs(figure) < _ABSURD else None


def number(figure: float) -> str:
    """Four figures."""
    return f"{figure:.4g}"


def shown(figure: float | None) -> str | None:
    """Four figures of what makes sense."""
    found = sensible(figure)
    return None if found is None else number(found)


def figures(found: Mapping[str, float]) -> tuple[Figure, ...] | None:
    """By name; what has no proper name or no proper value is left out, and None is left where nothing has."""
    proper = [
        Figure(name=name, value=number(value))
        for name, value in sorted(found.items())
        if _NAME.fullmatch(name) and sensible(value) is not None
    ]
    return tuple(proper[:_MOST]) or None
