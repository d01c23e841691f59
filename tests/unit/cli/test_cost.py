"""`hostler cost`: by what is asked, with those that were deleted, and what cannot be asked."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from builders import make_pool
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer
from unit.cli.lines import job

from hostler.cli import cost as command
from hostler.cli.main import main
from hostler.manifests.costledger import ledger_config_map
from hostler.planning.costledger import Line

PLACE = "hostler-system"
PRICE = {"amount": "3.60", "currency": "EUR", "source": "a contract", "date": "2026-01-01"}
LEDGERS = f"/api/v1/namespaces/{PLACE}/configmaps"


class Clock(command.datetime):
    """The twelfth of December, ten in the morning."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        """Always the same."""
        return cls(2026, 12, 12, 10, tzinfo=tz)


def line(name: str, seconds: int, *, pool: str = "gpu", currency: str = "EUR", **more: Any) -> Line:
    money = {currency: Decimal(seconds) / 1000}
    return Line(
        uid=name, kind="TrainingJob", name=name, pool=pool, device_seconds=seconds, money=money, until="x", **more
    )


def ledger(namespace: str, month: str, *lines: Line) -> dict[str, Any]:
    return ledger_config_map({each.uid: each for each in lines}, namespace=namespace, month=month, place=PLACE)


@pytest.fixture(autouse=True)
def books(kube: KubeServer, monkeypatch: pytest.MonkeyPatch) -> KubeServer:
    monkeypatch.setattr(command, "datetime", Clock)
    pool = make_pool("gpu", price=PRICE) | {"status": {"allocatable": 2}}
    kube.put(pool, plurals="acceleratorpools")
    kube.put(
        ledger("team-a", "2026-12", line("bert", 36_000, model="bert", lost_seconds=3600), line("llama", 7200)),
        ledger(
            "team-b",
            "2026-12",
            line("other", 3600, pool="usd", currency="USD"),
            replace(line("chat", 1800), kind="InferenceService"),
        ),
        ledger("team-a", "2026-11", line("old", 72_000)),
        plurals="configmaps",
    )
    return kube


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["cost", *arguments])


def lines(*arguments: str) -> list[str]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return [" ".join(each.split()) for each in result.stdout.splitlines()]


def test_of_this_month_by_namespace_the_dearest_first_and_currencies_apart() -> None:
    assert lines() == [
        "NAMESPACE DEVICE HOURS LOST COST",
        "team-a 12.0 8% 43.20 EUR",
        "team-b 1.5 0% 1.80 EUR + 3.60 USD",
        "all 13.5 7% 45.00 EUR + 3.60 USD",
    ]


@table(
    ("arguments", "want"),
    {
        "by job": (("--by", "job", "-n", "team-a"), ["team-a/bert 10.0 10% 36.00 EUR", "team-a/llama 2.0 0% 7.20 EUR"]),
        "by model": (
            ("--by", "model", "-n", "team-a"), ["team-a/bert 10.0 10% 36.00 EUR", "(no model) 2.0 0% 7.20 EUR"],
        ),
        "by service": (("--by", "service"), ["team-b/chat 0.5 0% 1.80 EUR"]),
        "from an earlier month on": (("--since", "2026-11", "-n", "team-a"), ["team-a 32.0 3% 115.20 EUR"]),
    },
)  # fmt: skip
def test_by_what_is_asked(arguments: tuple[str, ...], want: list[str]) -> None:
    assert lines(*arguments)[1 : 1 + len(want)] == want


def test_what_pools_were_not_used_for_is_a_row_of_its_own() -> None:
    seconds = 2 * (11 * 86_400 + 10 * 3600) - 43_200 - 1800
    want = f"gpu (idle, with its 2 devices of now) {seconds / 3600:,.1f} 0% {seconds / 1000:.2f} EUR"
    assert want in lines("--by", "pool")


def test_a_pool_was_not_idle_before_it_was_made(books: KubeServer) -> None:
    made = make_pool("new", price=PRICE) | {"status": {"allocatable": 1}}
    made["metadata"]["creationTimestamp"] = "2026-12-12T09:00:00Z"
    books.put(made, plurals="acceleratorpools")
    assert "new (idle, with its 1 devices of now) 1.0 0% 3.60 EUR" in lines("--by", "pool")


def test_programs_get_everything() -> None:
    found = json.loads(run("--by", "job", "--json").stdout)
    assert found[0] == {"job": "team-a/bert", "deviceSeconds": 36_000, "lostSeconds": 3600, "cost": {"EUR": "36"}}


@table(
    ("arguments", "words"),
    {
        "a day": (("--since", "2026-12-01"), "--since is a month such as 2026-10, not 2026-12-01"),
        "a month that there is not": (("--since", "2026-13"), "--since is a month such as 2026-10"),
        "a month to come": (("--since", "2027-01"), "is in the future"),
        "by something else": (("--by", "colour"), "'colour' is not one of"),
    },
)
def test_what_cannot_be_asked_is_told(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_who_may_not_read_ledgers_gets_the_jobs_that_still_exist(books: KubeServer) -> None:
    books.errors[LEDGERS] = (403, {"message": "no", "reason": "Forbidden"})
    cost = {
        "asOf": "2026-12-12T09:00:00Z",
        "settled": [{"amount": "1.5", "currency": "EUR"}],
        "settledDeviceSeconds": 1500,
    }
    books.put(job("mine") | {"status": {"cost": cost}}, job("new"), plurals="trainingjobs")
    result = run("--by", "job")
    assert result.exit_code == 0, result.output
    assert "You may not read ConfigMaps of namespace hostler-system" in " ".join(result.stderr.split())
    assert "team-a/mine 0.4 0% 1.50 EUR" in " ".join(result.stdout.split())


def test_a_ledger_that_was_spoiled_is_named_and_left_out(books: KubeServer) -> None:
    books.objects[f"{LEDGERS}/hostler-cost-2026-12-team-b"]["binaryData"] = {"lines.json.gz": "spoiled"}
    result = run()
    assert "ConfigMap hostler-cost-2026-12-team-b is no ledger of this release: it is left out." in " ".join(
        result.stderr.split()
    )
    assert "43.20 EUR" in result.stdout
