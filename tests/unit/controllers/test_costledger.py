"""The ledger beside the jobs: what is deleted stays in it, and a process that ends at any moment loses nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bench import SETTINGS, Bench
from builders import make_inference_service, make_model, make_pool
from fakes import Crash
from world import completed, running

from hostler.cluster.errors import Unavailable
from hostler.cluster.store import Change
from hostler.controllers.costledger import INTERVAL_SECONDS, CostLedger, CostMetrics
from hostler.controllers.ports import Key
from hostler.manifests.costledger import ledger_name, read_ledger
from hostler.planning.costledger import Line, totals

Object = dict[str, Any]
PRICE = {"amount": "3.60", "currency": "EUR", "source": "a contract", "date": "2026-01-01"}
MONTH = "2026-01"


class Meter(CostMetrics):
    """What was reported."""

    def __init__(self) -> None:
        self.seconds = 0
        self.money = Decimal(0)

    def spent(self, *, namespace: str, pool: str, kind: str, device_seconds: int, money: dict[str, Decimal]) -> None:
        """Add it."""
        assert (namespace, pool, kind) == ("default", "gpu", "TrainingJob")
        self.seconds += device_seconds
        self.money += money.get("EUR", Decimal(0))


class Books:
    """The ledger of a process, and what it has written."""

    def __init__(self, bench: Bench, **more: Any) -> None:
        self.bench = bench
        self.meter = Meter()
        self.keys: set[Key] = set()
        self.ledger = CostLedger(
            bench.reader, bench.writer, clock=bench.cluster.clock, place="hostler-system", metrics=self.meter, **more
        )
        bench.cluster.objects.listeners.append(lambda change: self.keys.update(self.ledger.affected(change)))
        self.keys.update(self.ledger.seeds())

    async def settle(self) -> None:
        """Write what is new, as the queue would have it."""
        self.bench.cluster.clock.advance(INTERVAL_SECONDS)
        for key in sorted(self.keys):
            await self.ledger.reconcile(key)
        self.keys.clear()

    def lines(self, month: str = MONTH) -> dict[str, Line]:
        """As a person would read them."""
        return read_ledger(
            self.bench.cluster.find("ConfigMap", ledger_name("default", month), namespace="hostler-system")
        )


@pytest.fixture
def books(bench: Bench) -> Books:
    """A pool of which a device costs a thousandth of a euro for a second."""
    bench.cluster.put(make_pool("gpu", price=PRICE))
    return Books(bench)


async def _ran(books: Books, name: str, seconds: float) -> None:
    await running(books.bench, name)
    books.bench.cluster.clock.advance(seconds)
    await completed(books.bench, name)


def removed(books: Books, kind: str, name: str) -> None:
    """Somebody deletes it, and the garbage collector what belongs to it."""
    books.bench.cluster.remove(books.bench.cluster.object(kind, name))


async def test_what_a_job_has_cost_stays_when_it_is_deleted(books: Books) -> None:
    await _ran(books, "first", 100)
    await books.settle()
    removed(books, "TrainingJob", "first")
    await _ran(books, "second", 200)
    await books.settle()
    found = {line.name: line for line in books.lines().values()}
    assert {name: line.device_seconds for name, line in found.items()} == {"first": 100, "second": 200}
    assert found["first"].money == {"EUR": Decimal("0.1")}
    assert (found["second"].pool, found["second"].model) == ("gpu", "second")


async def test_a_job_that_is_deleted_while_it_runs_has_cost_what_it_held_until_then(books: Books) -> None:
    await running(books.bench, "first")
    books.bench.cluster.clock.advance(100)
    removed(books, "TrainingJob", "first")
    books.bench.cluster.clock.advance(1000)
    await books.settle()
    (line,) = books.lines().values()
    assert line.device_seconds == 100


async def test_a_job_of_the_same_name_is_another_line(books: Books) -> None:
    await _ran(books, "same", 100)
    removed(books, "TrainingJob", "same")
    removed(books, "Model", "same")
    await _ran(books, "same", 50)
    await books.settle()
    assert sorted(line.device_seconds for line in books.lines().values()) == [50, 100]


async def test_nothing_is_written_when_nothing_is_new_and_then_at_most_once_in_an_interval(books: Books) -> None:
    await _ran(books, "first", 100)
    await books.settle()
    writes = list(books.bench.writer.writes)
    books.keys.update(books.ledger.seeds())
    await books.settle()
    assert books.bench.writer.writes == writes
    outcome = await books.ledger.reconcile(Key("CostLedger", "", "default"))
    assert outcome.requeue_after == INTERVAL_SECONDS


async def test_a_new_process_counts_nothing_twice(books: Books) -> None:
    await _ran(books, "first", 100)
    await books.settle()
    again = Books(books.bench)
    await again.settle()
    assert totals(again.lines().values())[0] == 100
    assert (books.meter.seconds, again.meter.seconds) == (100, 0), "nor does its metric"
    await _ran(again, "second", 50)
    await again.settle()
    assert (again.meter.seconds, again.meter.money) == (50, Decimal("0.05"))


async def test_what_an_earlier_process_left_out_is_written_by_the_next_one(books: Books) -> None:
    await _ran(books, "first", 100)
    again = Books(books.bench)
    await again.settle()
    assert totals(again.lines().values())[0] == 100


@pytest.mark.parametrize("failure", [Unavailable("gone"), Crash()], ids=["the API server is away", "the process ends"])
async def test_a_write_that_fails_is_made_again(books: Books, failure: Exception) -> None:
    await running(books.bench, "deleted")
    books.bench.cluster.clock.advance(100)
    removed(books, "TrainingJob", "deleted")
    apply = books.bench.writer.apply

    async def fail(wanted: Object) -> None:
        raise failure

    books.bench.writer.apply = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(type(failure)):
        await books.ledger.reconcile(Key("CostLedger", "", "default"))
    books.bench.writer.apply = apply  # type: ignore[method-assign]
    await books.ledger.reconcile(Key("CostLedger", "", "default"))
    assert totals(books.lines().values())[0] == 100


async def test_what_is_held_without_news_is_counted_all_the_same(books: Books) -> None:
    await running(books.bench, "long")
    await books.settle()
    books.bench.cluster.clock.advance(5000)
    outcome = await books.ledger.reconcile(Key("CostLedger", "", "default"))
    assert outcome.requeue_after is not None
    assert totals(books.lines().values())[0] > 5000


async def test_a_job_over_two_months_is_in_both_with_its_part_of_each(books: Books) -> None:
    await running(books.bench, "long")
    await books.settle()
    clock = books.bench.cluster.clock
    clock.advance(100 * 86_400)
    await books.ledger.reconcile(Key("CostLedger", "", "default"))
    clock.advance(100)
    await completed(books.bench, "long")
    await books.settle()
    months = [books.lines(month) for month in ("2026-01", "2026-02", "2026-03", "2026-04")]
    parts = [totals(lines.values())[0] for lines in months]
    whole = books.bench.status("TrainingJob", "long")["cost"]["deviceSeconds"]
    assert sum(parts) == whole, "also where a month had no news, as the next one has it"
    assert parts[-1] > 100


async def test_a_job_that_is_deleted_long_after_its_end_is_not_counted_again(books: Books) -> None:
    await _ran(books, "old", 100)
    await books.settle()
    books.bench.cluster.clock.advance(70 * 86_400)
    removed(books, "TrainingJob", "old")
    await books.settle()
    assert books.lines("2026-03") == {}
    assert (totals(books.lines().values())[0], books.meter.seconds) == (100, 100)


async def test_a_job_whose_name_another_one_has_at_once_leaves_its_line(books: Books) -> None:
    await running(books.bench, "same")
    books.bench.cluster.clock.advance(100)
    # A list after a gap of the watch has the new one in the place of the old one, and nothing tells of a deletion.
    old = books.bench.cluster.object("TrainingJob", "same")
    new = {**old, "metadata": {**old["metadata"], "uid": "another"}, "status": {}}
    books.keys.update(books.ledger.affected(Change("TrainingJob", old, new)))
    books.bench.cluster.put(new)
    await books.settle()
    (line,) = books.lines().values()
    assert (line.uid, line.device_seconds) == (old["metadata"]["uid"], 100)


async def test_who_is_deleted_while_lines_are_added_up_is_not_in_the_sum_and_in_a_line(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("first", 100), ("second", 200)):
        await _ran(books, name, seconds)
    await books.settle()
    again, live = Books(books.bench, most=1), books.bench.reader.live

    async def slow(*args: Any, **kwargs: Any) -> Object | None:
        if books.bench.cluster.find("TrainingJob", "first") is not None:
            removed(books, "TrainingJob", "first")
        found: Object | None = await live(*args, **kwargs)
        return found

    monkeypatch.setattr(books.bench.reader, "live", slow)
    await again.settle()
    again.keys.add(Key("CostLedger", "", "default"))
    await again.settle()
    assert totals(again.lines().values())[0] == 300


async def test_a_job_that_is_deleted_while_its_ledger_cannot_be_read_is_written_when_it_can(books: Books) -> None:
    spoiled = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ledger_name("default", MONTH), "namespace": "hostler-system"},
        "binaryData": {"lines.json.gz": "spoiled"},
    }
    books.bench.cluster.put(spoiled)
    await _ran(books, "first", 100)
    removed(books, "TrainingJob", "first")
    await books.settle()
    books.bench.cluster.remove(spoiled)
    books.keys.add(Key("CostLedger", "", "default"))
    await books.settle()
    assert totals(books.lines().values())[0] == 100


async def test_what_a_clock_that_ran_ahead_has_counted_is_put_right_when_the_job_is_deleted(books: Books) -> None:
    await running(books.bench, "first")
    clock = books.bench.cluster.clock
    clock.off = 86_400.0
    await books.settle()
    assert totals(books.lines().values())[0] > 86_400
    clock.off = 0.0
    removed(books, "TrainingJob", "first")
    await books.settle()
    assert totals(books.lines().values())[0] == INTERVAL_SECONDS


async def test_a_ledger_that_somebody_has_spoiled_is_not_written_over(books: Books) -> None:
    name = ledger_name("default", MONTH)
    spoiled = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "hostler-system"},
        "binaryData": {"lines.json.gz": "spoiled"},
    }
    books.bench.cluster.put(spoiled)
    await _ran(books, "first", 100)
    await books.settle()
    assert (
        books.bench.cluster.object("ConfigMap", name, namespace="hostler-system")["binaryData"] == spoiled["binaryData"]
    )


async def test_a_service_costs_while_its_replicas_hold_devices_and_is_a_line_as_well(books: Books) -> None:
    bench = books.bench
    bench.cluster.put(make_model("tiny"))
    bench.cluster.claim("tiny")
    bench.cluster.put(make_pool("ipu", acceleratorType="graphcore-c600", price=PRICE))
    bench.cluster.put(make_inference_service("chat", accelerators={"pool": "ipu"}, modelRef={"name": "tiny"}))
    await bench.settle()
    bench.cluster.roll("chat", node="ipu-1")
    await bench.settle()
    writes = len(bench.writer.writes)
    bench.cluster.clock.advance(1000)
    await bench.settle()
    assert len(bench.writer.writes) == writes, "time alone is no reason to write"
    held = bench.status("InferenceService", "chat")["cost"]
    assert held["perHour"] == {"amount": "3.60", "currency": "EUR"}
    books.bench.cluster.remove(bench.cluster.object("InferenceService", "chat"))
    books.meter.spent = lambda **_: None  # type: ignore[method-assign]
    await books.settle()
    (line,) = books.lines().values()
    assert (line.kind, line.name, line.pool, line.model) == ("InferenceService", "chat", "ipu", "tiny")
    assert line.device_seconds >= 1000


def test_it_is_one_of_the_controllers(bench: Bench) -> None:
    assert isinstance(bench.controllers["CostLedger"], CostLedger)
    assert SETTINGS.ledger_namespace == "hostler-system"
