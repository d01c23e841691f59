"""What a pool says of the date of its price."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_pool
from tables import table


def price(day: str) -> dict[str, Any]:
    return {"price": {"amount": "2.79", "currency": "USD", "source": "price list", "date": day}}


def of_price(bench: Bench) -> list[dict[str, Any]]:
    found = bench.status("AcceleratorPool", "gpu")["conditions"]
    return [each for each in found if each["type"] == "PriceDated"]


@table(
    ("day", "reason", "words"),
    {
        "a day that has not come": ("2999-01-01", "PriceOfTheFuture", "spec.price.date: 2999-01-01 has not come"),
        "no day of the calendar": ("2026-02-30", "PriceWithoutDay", "2026-02-30 is no day of the calendar"),
    },
)
async def test_a_date_that_cannot_be_is_a_warning_until_it_is_corrected(
    bench: Bench, day: str, reason: str, words: str
) -> None:
    bench.cluster.put(make_pool(**price(day)))
    await bench.settle()
    status, said, sentence = bench.condition("AcceleratorPool", "gpu", "PriceDated")
    assert (status, said) == ("False", reason)
    assert words in sentence
    assert bench.condition("AcceleratorPool", "gpu", "Ready")[0] == "True", "its devices can be used"
    bench.cluster.put(make_pool(**price("2020-01-01")))
    await bench.settle()
    assert of_price(bench) == []


async def test_a_pool_with_a_price_of_the_past_or_none_says_nothing_of_it(bench: Bench) -> None:
    bench.cluster.put(make_pool(**price("2020-01-01")))
    await bench.settle()
    assert of_price(bench) == []
    bench.cluster.put(make_pool())
    await bench.settle()
    assert of_price(bench) == []
