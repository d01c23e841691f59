"""Whether a job is expected to stay within what its spec allows, before it has a pod."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.planning import moments
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection, rejection


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a job takes, as far as it is known."""

    seconds: float | None = None
    cost: Decimal | None = None
    """In the currency of the pool."""
    measured: bool = False
    """Whether runs on the pool have shown it; else these are the low ends, for an estimate that others' runs or a
    data sheet make refuses only what nearly everybody would exceed."""


def reject_limits(spec: TrainingJobSpec, *, view: PoolView, expected: Expected) -> Rejection | None:
    """What is expected to pass spec.maxCost or spec.maxDuration, or could not be stopped before it."""
    return _reject_cost(spec, view, expected) or _reject_duration(spec, view, expected)


def limit_in(spec: TrainingJobSpec, currency: str) -> Decimal | None:
    """spec.maxCost in another currency, by the rates that the job gives; None where there is no limit, or no rate."""
    limit, choose = spec.max_cost, spec.accelerators.choose
    if limit is None:
        return None
    if limit.currency == currency:
        return Decimal(limit.amount)
    if choose is None or choose.currency != limit.currency:
        return None
    rates = {each.currency: Decimal(each.rate) for each in choose.rates}
    return Decimal(limit.amount) / rates[currency] if currency in rates else None


def _reject_cost(spec: TrainingJobSpec, view: PoolView, expected: Expected) -> Rejection | None:
    limit, price, pool = spec.max_cost, view.pool.spec.price, view.pool.name
    if limit is None:
        return None
    if price is None:
        text = (
            f"pool {pool} has no price, so nobody knows what the job costs: set spec.price of the pool, or leave it out"
        )
        return rejection(TrainingReason.COST_ABOVE_LIMIT, "spec.maxCost", text)
    most = limit_in(spec, price.currency)
    if most is None:
        text = f"the price of pool {pool} is in {price.currency}: give the limit in it"
        return rejection(TrainingReason.COST_ABOVE_LIMIT, "spec.maxCost.currency", text)
    if expected.cost is None or expected.cost <= most:
        return None
    costs = f"{_least(expected)} {expected.cost:.2f} {price.currency} on pool {pool}"
    text = f"{limit.amount} {limit.currency} is the most, and the job {costs}"
    ways = "raise it, take fewer steps or a smaller network, or a pool where it costs less (spec.accelerators.choose)"
    return rejection(TrainingReason.COST_ABOVE_LIMIT, "spec.maxCost", f"{text}: {ways}")


def _reject_duration(spec: TrainingJobSpec, view: PoolView, expected: Expected) -> Rejection | None:
    limit = spec.max_duration
    most = None if limit is None else moments.seconds_of(limit)
    if most is None or expected.seconds is None or expected.seconds <= most:
        return None
    verb = "takes" if expected.measured else "takes at least"
    took = moments.duration(expected.seconds)
    text = f"{limit} is the most, and the job {verb} {took} on pool {view.pool.name}"
    ways = "raise it, take fewer steps, more pods, or a faster pool (spec.accelerators.choose with optimize time)"
    return rejection(TrainingReason.DURATION_ABOVE_LIMIT, "spec.maxDuration", f"{text}: {ways}")


def _least(expected: Expected) -> str:
    return "costs" if expected.measured else "costs at least"
