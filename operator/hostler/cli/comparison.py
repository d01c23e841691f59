"""Pools beside each other by their benchmarks. Only like is compared with like, and only in one currency."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

Object = dict[str, Any]
COST, WATT, DEVICE = "cost", "watt", "device"
_RATE = re.compile(r"(?P<currency>[A-Z]{3})=(?P<amount>[^@]+)(?:@(?P<date>.+))?")


class ComparisonError(ValueError):
    """What was asked for cannot be compared; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What one of a currency is worth, as the user gave it."""

    currency: str
    amount: float
    """In the currency that everything is shown in."""
    date: str = ""
    """YYYY-MM-DD; empty where the user did not say."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One pool in one load; what is not known is None."""

    pool: str
    accelerator_type: str
    devices: int
    per_device: float
    """Units per second of one device."""
    per_watt: float | None
    per_currency: float | None
    """Units for one of the currency that everything is shown in."""
    power: str | None
    at: str
    image: str
    simulated: bool
    outdated: bool
    notes: tuple[str, ...] = ()
    relative: float | None = None
    """To the best, which has 1; None where the row does not compare."""

    def value(self, per: str) -> float | None:
        """The figure by which rows are compared."""
        return {COST: self.per_currency, WATT: self.per_watt, DEVICE: self.per_device}[per]


@dataclass(frozen=True, kw_only=True)
class Group:
    """All that ran one load, the best first; what does not compare is at the end."""

    load: str
    unit: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person wants to see."""

    family: str | None = None
    load: str | None = None
    per: str = COST
    currency: str | None = None
    """None takes the only one that needs no rate."""
    rates: Mapping[str, Rate] = field(default_factory=dict)


def read_rates(given: Sequence[str], *, today: str) -> dict[str, Rate]:
    """From ``USD=0.92`` or ``USD=0.92@2026-11-01``. Raises :class:`ComparisonError`."""
    found: dict[str, Rate] = {}
    for text in given:
        match = _RATE.fullmatch(text)
        if match is None:
            raise ComparisonError(f"{text!r} is no rate such as USD=0.92 or USD=0.92@2026-11-01")
        rate = Rate(currency=match["currency"], amount=_positive(match["amount"], text), date=match["date"] or "")
        if rate.date:
            _check_date(rate.date, text, today=today)
        if rate.currency in found:
            raise ComparisonError(f"there are two rates for {rate.currency}: give one of them")
        found[rate.currency] = rate
    return found


def _positive(text: str, whole: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount > 0):
        raise ComparisonError(f"{whole!r}: a rate is a number above 0")
    return amount


def _check_date(text: str, whole: str, *, today: str) -> None:
    try:
        known = date.fromisoformat(text)
    except ValueError:
        raise ComparisonError(f"{whole!r}: the day is written YYYY-MM-DD") from None
    if known > date.fromisoformat(today):
        raise ComparisonError(f"{whole!r}: {text} is in the future")


def currency_of(pools: Sequence[Object], wish: Wish) -> str:
    """The currency that everything is shown in; empty where no pool has a price. Raises :class:`ComparisonError`."""
    there = sorted(
        {cost["currency"] for pool in pools for each in _benchmarks(pool) if (cost := each.get("costPerHour"))}
    )
    if wish.currency is not None:
        if wish.currency in wish.rates:
            raise ComparisonError(f"a rate for {wish.currency} says nothing: everything is shown in {wish.currency}")
        return wish.currency
    unrated = [each for each in there if each not in wish.rates]
    if len(unrated) > 1:
        *others, last = unrated
        example = " ".join(f"--rate {each}=..." for each in others)
        raise ComparisonError(
            f"prices are in {', '.join(others)} and {last}, and no rate was given: say what one of the others is worth "
            f"with --currency {last} {example}"
        )
    if not unrated and there:
        raise ComparisonError(f"every currency has a rate: say with --currency what {', '.join(there)} are shown in")
    return unrated[0] if unrated else ""


def compared(pools: Sequence[Object], wish: Wish) -> list[Group]:
    """Every load that was run, each with its pools. Raises :class:`ComparisonError`."""
    currency = currency_of(pools, wish)
    found: dict[tuple[str, str], list[Row]] = {}
    for pool in pools:
        for each in _benchmarks(pool):
            if wish.load not in (None, each["load"]) or wish.family not in (None, each["shape"]["family"]):
                continue
            unit = each["speed"]["unit"].removesuffix("/s")
            found.setdefault((each["load"], unit), []).append(_row(pool, each, wish=wish, currency=currency))
    return [Group(load=load, unit=unit, rows=_ranked(rows, wish.per)) for (load, unit), rows in sorted(found.items())]


def _benchmarks(pool: Object) -> Sequence[Object]:
    found: Sequence[Object] = (pool.get("status") or {}).get("benchmarks") or ()
    return found


def _row(pool: Object, each: Object, *, wish: Wish, currency: str) -> Row:
    devices = each["shape"].get("devices", 1)
    per_currency, notes = _per_currency(each, wish=wish, currency=currency)
    simulated, outdated = bool(each.get("simulated")), bool(each.get("outdated"))
    flags = [name for name, is_so in (("outdated", outdated), ("simulated", simulated)) if is_so]
    return Row(
        pool=pool["metadata"]["name"],
        accelerator_type=each["acceleratorType"],
        devices=devices,
        per_device=float(each["speed"]["value"]) / devices,
        per_watt=float(each["perWatt"]["value"]) if each.get("perWatt") else None,
        per_currency=per_currency,
        power=each.get("power"),
        at=each["at"],
        image=each["image"],
        simulated=simulated,
        outdated=outdated,
        notes=(*flags, *notes),
    )


def _per_currency(each: Object, *, wish: Wish, currency: str) -> tuple[float | None, list[str]]:
    cost = each.get("costPerHour")
    if not cost or not each.get("perCurrency"):
        return None, ["no price"]
    own, value = cost["currency"], float(each["perCurrency"]["value"])
    if own == currency:
        return value, []
    rate = wish.rates.get(own)
    if rate is None:
        return None, [f"no rate for {own}"]
    return value / rate.amount, [f"1 {own} = {rate.amount:g} {currency}{' of ' + rate.date if rate.date else ''}"]


def _ranked(rows: Sequence[Row], per: str) -> tuple[Row, ...]:
    """What is outdated does not compare, and simulated devices only with each other."""
    current = [row for row in rows if not row.outdated and row.value(per)]
    real = [row for row in current if not row.simulated]
    counted = real or current
    best = max((row.value(per) or 0.0 for row in counted), default=0.0)
    ranked = [replace(row, relative=(row.value(per) or 0.0) / best) for row in counted]
    rest = [row for row in rows if row not in counted]
    return (
        *sorted(ranked, key=lambda row: (-(row.relative or 0.0), row.pool)),
        *sorted(rest, key=lambda row: (row.outdated, row.pool, row.at)),
    )
