"""Forecasts of long lines, beside the passes."""

from __future__ import annotations

import asyncio

from floor import hold, request, usage, workload

from hostler.controllers.forecasting import LEAST_PAUSE, LongForecasts
from hostler.planning.forecast import IN_PASS
from hostler.planning.snapshot import Snapshot
from hostler.planning.verdicts import Admit, Request


def line(length: int) -> tuple[Snapshot, list[Request]]:
    found = usage(8)
    hold(found, request("runs", devices=8), Admit(seats={"n0": 1}), started=0.0)
    found.foretell(workload("runs"), 100.0)
    return found.snapshot(["gpu"]), [request(f"j{n}", devices=8, estimate=10.0, since=n) for n in range(length)]


async def test_a_long_line_is_forecast_once_in_a_while() -> None:
    news = asyncio.Event()
    forecasts = LongForecasts(made=news.set)
    snapshot, asked = line(IN_PASS + 1)
    forecasts.look(snapshot, asked, 50.0)
    await news.wait()
    at, last = forecasts.given[asked[-1].workload]
    assert (at, last.expected) == (50.0, 50.0 + 10.0 * IN_PASS)
    given = forecasts.given
    news.clear()
    forecasts.look(snapshot, asked, 50.0 + LEAST_PAUSE / 2)
    forecasts.look(snapshot, asked, 1e6)
    await news.wait()
    assert given is not forecasts.given
    assert {at for at, _ in forecasts.given.values()} == {1e6}, "the look in between was too early"


async def test_a_short_line_is_left_to_the_passes() -> None:
    forecasts = LongForecasts(made=lambda: None)
    snapshot, asked = line(IN_PASS)
    forecasts.look(snapshot, asked, 0.0)
    assert not forecasts.given
    forecasts.stop()
