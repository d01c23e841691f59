"""Numbers that look random and are the same on every machine and in every version of Python."""

from __future__ import annotations

from collections.abc import Iterator

_MULTIPLIER, _INCREMENT, _MODULUS = 6364136223846793005, 1442695040888963407, 2**64


def numbers(seed: int) -> Iterator[float]:
    """From 0 to below 1 (a linear congruential generator with Knuth's constants): Python promises the same sequence
    only for a part of what its own generators can do."""
    state = seed
    while True:
        state = (state * _MULTIPLIER + _INCREMENT) % _MODULUS
        yield (state >> 11) / 2**53
