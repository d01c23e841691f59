"""`hostler compare`: only like is compared with like, and every figure says what it rests on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from builders import Object, make_benchmark, make_pool
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer

from hostler.cli.comparison import ComparisonError, Wish, compared, currency_of, read_rates
from hostler.cli.main import main

TODAY = "2026-12-01"


def bench(*, cost: str | None = "3.60", currency: str = "EUR", speed: float = 400.0, **fields: Any) -> Object:
    found = make_benchmark(speed=speed, **fields)
    if cost is not None:
        found["costPerHour"] = {"amount": cost, "currency": currency}
        found["perCurrency"] = {"value": f"{speed * 3600 / float(cost):g}", "unit": f"tokens/{currency}"}
    return found


def pool(name: str, *benchmarks: Object) -> Object:
    return make_pool(name) | {"status": {"benchmarks": list(benchmarks)}}


def shown(pools: list[Object], **wish: Any) -> list[tuple[str, float | None, tuple[str, ...]]]:
    groups = compared(pools, Wish(**wish))
    return [(row.pool, row.relative, row.notes) for group in groups for row in group.rows]


FAST = pool("fast", bench(speed=800, cost="36.00"))
CHEAP = pool("cheap", bench(speed=200, cost="3.60"))


@table(
    ("per", "want"),
    {
        "for the price": ("cost", [("cheap", 1.0, ()), ("fast", 0.4, ())]),
        "by the device": ("device", [("fast", 1.0, ()), ("cheap", 0.25, ())]),
    },
)
def test_the_best_is_first(per: str, want: list[Any]) -> None:
    assert shown([FAST, CHEAP], per=per) == [(name, pytest.approx(share), notes) for name, share, notes in want]


def test_several_devices_are_compared_by_the_device() -> None:
    pair = bench(speed=800)
    pair["shape"]["devices"] = 4
    assert [name for name, *_ in shown([pool("four", pair), CHEAP], per="device")] == ["cheap", "four"]


def test_what_is_outdated_is_shown_and_not_ranked() -> None:
    old = pool("old", bench(speed=9000, outdated=True))
    assert shown([old, CHEAP]) == [("cheap", 1.0, ()), ("old", None, ("outdated",))]


def test_simulated_devices_compare_with_each_other_alone() -> None:
    played = pool("played", bench(speed=9000, simulated=True))
    assert shown([played, CHEAP]) == [("cheap", 1.0, ()), ("played", None, ("simulated",))]
    other = pool("other", bench(speed=4500, simulated=True))
    assert shown([played, other]) == [("played", 1.0, ("simulated",)), ("other", 0.5, ("simulated",))]


def test_without_a_price_there_is_no_rank_for_it() -> None:
    assert shown([pool("free", bench(cost=None)), CHEAP])[1] == ("free", None, ("no price",))
    assert shown([pool("free", bench(cost=None, speed=100)), CHEAP], per="device")[1] == ("free", 0.5, ("no price",))


def test_another_currency_needs_a_rate_and_says_which() -> None:
    dollars = pool("dollars", bench(currency="USD", speed=200))
    rates = read_rates(["USD=0.5@2026-11-30"], today=TODAY)
    assert shown([CHEAP, dollars], rates=rates) == [
        ("dollars", 1.0, ("1 USD = 0.5 EUR of 2026-11-30",)),
        ("cheap", 0.5, ()),
    ]
    assert shown([CHEAP, dollars], currency="EUR") == [("cheap", 1.0, ()), ("dollars", None, ("no rate for USD",))]
    with pytest.raises(ComparisonError, match="prices are in EUR and USD, and no rate was given"):
        currency_of([CHEAP, dollars], Wish())


@table(
    ("given", "message"),
    {
        "no number": (["USD=x"], "a rate is a number above 0"),
        "nothing": (["USD=0"], "a rate is a number above 0"),
        "negative": (["USD=-1"], "a rate is a number above 0"),
        "endless": (["USD=inf"], "a rate is a number above 0"),
        "no currency": (["0.92"], "is no rate such as USD=0.92"),
        "two of one": (["USD=1", "USD=2"], "two rates for USD"),
        "no day": (["USD=1@soon"], "written YYYY-MM-DD"),
        "a day to come": (["USD=1@2027-01-01"], "is in the future"),
    },
)
def test_a_rate_that_is_wrong_is_told(given: list[str], message: str) -> None:
    with pytest.raises(ComparisonError, match=message):
        read_rates(given, today=TODAY)


def run(kube: KubeServer, *arguments: str, pools: tuple[Object, ...] = (FAST, CHEAP)) -> Any:
    kube.put(*pools, plurals="acceleratorpools")
    return CliRunner().invoke(main, ["compare", *arguments])


def test_the_table_says_pool_figures_share_date(kube: KubeServer) -> None:
    result = run(kube)
    assert result.exit_code == 0, result.output
    head, columns, first, second = (" ".join(line.split()) for line in result.output.splitlines())
    assert head == "bert-small-packed, by tokens per EUR"
    assert columns == "POOL TYPE DEVICES tokens/s/device tokens/J tokens/EUR RELATIVE DATE NOTE"
    assert first == "cheap nvidia-a100-80 1 200 200,000 100% 2026-11-30"
    assert second == "fast nvidia-a100-80 1 800 80,000 40% 2026-11-30"


def test_markdown_is_a_table(kube: KubeServer) -> None:
    lines = run(kube, "-o", "markdown").output.splitlines()
    assert lines[0] == "### bert-small-packed, by tokens per EUR"
    assert {line.count("|") for line in lines[2:]} == {10}
    assert lines[4].startswith("| cheap | nvidia-a100-80 | 1 | 200 |")


def test_programs_get_one_document(kube: KubeServer) -> None:
    found = json.loads(run(kube, "-o", "json", "--per", "device").output)
    assert (found["per"], found["currency"]) == ("device", "EUR")
    assert [each["pool"] for each in found["loads"][0]["pools"]] == ["fast", "cheap"]


def test_the_chart_has_every_pool(kube: KubeServer, tmp_path: Path) -> None:
    target = tmp_path / "pools.svg"
    result = run(kube, "--chart", str(target))
    assert result.exit_code == 0, result.output
    text = " ".join(ElementTree.fromstring(target.read_text()).itertext())
    for part in ("fast (nvidia-a100-80)", "cheap (nvidia-a100-80)", "200,000 (100%)", "tokens per EUR", "2026-11-30"):
        assert part in text


@table(
    ("arguments", "pools", "message"),
    {
        "nothing was run": ((), (make_pool("gpu"),), "no pool has a benchmark yet: hostler bench runs"),
        "another family": (
            ("--family", "chat"),
            (CHEAP,),
            "no pool has a benchmark of chat; there are bert-small-packed",
        ),
        "a file that cannot be": (("--chart", "/nowhere/x.svg"), (CHEAP,), "/nowhere/x.svg cannot be written"),
        "a rate for what is shown": (("--currency", "EUR", "--rate", "EUR=1"), (CHEAP,), "a rate for EUR says nothing"),
        "a rate for all": (("--rate", "EUR=1"), (CHEAP,), "every currency has a rate: say with --currency"),
    },
)
def test_what_cannot_be_compared_is_told(
    kube: KubeServer, arguments: tuple[str, ...], pools: tuple[Object, ...], message: str
) -> None:
    result = run(kube, *arguments, pools=pools)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
