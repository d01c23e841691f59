"""From the one seed of a request to one for each of its answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

MAX_SEED = 2**63 - 1
_STEP = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: neighbouring answers get seeds that lie far apart (Knuth, TAOCP 3, 6.4)."""


def derived_seeds(seed: int | None) -> Iterator[int]:
    """Endless, the same for the same ``seed``; the first is the seed itself. None draws one."""
    first = random.getrandbits(63) if seed is None else seed
    for answer in itertools.count():
        yield (first + answer * _STEP) & MAX_SEED
