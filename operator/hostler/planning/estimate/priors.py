"""What share of their peak accelerators reach in training, as runs that others published have it.

Of a run, the share falls with the balance of the device: how many operations it could make for each byte that it reads
(Williams et al., "Roofline", CACM 2009). With that one figure of the data sheet, devices and precisions that nobody has
published are told as well as others (docs/benchmarks/estimate.md). It falls with the share of attention too, whose
kernels are slower than matrix products and compute more than the half of the square that counts. The figures in
``priors.yaml`` are fitted by ``make fit-priors``; nobody writes them by hand.
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
_BEYOND_BALANCE = 2.0
"""Factor by which a device may be out of the balances that are published: so far the formula told those that it had
not seen."""
_BEYOND_SIZE = 3.0
"""Factor by which a network may be smaller than the smallest that is published."""


class Kind(StrEnum):
    """Of networks whose operations are counted, or whose share of the peak is told, in another way."""

    DENSE = "dense"
    EXPERTS = "experts"
    ADAPTER = "adapter"
    """Only an adapter learns. Its operations are fewer (4 for a weight instead of 6); the share that it reaches of the
    peak is a dense network's, as far as the few published runs show."""


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
    attention: float
    """Added in proportion to the share of operations that are causal attention's."""
    least_balance: float
    most_balance: float
    """Of the devices and precisions of the runs, in operations per byte. Far beyond them nothing is extrapolated."""
    least_operations: float
    """Of a token, in the smallest network. In smaller ones the time between two products counts as much as they do."""
    low: float
    high: float
    """Factors between which at least four of five runs of sources are that the fit has not seen; what is demanded of
    them, and how many there really are: docs/benchmarks/estimate.md."""
    date: str
    runs: int
    sources: tuple[str, ...]

    def covers(self, balance: float) -> bool:
        """Whether runs of about this balance were published. Beyond are memories on the chip, and products in fp32."""
        return self.least_balance / _BEYOND_BALANCE <= balance <= self.most_balance * _BEYOND_BALANCE

    def covers_network(self, operations_per_unit: float) -> bool:
        """Whether runs of networks as small as this were published."""
        return operations_per_unit >= self.least_operations / _BEYOND_SIZE

    def utilization(self, *, kind: Kind, balance: float, narrowing: float, attention: float = 0.0) -> float:
        """Model FLOPs utilization, above 0. ``balance`` is the peak at the precision in use by the bandwidth, in
        operations per byte; ``narrowing`` that peak by the peak at 16 bits; ``attention`` the share of operations
        that :func:`hostler.planning.estimate.operations.causal_share` counts."""
        within = min(self.most_balance * _BEYOND_BALANCE, max(self.least_balance / _BEYOND_BALANCE, balance))
        found = self.dense + self.balance * math.log2(within / BALANCE) + self.attention * attention
        if kind is Kind.EXPERTS:
            found += self.experts + self.experts_narrow * math.log2(max(1.0, narrowing))
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
        least_balance=data["balances"]["least"],
        most_balance=data["balances"]["most"],
        least_operations=float(data["least_operations"]),
        low=data["range"]["low"],
        high=data["range"]["high"],
        date=str(data["date"]),
        runs=data["runs"],
        sources=tuple(data["sources"]),
    )
