"""What share of their peak accelerators reach in training, as runs that others published have it.

Of a run, the share falls with the balance of the device: how many operations it could make for each byte that it reads
(Williams et al., "Roofline", CACM 2009). With that one figure of the data sheet, devices and precisions that nobody has
published are told as well as others (docs/benchmarks/estimate.md). The figures in ``priors.yaml`` are fitted by
``make fit-priors``; nobody writes them by hand.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

import yaml

BALANCE = 300.0
"""Operations per byte around which the formula is written, about an H100's in bf16."""
MOST = 0.7
"""No published run of a whole network reaches more of its device's dense peak."""


class Kind(StrEnum):
    """Of networks whose share of the peak differs."""

    DENSE = "dense"
    EXPERTS = "experts"
    ADAPTER = "adapter"


@dataclass(frozen=True, kw_only=True)
class Priors:
    """Coefficients of the logarithm of the share."""

    dense: float
    """Of a dense network on a device of :data:`BALANCE`."""
    balance: float
    """With each doubling of the balance."""
    experts: float
    """Added for a mixture of experts."""
    experts_narrow: float
    """Added for a mixture of experts with each halving of the bytes of a number below two."""
    adapter: float
    """Added where only an adapter learns."""
    low: float
    high: float
    """Factors between which four of five runs of sources were that the fit had not seen."""
    date: str
    runs: int
    sources: tuple[str, ...]

    def utilization(self, *, kind: Kind, balance: float, narrowing: float) -> float:
        """Model FLOPs utilization, above 0. ``balance`` is the peak at the precision in use by the bandwidth, in
        operations per byte; ``narrowing`` that peak by the peak at 16 bits."""
        found = self.dense + self.balance * math.log2(balance / BALANCE)
        if kind is Kind.EXPERTS:
            found += self.experts + self.experts_narrow * math.log2(max(1.0, narrowing))
        elif kind is Kind.ADAPTER:
            found += self.adapter
        return min(MOST, math.exp(found))


@functools.cache
def published() -> Priors:
    """Those of the package."""
    text = resources.files("hostler.planning.estimate").joinpath("priors.yaml").read_text(encoding="utf-8")
    return read_priors(yaml.safe_load(text))


def read_priors(data: dict[str, Any]) -> Priors:
    """The content of a file of priors. Raises ``TypeError`` or ``KeyError`` where it is another one."""
    return Priors(
        **data["logarithms"],
        low=data["range"]["low"],
        high=data["range"]["high"],
        date=str(data["date"]),
        runs=data["runs"],
        sources=tuple(data["sources"]),
    )
