"""What a job was expected to take beside what it took, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from hostler.api.cost import JobCost
from hostler.controllers.costing import show_money
from hostler.controllers.trainingjob.costing import bill_of
from hostler.planning.quantities import show_bytes

Object = dict[str, Any]


def estimate_of(obj: Object) -> Object:
    """The estimate in an object's status; empty where there is none."""
    found: Object = (obj.get("status") or {}).get("estimate") or {}
    return found


def estimate_sentences(obj: Object) -> Iterator[str]:
    """Time, money and energy as they were told before the first pod, each with what it was in the end."""
    told = estimate_of(obj)
    if not told:
        return
    if duration := told.get("duration"):
        low, expected, high = (duration.get(name, "?") for name in ("low", "expected", "high"))
        yield f"It takes {expected} ({low} to {high}) with {_pods(told)} on pool {told['pool']}."
    yield f"Basis {str(told.get('basis', '')).lower()}: {told.get('message', '')}"
    yield from _memory(told)
    if cost := told.get("cost"):
        yield f"It costs {cost['expected']} {cost['currency']} ({cost['low']} to {cost['high']})."
    if energy := told.get("energy"):
        carbon = told.get("carbon")
        grams = f", for which its grid emits {carbon['value']} {carbon['unit']}" if carbon else ""
        yield f"It takes {energy['value']} {energy['unit']}, at the rated power{grams}."
    if arithmetic := told.get("petaflopDays"):
        share = f", at {float(told['utilization']):.0%} of the peak" if told.get("utilization") else ""
        yield f"It computes {arithmetic} petaflop/s-days{share}."
    yield from _actual(told)


def _memory(told: Object) -> Iterator[str]:
    memory = told.get("memory")
    if not memory:
        return
    there = f" of {show_bytes(memory['deviceBytes'])}" if memory.get("deviceBytes") else ""
    terms = sorted(memory.get("terms") or (), key=lambda each: -int(each["bytes"]))
    parts = ", ".join(f"{each['name']} {show_bytes(each['bytes'])}" for each in terms)
    yield f"One device takes {show_bytes(memory['peakBytes'])}{there} at most: {parts}."
    if memory.get("measuredBytes"):
        yield f"Runs of this shape have taken {show_bytes(memory['measuredBytes'])}."
    if memory.get("message"):
        yield str(memory["message"])


def cost_sentences(obj: Object, *, now: str) -> Iterator[str]:
    """What a job has cost until now, and for what; nothing of one that never held anything."""
    status = obj.get("status") or {}
    if not status.get("cost"):
        return
    try:
        bill = bill_of(JobCost.model_validate(status["cost"]))
    except ValidationError:
        return  # Of another release.
    sums = [f"{show_money(amount)} {currency}" for currency, amount in bill.total(now).items()]
    hours = bill.device_seconds(now) / 3600
    spent = f"It has cost {' and '.join(sums)}" if sums else "The pool has no price"
    yield f"{spent}: {hours:.3g} device hours{_limit_of(obj)}."
    if status["cost"].get("perHour"):
        rate = status["cost"]["perHour"]
        yield f"What it holds now costs {rate['amount']} {rate['currency']} an hour."
    whole = sum(bill.use.values())
    parts = [f"{use.value} {seconds / whole:.0%}" for use, seconds in bill.use.items() if whole and seconds]
    if len(parts) > 1:
        yield f"Of that: {', '.join(parts)}."


def _limit_of(obj: Object) -> str:
    limit = (obj.get("spec") or {}).get("maxCost")
    return f"; spec.maxCost is {limit['amount']} {limit['currency']}" if limit else ""


def choice_sentences(obj: Object) -> Iterator[str]:
    """The pools that could have been chosen, each with its reason."""
    found = (obj.get("status") or {}).get("choice") or {}
    for place, ranked in enumerate(found.get("ranking") or (), start=1):
        rank = "-" if ranked.get("rejected") else f"{place}."
        yield f"{rank} {ranked['pool']} ({ranked['acceleratorType']}): {ranked['message']}{_figures_of(ranked)}"


def _figures_of(ranked: Object) -> str:
    """What is known of one pool."""
    cost, energy = ranked.get("cost"), ranked.get("energy")
    figures = {
        "starts in": ranked.get("startsIn"),
        "takes": ranked.get("duration"),
        "costs": f"{cost['amount']} {cost['currency']}" if cost else None,
        "energy": f"{energy['value']} {energy['unit']}" if energy else None,
    }
    known = ", ".join(f"{name} {value}" for name, value in figures.items() if value)
    return f" ({known})" if known and not ranked.get("rejected") else ""


def _actual(told: Object) -> Iterator[str]:
    actual = told.get("actual")
    if not actual:
        return
    ratio = f", {actual['ratio']} times the expected" if actual.get("ratio") else ""
    speed = actual["speed"]
    yield f"It took {actual['duration']}{ratio}: {actual['stepSeconds']} s a step, {speed['value']} {speed['unit']}."


def _pods(told: Object) -> str:
    count = told.get("pods", 1)
    return f"{count} pod{'' if count == 1 else 's'}"
