"""Which pool is chosen, of candidates whose figures are known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tables import table

from hostler.accelerators import accelerator
from hostler.api.choice import Choose
from hostler.planning.choice import Candidate, better, rank, unsuited
from hostler.planning.estimate.result import Estimate, Memory, Price, Range

HALF = {"currency": "USD", "rate": "0.5", "date": "2026-11-01", "source": "a bank"}


def candidate(
    pool: str,
    *,
    kind: str = "nvidia-a100-80",
    wait: float | None = 0.0,
    seconds: float | None = 3600.0,
    cost: str | None = "10",
    currency: str = "EUR",
    energy: float | None = 1.0,
    rejected: str = "",
    rows: int | None = None,
) -> Candidate:
    """A pool that can hold the job, unless it is said why not."""
    price = None
    if cost is not None:
        amount = Decimal(cost)
        price = Price(per_minute=amount, per_hour=amount, total=(amount, amount, amount), currency=currency)
    estimate = Estimate(
        operations=None,
        units=1.0,
        unit="tokens",
        seconds=None if seconds is None else _range(seconds),
        price=price,
        memory=None if rows is None else Memory(terms=(), largest_rows=rows, note="" if rows else "nothing fits"),
        kilowatt_hours=None if energy is None else _range(energy),
    )
    return Candidate(pool=pool, kind=accelerator(kind), wait=wait, estimate=estimate, rejected=rejected)


def _range(value: float) -> Range:
    return Range(low=value / 2, expected=value, high=value * 2)


def choose(**fields: Any) -> Choose:
    """What a job asks for."""
    return Choose.model_validate(fields)


@table(
    ("asked", "candidates", "want"),
    {
        "the cheapest, though it takes longer": (
            choose(),
            [candidate("fast", seconds=100, cost="20"), candidate("slow", seconds=900, cost="9")],
            ["slow", "fast"],
        ),
        "the soonest, though it costs more": (
            choose(optimize="time"),
            [candidate("fast", seconds=100, cost="20"), candidate("slow", seconds=900, cost="9")],
            ["fast", "slow"],
        ),
        "the soonest counts the time in line": (
            choose(optimize="time"),
            [candidate("fast", seconds=100, wait=3600), candidate("slow", seconds=900)],
            ["slow", "fast"],
        ),
        "the least energy": (
            choose(optimize="energy"),
            [candidate("hot", energy=9), candidate("cool", energy=3)],
            ["cool", "hot"],
        ),
        "the order of the types, whatever the figures say": (
            choose(optimize="order", types=["nvidia-h100-sxm", "nvidia-a100-80"]),
            [candidate("a", seconds=1), candidate("h", kind="nvidia-h100-sxm", seconds=9000)],
            ["h", "a"],
        ),
        "of one type in that order, the soonest": (
            choose(optimize="order", types=["nvidia-a100-80"]),
            [candidate("busy", wait=7200), candidate("idle")],
            ["idle", "busy"],
        ),
        "who has no price comes after who has": (
            choose(),
            [candidate("free", cost=None), candidate("dear", cost="1000")],
            ["dear", "free"],
        ),
        "where nobody knows anything, who starts first": (
            choose(),
            [candidate("late", seconds=None, cost=None, wait=60), candidate("soon", seconds=None, cost=None)],
            ["soon", "late"],
        ),
        "other currencies by the given rate": (
            choose(currency="EUR", rates=[HALF]),
            [candidate("euro", cost="10"), candidate("dollar", cost="18", currency="USD")],
            ["dollar", "euro"],
        ),
        "without a rate a price is one that nobody knows": (
            choose(currency="EUR"),
            [candidate("euro", cost="1000"), candidate("dollar", cost="1", currency="USD")],
            ["euro", "dollar"],
        ),
        "rejected ones come last": (
            choose(),
            [candidate("small", cost="1", rejected="Rejected: it is too small."), candidate("large")],
            ["large", "small"],
        ),
        "where not even one row is expected to fit comes after all that have room": (
            choose(),
            [candidate("small", cost="1", rows=0), candidate("large", cost="9", rows=4), candidate("new", cost=None)],
            ["large", "new", "small"],
        ),
        "equal ones by name, so that the same question has the same answer": (
            choose(),
            [candidate("b"), candidate("a")],
            ["a", "b"],
        ),
    },
)
def test_the_order_of_pools(asked: Choose, candidates: list[Candidate], want: list[str]) -> None:
    assert [each.candidate.pool for each in rank(candidates, asked)] == want


@table(
    ("asked", "of", "words"),
    {
        "the chosen one says by what": (choose(), "cheap", "Chosen: it costs 5.00 EUR, the cheapest."),
        "the others say by how much they lose": (choose(), "dear", "It costs 20.00 EUR, 4 times as much."),
        "time is shown as time": (choose(optimize="time"), "dear", "Chosen: it is done in 1h00m, the soonest."),
        "what is missing has a way out": (choose(), "unpriced", "the pool has no spec.price."),
    },
)
def test_every_pool_says_why_it_is_where_it_is(asked: Choose, of: str, words: str) -> None:
    found = [candidate("cheap", cost="5", seconds=7200), candidate("dear", cost="20"), candidate("unpriced", cost=None)]
    messages = {each.candidate.pool: each.message for each in rank(found, asked)}
    if asked.optimize.value == "time":
        messages = {each.candidate.pool: each.message for each in rank(found[:2], asked)}
    assert words in messages[of]


def test_whoever_has_too_little_memory_says_so_even_where_it_is_the_only_one() -> None:
    (only,) = rank([candidate("small", rows=0)], choose())
    assert only.message == "Chosen though nothing fits."
    assert rank([candidate("small", rows=0), candidate("large")], choose())[1].message == "Nothing fits."


@table(
    ("other", "want"),
    {
        "a little cheaper is not worth a place in line": ("9", None),
        "much cheaper is": ("5", "other"),
        "dearer is not": ("20", None),
        "an unknown price is no reason": (None, None),
    },
)
def test_who_waits_goes_elsewhere_only_for_much(other: str | None, want: str | None) -> None:
    moved = better(rank([candidate("held"), candidate("other", cost=other)], choose()), than="held")
    assert (None if moved is None else moved.candidate.pool) == want


def test_who_waits_where_it_can_never_start_goes_elsewhere() -> None:
    ranking = rank([candidate("held", rejected="Rejected: it is gone."), candidate("other", cost="1000")], choose())
    moved = better(ranking, than="held")
    assert moved is not None
    assert moved.candidate.pool == "other"


@table(
    ("asked", "kind", "words"),
    {
        "another type": (choose(types=["nvidia-h100-sxm"]), "nvidia-a100-80", "is none of choose.types"),
        "another class": (choose(classes=["ipu"]), "nvidia-a100-80", "is none of choose.classes"),
        "too little memory": (choose(memory="90Gi"), "nvidia-a100-80", "has 80Gi, and choose.memory asks for 90Gi"),
        "memory that nobody knows": (choose(memory="1Gi"), "cpu", "nobody knows how much memory"),
        "a precision without a figure": (choose(precision="fp8"), "nvidia-a100-80", "has no figure for fp8"),
        "all of it fits": (
            choose(types=["nvidia-a100-80"], classes=["gpu"], memory="80Gi", precision="bf16"),
            "nvidia-a100-80",
            "",
        ),
        "nothing is asked for": (choose(), "cpu", ""),
    },
)
def test_what_is_not_what_is_needed(asked: Choose, kind: str, words: str) -> None:
    found = unsuited(asked, accelerator(kind))
    assert words in found
    assert bool(words) == bool(found)


def test_a_currency_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):
        choose(rates=[HALF | {"currency": "usd"}])
