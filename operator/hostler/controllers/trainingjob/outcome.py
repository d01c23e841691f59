"""What a finished job's status says of its result, beside the Model's own figures."""

from __future__ import annotations

from decimal import Decimal

from hostler.api.measures import Measurement, Money
from hostler.api.trainingjob import Comparison, Measured, Target
from hostler.controllers.trainingjob.figures import figures, number
from hostler.controllers.trainingjob.observed import Observed
from hostler.planning import quantities
from hostler.planning.spending import spending
from hostler_contract import Result
from hostler_contract import result as contract


def comparison(result: Result) -> Comparison | None:
    """Size, latency and quality before and after, of an objective that starts from a base."""
    found = result.comparison
    return None if found is None else Comparison(before=_measured(found.before), after=_measured(found.after))


def target(result: Result, seen: Observed) -> Target | None:
    """When stopAt was met, with energy and price where pool and registry know what they follow from."""
    found = result.target
    if found is None:
        return None
    shown = Target(metric=found.metric, value=number(found.value), step=found.step, seconds=f"{found.seconds:.1f}")
    placement, view = seen.status.placement, seen.pool.view
    if placement is None or view is None:
        return shown
    per_pod = placement.per_pod if view.pool.resource else quantities.cores(seen.spec.resources.cpu)
    spent = spending(view, units=placement.pods * per_pod, seconds=found.seconds)
    return shown.model_copy(
        update={
            "energy": None if spent.kilowatt_hours is None else _energy(spent.kilowatt_hours),
            "cost": None if spent.amount is None else _money(spent.amount, spent.currency),
        }
    )


def _energy(kilowatt_hours: float) -> Measurement:
    return Measurement(value=f"{kilowatt_hours:.3g}", unit="kWh")


def _money(amount: Decimal, currency: str) -> Money:
    """In hundredths, or three figures of what is less than one."""
    return Money(amount=f"{amount:.2f}" if amount >= 1 else f"{float(amount):.3g}", currency=currency)


def _measured(model: contract.Measured) -> Measured:
    return Measured(
        size_bytes=model.size_bytes,
        parameters=model.parameters,
        latency=Measurement(value=f"{model.latency_seconds * 1000:.3g}", unit="ms"),
        metrics=figures(model.metrics),
    )
