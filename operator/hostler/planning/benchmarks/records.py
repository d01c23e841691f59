"""What pools keep of benchmarks: merged, bounded, and priced as the pool is now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from hostler.api.benchmark import MOST_BENCHMARKS, PoolBenchmark, PowerSource
from hostler.api.estimate import RunShape
from hostler.api.measures import Measurement, Money
from hostler.planning import moments
from hostler.planning.estimate.measurements import MeasuredRun, Measurements, Shape, merge
from hostler.planning.pools import PoolView
from hostler.planning.spending import spending

_HOUR = 3600
ImageOf = Callable[[str, PoolView], str | None]
"""From a family and a pool to the image that a training of it would run in there now; None where there is none."""


def merged(before: Iterable[PoolBenchmark], fresh: Iterable[PoolBenchmark], *, now: str) -> tuple[PoolBenchmark, ...]:
    """The newest run of each load, shape and image, and no more than a status may have. A run that is there already
    stays as it was written first; one that ended in the future, by a clock that was wrong, ended now."""
    found: dict[tuple[str, RunShape, str], PoolBenchmark] = {}
    written = tuple(before)
    runs = {each.run for each in written}
    for each in (*written, *(each for each in fresh if each.run not in runs)):
        at = now if moments.elapsed(each.at, now=now) < 0 else each.at
        known, key = found.get(_key(each)), _key(each)
        if known is None or (at, each.run) > (known.at, known.run):
            found[key] = each if at == each.at else each.model_copy(update={"at": at})
    newest = sorted(found.values(), key=lambda each: (each.at, each.run), reverse=True)
    return tuple(newest[:MOST_BENCHMARKS])


def _key(each: PoolBenchmark) -> tuple[str, RunShape, str]:
    return each.load, each.shape, each.image


def present(each: PoolBenchmark, *, view: PoolView, image_of: ImageOf) -> PoolBenchmark:
    """With what follows from the pool as it is now: whether its image and type still are those, and what one of the
    currency buys at its price. Cores and simulated devices have no power of their own."""
    kind, devices, speed = view.pool.kind, each.shape.devices, float(each.speed.value)
    own = view.pool.spec.accelerator_type == each.accelerator_type and view.simulated == each.simulated
    hour = spending(view, units=devices, seconds=_HOUR) if own else None
    watts = kind.watts * devices if own and not each.simulated and kind is not None and kind.watts else None
    price = None if hour is None else hour.amount
    currency = "" if hour is None else hour.currency
    return each.model_copy(
        update={
            "outdated": not own or each.image != image_of(each.shape.family, view),
            "watts": None if watts is None else f"{watts:.5g}",
            "power": None if watts is None else PowerSource.RATED,
            "per_watt": None if watts is None else Measurement(value=f"{speed / watts:.4g}", unit=_per(each, "W")),
            "cost_per_hour": None if price is None else Money(amount=_plain(price), currency=currency),
            "per_currency": None
            if not price
            else Measurement(value=f"{speed * _HOUR / float(price):.4g}", unit=f"{unit_of(each)}/{currency}"),
        }
    )


def unit_of(each: PoolBenchmark) -> str:
    """What its family counts, such as tokens."""
    return each.speed.unit.removesuffix("/s")


def _per(each: PoolBenchmark, what: str) -> str:
    return f"{each.speed.unit}/{what}"


def _plain(price: Decimal) -> str:
    """As many digits as it has, up to six behind the point, and never an exponent."""
    text = f"{price:.6f}".rstrip("0").rstrip(".")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


def as_measurements(known: Iterable[PoolBenchmark]) -> Measurements:
    """Those that still hold, in the form in which estimates follow from runs: without the time that it took to start,
    which says nothing of other jobs."""
    return merge((_shape(each), (_run(each),)) for each in known if not each.outdated)


def _shape(each: PoolBenchmark) -> Shape:
    return Shape(**each.shape.model_dump())


def _run(each: PoolBenchmark) -> MeasuredRun:
    return MeasuredRun(
        run=each.run,
        at=each.at,
        units_per_second=float(each.speed.value),
        units_per_step=float(each.units_per_step),
        operations_per_second=None if each.operations_per_second is None else float(each.operations_per_second),
        memory_bytes=each.memory_bytes,
    )
