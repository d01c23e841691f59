"""Words of what is shown to people."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 row" and "1,200 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
