"""Which rows are held out: decided by a row's position alone, so that no part has to be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """A rule for positions from 0.

    Rows are taken in strata of about ``100 / percent`` neighbours, and a hash draws one row of each. The share is
    exact to one row at any length, sorted data gives a fair sample, and periods in the data meet none in the rule.
    """

    percent: int
    forced: int | None = None
    """The one row that is held out of data that ends before the first stratum's draw."""

    def held_out(self, position: int) -> bool:
        """Whether a row is for validation."""
        if self.forced is not None:
            return position == self.forced
        stratum = position * self.percent // 100
        start, stop = (-(-index * 100 // self.percent) for index in (stratum, stratum + 1))
        return position == start + _draw(stratum, stop - start)


def plan_split(rows: Iterable[object], *, percent: int) -> Split | None:
    """A rule that leaves both parts at least one row; None where there are not two rows. Reads only as far as the
    first row of each part."""
    rule, seen, count = Split(percent), set(), 0
    for position, _ in enumerate(rows):
        count += 1
        seen.add(rule.held_out(position))
        if len(seen) == 2:
            return rule
    return Split(percent, forced=_draw(0, count)) if count >= 2 else None


def _draw(stratum: int, size: int) -> int:
    digest = hashlib.blake2b(f"validation {stratum}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % size
