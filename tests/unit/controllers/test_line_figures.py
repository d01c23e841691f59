"""What a scrape tells of the lines."""

from __future__ import annotations

from dataclasses import replace

from floor import answers, hold, request, usage
from tables import table

from hostler.controllers.linefigures import pool_lines
from hostler.metrics.lines import PoolLine
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Place, Request, ToldForecast, Wait, Workload

NOW = "2026-01-01T12:00:00Z"
QUOTAS = {"quotas": [{"namespaces": ["default"], "nominal": 4}, {"namespaces": ["other"], "nominal": 4}]}
LATE = ToldForecast(
    at="2026-01-01T11:00:00Z",
    expected="2026-01-01T11:30:00Z",
    earliest="2026-01-01T11:10:00Z",
    latest="2026-01-01T11:58:30Z",
)


def line_of(found: PoolUsage, *asked: Request, told: ToldForecast | None = None) -> PoolLine:
    """The figures of the pool with these in line."""
    verdicts = answers(found, *asked)
    waits = [(each, verdict) for each in asked if isinstance(verdict := verdicts[each.workload.name], Wait)]
    place = Place(position=1, waiting=1, forecast=told)
    return pool_lines(found, [(each, replace(wait, place=place)) for each, wait in waits], now=NOW)["gpu"]


def floor(*gpus: int, held: int = 0) -> PoolUsage:
    """Nodes with so many devices, on the first of which ``other`` holds some."""
    found = usage(*gpus, queue=QUOTAS)
    if held:
        theirs = replace(request("theirs", devices=held), workload=Workload("TrainingJob", "other", "theirs"))
        hold(found, theirs, Admit(seats={"n0": 1}))
    return found


@table(
    ("found", "asked", "want"),
    {
        "nobody waits": (floor(8), (), 0),
        "free devices on nodes that are too small for all in line": (floor(2, 3), (request("a", devices=4),), 5),
        "a node that a pod of somebody would fit on is of use": (
            floor(2, 3),
            (request("a", devices=4), request("b", 8, devices=3)),
            2,
        ),
        "a node with nothing free wastes nothing": (floor(4, held=4), (request("a", devices=4),), 0),
    },
)
def test_what_is_free_and_of_no_use_to_anybody(found: PoolUsage, asked: tuple[Request, ...], want: int) -> None:
    assert line_of(found, *asked).unusable == want


def test_who_waits_and_who_holds_by_namespace_and_reason() -> None:
    line = line_of(floor(8, held=8), request("a"), request("b"))
    assert line.waiting == {"WaitingForCapacity": 2}
    assert line.waiting_of == {"default": 2}
    assert line.held == {"other": 8}


@table(
    ("found", "asked", "want"),
    {
        "it waits and holds nothing of what is its own": (floor(8, held=8), (request("a"),), 1),
        "it waits for nothing": (floor(8, held=8), (), 0),
    },
)
def test_quotas_that_are_not_used_up_while_their_namespaces_wait(
    found: PoolUsage, asked: tuple[Request, ...], want: int
) -> None:
    assert line_of(found, *asked).below_quota == want


@table(
    ("told", "want"),
    {
        "the latest start has passed": (LATE, 90.0),
        "it is to come": (replace(LATE, latest="2026-01-01T13:00:00Z"), 0.0),
        "nothing was told": (None, 0.0),
    },
)
def test_how_long_somebody_is_overdue(told: ToldForecast | None, want: float) -> None:
    assert line_of(floor(8, held=8), request("a"), told=told).overdue_seconds == want
