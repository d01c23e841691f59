"""Lines of what was spent: written again and again, over months, and folded where their workloads are gone."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from tables import table

from hostler.manifests.costledger import ledger_config_map, ledger_name, read_ledger
from hostler.planning.costledger import Ledger, Line, Spent, folded, month_of, months_since, previous, totals, written


def spent(seconds: int, *, uid: str = "u", until: str = "2026-12-01T00:00:00Z", **more: Any) -> Spent:
    """A device for a thousandth of a euro a second."""
    money = {"EUR": Decimal(seconds) / 1000}
    given: dict[str, Any] = {"name": f"job-{uid}", "pool": "gpu", "money": money} | more
    return Spent(uid=uid, kind="TrainingJob", device_seconds=seconds, until=until, **given)


def test_writing_again_changes_nothing() -> None:
    once = written({}, {}, spent(100))
    assert written(once, {}, spent(100)) is once
    assert totals(once.values()) == (100, {"EUR": Decimal("0.1")})


def test_an_older_count_never_takes_the_place_of_a_newer_one() -> None:
    new = written({}, {}, spent(100, until="2026-12-01T02:00:00Z"))
    assert written(new, {}, spent(50, until="2026-12-01T01:00:00Z")) is new


def test_a_month_has_what_fell_into_it() -> None:
    november = written({}, {}, spent(100, until="2026-11-30T23:00:00Z"))
    december = written({}, november, spent(250))
    assert totals(december.values()) == (150, {"EUR": Decimal("0.15")})
    january = written({}, december, spent(300))
    assert totals(january.values()) == (50, {"EUR": Decimal("0.05")})
    assert written({}, november, spent(100)) == {}, "a job that had ended before the month is not in it"


def test_months_add_up_to_the_whole_however_often_each_was_written() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(50):
        whole, earlier, everything = dict.fromkeys("abc", 0), dict[str, Line](), 0
        for number in range(1, 7):
            current: Ledger = {}
            for step in range(chance.randrange(1, 5)):
                for name in whole:
                    whole[name] += chance.randrange(0, 1000)
                    for _ in range(chance.choice((1, 2))):
                        until = f"2026-{number:02d}-{step + 1:02d}T00:00:00Z"
                        current = written(current, earlier, spent(whole[name], uid=name, until=until))
            everything += totals(current.values())[0]
            # Who had no news in a month is where it was before.
            earlier |= current
        assert everything == sum(whole.values())


def test_above_a_number_of_lines_those_that_are_gone_are_one_and_nothing_is_lost() -> None:
    ledger: Ledger = {}
    for number in range(100):
        until = f"2026-12-01T{number // 60:02d}:{number % 60:02d}:00Z"
        ledger = written(ledger, {}, spent(10, uid=f"{number:03d}", until=until))
    found = folded(ledger, is_there=lambda line: line.uid >= "050", most=60)
    assert totals(found.values()) == totals(ledger.values())
    assert "others/TrainingJob/gpu" in found
    assert len(found) == 61
    again = folded(found, is_there=lambda line: line.uid >= "050", most=55)
    assert totals(again.values()) == totals(ledger.values())
    assert folded(found, is_there=lambda line: True, most=10) == found, "who is there would come back, and count twice"


@table(
    ("month", "before"),
    {"in a year": ("2026-12", "2026-11"), "over a year": ("2027-01", "2026-12"), "one digit": ("2026-10", "2026-09")},
)
def test_the_month_before(month: str, before: str) -> None:
    assert previous(month) == before
    assert month_of(f"{month}-31T23:59:59Z") == month


def test_months_from_one_to_now() -> None:
    assert months_since("2026-11", until="2027-01-05T00:00:00Z") == ["2027-01", "2026-12", "2026-11"]
    assert months_since("2027-01", until="2027-01-05T00:00:00Z") == ["2027-01"]


def test_what_is_kept_is_read_again_as_it_was() -> None:
    ledger = written({}, {}, spent(100, model="bert", lost_seconds=7))
    ledger = written(ledger, {}, spent(50, uid="v", money={}))
    config_map = ledger_config_map(ledger, namespace="team-a", month="2026-12", place="hostler-system")
    assert config_map["metadata"]["name"] == "hostler-cost-2026-12-team-a"
    assert read_ledger(config_map) == ledger
    assert config_map == ledger_config_map(ledger, namespace="team-a", month="2026-12", place="hostler-system")


def test_names_are_names_of_objects_however_long_the_namespace_is() -> None:
    names = {ledger_name("n" * 62 + last, "2026-12") for last in "ab"}
    assert len(names) == 2
    assert max(map(len, names)) <= 63


def test_ten_thousand_lines_fit_into_a_config_map() -> None:
    ledger = {
        f"{number:08x}-0000-4000-8000-{number * 7919:012x}": Line(
            uid=f"{number:08x}-0000-4000-8000-{number * 7919:012x}", kind="TrainingJob", name=f"experiment-{number}",
            pool="gpu", model=f"experiment-{number}", device_seconds=number * 31,
            money={"EUR": (Decimal(number * 31) / 997).quantize(Decimal("0.000001"))},
            until="2026-12-01T00:00:00Z",
        )
        for number in range(10_000)
    }  # fmt: skip
    packed = ledger_config_map(ledger, namespace="team-a", month="2026-12", place="p")["binaryData"]["lines.json.gz"]
    assert len(packed) < 900_000


@pytest.mark.parametrize(
    "packed", ["", "bm90IGd6aXA=", "H4sIAAAAAAAC/wMAAAAAAAAAAAA="], ids=["nothing", "no gzip", "empty"]
)
def test_what_somebody_has_spoiled_is_told_and_never_taken_for_nothing(packed: str) -> None:
    found = {"metadata": {"name": "hostler-cost"}, "binaryData": {"lines.json.gz": packed}}
    with pytest.raises(ValueError, match="ConfigMap hostler-cost is no ledger of this release"):
        read_ledger(found)


def test_a_count_of_a_clock_that_ran_ahead_gives_way_to_the_next_one() -> None:
    ahead = written({}, {}, spent(90_000, until="2026-12-02T01:00:00Z"))
    right = written(ahead, {}, spent(100, until="2026-12-01T01:00:00Z"), now="2026-12-01T01:00:00Z")
    assert totals(right.values()) == (100, {"EUR": Decimal("0.1")})
