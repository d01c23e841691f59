"""Which pool a job is to have, of all that could hold it. Pure.

Comparable is what the whole job takes there: its time with the time in line and, of a pool that grows, the start of a
node; its cost; its energy. What is not known is never taken for little: such pools come after all others, by the time
in line, so that a new pool is tried where nothing better is known, and known from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hostler.accelerators import AcceleratorType
from hostler.api.choice import Choose, Optimize
from hostler.planning import moments, quantities
from hostler.planning.estimate.result import Estimate
from hostler.planning.estimate.speed import peak_of

_GIB = 2**30
WORTH_MOVING = 0.8
"""A job in line goes over to another pool where it takes at most this part of what the chosen one does."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A pool that the job could have."""

    pool: str
    kind: AcceleratorType
    rejected: str = ""
    """Why it cannot hold the job; a sentence, empty where it can."""
    wait: float | None = None
    """Seconds until it would have its accelerators; None where nobody knows."""
    estimate: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A candidate with its figure."""

    candidate: Candidate
    message: str
    figure: float | None = None
    """What is compared: seconds, kWh, or money in the job's currency."""

    @property
    def rejected(self) -> bool:
        """Whether it cannot hold the job."""
        return bool(self.candidate.rejected)


def unsuited(choose: Choose, kind: AcceleratorType) -> str:
    """Why a type is not what a job asks for; empty where it is."""
    if choose.types and kind.id not in choose.types:
        return f"its type {kind.id} is none of choose.types"
    if choose.classes and kind.kind not in {each.value for each in choose.classes}:
        return f"{kind.id} is of class {kind.kind}, which is none of choose.classes"
    if choose.memory is not None:
        least = quantities.whole(choose.memory)
        if kind.memory_gib is None:
            return f"nobody knows how much memory {kind.id} has, and choose.memory asks for {choose.memory}"
        if kind.memory_gib * _GIB < least:
            return f"{kind.id} has {kind.memory_gib:g}Gi, and choose.memory asks for {choose.memory}"
    if choose.precision is not None and peak_of(kind, choose.precision.value) is None:
        return f"{kind.id} has no figure for {choose.precision.value}"
    return ""


def rank(candidates: Iterable[Candidate], choose: Choose) -> list[Ranked]:
    """All of them, the best first, those that cannot hold the job last. The first one is the choice, unless it is
    rejected."""
    listed = sorted(candidates, key=lambda each: each.pool)
    currency = choose.currency or _common_currency(listed)
    figures = {each.pool: _figure(each, choose, currency) for each in listed if not each.rejected}
    able = sorted(
        (each for each in listed if not each.rejected), key=lambda each: _key(each, choose, figures[each.pool])
    )
    best = able[0] if able else None
    ranked = [
        Ranked(
            candidate=each,
            figure=figures[each.pool],
            message=_message(each, choose, figures, best=best, currency=currency),
        )
        for each in able
    ]
    return ranked + [Ranked(candidate=each, message=each.rejected) for each in listed if each.rejected]


def better(ranking: Sequence[Ranked], *, than: str) -> Ranked | None:
    """The first of a ranking, where it is worth leaving the line of another pool for it; the place in that line is lost
    by it, so a little better is not enough."""
    first = ranking[0] if ranking and not ranking[0].rejected else None
    if first is None or first.candidate.pool == than:
        return None
    held = next((each for each in ranking if each.candidate.pool == than), None)
    if held is None or held.rejected:
        return first
    if first.figure is None or held.figure is None:
        return None
    return first if first.figure <= held.figure * WORTH_MOVING else None


def _is_tight(each: Candidate) -> bool:
    """Whether not even one row is expected to fit: an estimate, so the pool is not rejected, and comes last."""
    memory = None if each.estimate is None else each.estimate.memory
    return memory is not None and memory.largest_rows == 0


def _key(each: Candidate, choose: Choose, figure: float | None) -> tuple[bool, int, bool, float, float, str]:
    place = choose.types.index(each.kind.id) if choose.optimize is Optimize.ORDER and choose.types else 0
    wait = float("inf") if each.wait is None else each.wait
    return _is_tight(each), place, figure is None, figure if figure is not None else 0.0, wait, each.pool


def _figure(each: Candidate, choose: Choose, currency: str | None) -> float | None:
    found = each.estimate
    match choose.optimize:
        case Optimize.COST:
            amount = _amount(found, choose, currency)
            return None if amount is None else float(amount)
        case Optimize.ENERGY:
            return None if found is None or found.kilowatt_hours is None else found.kilowatt_hours.expected
        case Optimize.TIME | Optimize.ORDER:
            if found is None or found.seconds is None or each.wait is None:
                return None
            return each.wait + found.seconds.expected


def _amount(found: Estimate | None, choose: Choose, currency: str | None) -> Decimal | None:
    """Expected cost in the currency of the comparison."""
    price = None if found is None else found.price
    if price is None or currency is None:
        return None
    rate = Decimal(1) if price.currency == currency else _rates(choose).get(price.currency)
    return None if rate is None else price.total[1] * rate


def _rates(choose: Choose) -> Mapping[str, Decimal]:
    return {each.currency: Decimal(each.rate) for each in choose.rates}


def _common_currency(candidates: Iterable[Candidate]) -> str | None:
    """The currency of all prices; None where there are several, which cannot be compared without a rate."""
    found = {each.estimate.price.currency for each in candidates if each.estimate is not None and each.estimate.price}
    return found.pop() if len(found) == 1 else None


def _message(
    each: Candidate,
    choose: Choose,
    figures: Mapping[str, float | None],
    *,
    best: Candidate | None,
    currency: str | None,
) -> str:
    figure = figures[each.pool]
    if _is_tight(each):
        assert each.estimate is not None and each.estimate.memory is not None  # noqa: PT018
        chosen = "Chosen though " if each is best else ""
        text = f"{chosen}{each.estimate.memory.note}."
        return f"{text[:1].upper()}{text[1:]}"
    if figure is None:
        chosen = "Chosen though nobody knows" if each is best else "Nobody knows"
        return f"{chosen} {_unknown(each, choose, currency)}."
    shown = _shown(figure, choose.optimize, currency)
    if each is best:
        return f"Chosen: {_WORDS[choose.optimize]} {shown}, {_SUPERLATIVES[choose.optimize]}."
    assert best is not None
    least = figures[best.pool]
    times = f", {figure / least:.3g} times as much" if least else ""
    return f"{_WORDS[choose.optimize].capitalize()} {shown}{times}."


_WORDS = {
    Optimize.COST: "it costs",
    Optimize.TIME: "it is done in",
    Optimize.ENERGY: "it takes",
    Optimize.ORDER: "it is done in",
}
_SUPERLATIVES = {
    Optimize.COST: "the cheapest",
    Optimize.TIME: "the soonest",
    Optimize.ENERGY: "the least",
    Optimize.ORDER: "the first in the order of choose.types",
}


def _shown(figure: float, optimize: Optimize, currency: str | None) -> str:
    if optimize is Optimize.COST:
        return f"{figure:.2f} {currency}" if figure >= 1 else f"{figure:.3g} {currency}"
    return f"{figure:.3g} kWh" if optimize is Optimize.ENERGY else moments.duration(figure)


def _unknown(each: Candidate, choose: Choose, currency: str | None) -> str:
    """What is missing for the comparison, and the way out."""
    found = each.estimate
    if choose.optimize is not Optimize.ENERGY and each.wait is None and choose.optimize is not Optimize.COST:
        return "when it would start there"
    if found is None or found.seconds is None:
        return "how long it takes there: the first run tells"
    if choose.optimize is Optimize.ENERGY:
        return "how much energy it takes there: the type has no rated power, or the devices are simulated"
    if found.price is None:
        return "what it costs there: the pool has no spec.price"
    if currency is None:
        return "how to compare the pools' currencies: set choose.currency, and choose.rates for the others"
    return f"what {found.price.currency} is worth in {currency}: add it to choose.rates"
