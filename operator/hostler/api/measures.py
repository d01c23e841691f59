"""Figures of a status with their unit beside them, so that nobody has to take a string apart."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, model_validator

from hostler.api.schema import StatusModel

_FUSED = re.compile(r"([-+.\deE]*\d) ?([^-+.\d\s]\S*)")


class Measurement(StatusModel):
    """A figure and its unit."""

    value: Annotated[str, Field(min_length=1, max_length=24)]
    """The figure, a decimal number."""
    unit: Annotated[str, Field(min_length=1, max_length=32)]
    """What it counts."""

    @model_validator(mode="before")
    @classmethod
    def _read_fused(cls, given: Any) -> Any:
        """Statuses of earlier releases have one string, such as 9423 tokens/s or 3.1ms."""
        return _apart(given, "value", "unit")


class Money(StatusModel):
    """A sum of money."""

    amount: Annotated[str, Field(min_length=1, max_length=24)]
    """The sum, a decimal number."""
    currency: Annotated[str, Field(min_length=1, max_length=3)]
    """ISO 4217 code, the pool's."""

    @model_validator(mode="before")
    @classmethod
    def _read_fused(cls, given: Any) -> Any:
        """Statuses of earlier releases have one string, such as 3.35 EUR."""
        return _apart(given, "amount", "currency")


def _apart(given: Any, figure: str, of: str) -> Any:
    match = _FUSED.fullmatch(given) if isinstance(given, str) else None
    return given if match is None else {figure: match[1], of: match[2]}
