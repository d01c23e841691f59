"""What an estimate says. Nothing is said without its basis, and nothing that is not known is a number."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

PETAFLOP_DAY = 1e15 * 86400
"""Operations of a petaflop/s for a day (OpenAI, "AI and Compute", 2018)."""


class Basis(StrEnum):
    """Where a figure comes from, the nearest to the truth first."""

    GIVEN = "given"
    """A person said so."""
    MEASURED = "measured"
    """Runs of this shape on this pool."""
    BENCHMARK = "benchmark"
    """The family's standard load on this pool."""
    PUBLISHED = "published"
    """Runs that others published, of this generation of devices, precision and kind of network."""
    PEAK = "peak"
    """The data sheet's dense peak times a utilization that is assumed."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """A figure with its doubt: four of five are between low and high."""

    low: float
    expected: float
    high: float

    def scaled(self, factor: float) -> Range:
        """The same in another unit; ``factor`` is above 0."""
        return Range(low=self.low * factor, expected=self.expected * factor, high=self.high * factor)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a run computes."""

    units_per_second: Range
    """Over all devices, in the family's unit; padding does not count."""
    basis: Basis
    because: str
    """The basis in one sentence, with the figure that was used."""
    utilization: Range | None = None
    """Share of the dense peak, 0 to 1 (model FLOPs utilization: PaLM, arXiv 2204.02311, appendix B)."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of one device at the worst moment, term by term."""

    terms: tuple[tuple[str, int], ...]
    """What takes it, in words of users, the largest parts of a sum that is the peak."""
    device: int | None = None
    """Bytes of the device; None where nobody knows."""
    largest_rows: int | None = None
    """Most rows at once that fit; None where the device's memory is not known, 0 where not even one does."""
    measured: int | None = None
    """Most bytes that a run of the same shape has had in use; None where none has told."""
    note: str = ""
    """What is to be done where it is expected not to fit."""

    @property
    def peak(self) -> int:
        """The sum."""
        return sum(size for _, size in self.terms)

    @property
    def fits(self) -> bool | None:
        """None where nobody knows."""
        return None if self.device is None else self.peak <= self.device


@dataclass(frozen=True, kw_only=True)
class Price:
    """What accelerators cost, for the time that they are held."""

    per_minute: Decimal
    per_hour: Decimal
    total: tuple[Decimal, Decimal, Decimal]
    """Low, expected and high, each rounded up to the billing step."""
    currency: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of one job on one pool."""

    operations: float | None
    """Of the whole run, forward and backward; what is computed twice counts once. None where nobody knows."""
    attention: float = 0.0
    """Those of them that are the products of attention, where the sizes of the network are known."""
    parameters: int | None = None
    """Weights of the network; None where nobody knows."""
    active_parameters: int | None = None
    """Weights that one token is multiplied with; None where that is not counted."""
    units: float
    """What is computed in all, in the family's unit."""
    unit: str
    speed: Speed | None = None
    seconds: Range | None = None
    """Of training, without waiting in line; None where no speed is known."""
    memory: Memory | None = None
    kilowatt_hours: Range | None = None
    """At the devices' rated power: an upper bound. None for simulated devices."""
    carbon_kilograms: Range | None = None
    """CO2 and equal gases of that energy; None where the pool does not state its grid."""
    price: Price | None = None
    """None where the pool has no price."""
    notes: tuple[str, ...] = ()
    """What was assumed."""

    @property
    def petaflop_days(self) -> float | None:
        """Operations of the weights alone in the unit of :data:`PETAFLOP_DAY`: 6 for each weight and token, as
        published figures have it ("Scaling Laws", arXiv 2001.08361; GPT-3, arXiv 2005.14165, table D.1)."""
        return None if self.operations is None else (self.operations - self.attention) / PETAFLOP_DAY
