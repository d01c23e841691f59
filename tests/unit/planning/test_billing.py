"""What holds cost, whatever the clock does, and what their time was used for."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import Any

from tables import table

from hostler.planning import moments
from hostler.planning.billing import ATTEMPTS_KEPT, Bill, Loss, Use, advanced, seconds_until
from hostler.planning.spending import Rate

T0 = "2026-12-01T00:00:00Z"
RATE = Rate(per_hour=Decimal("3.60"), currency="EUR", step_seconds=1)
HOURLY = Rate(per_hour=Decimal("3.60"), currency="EUR", step_seconds=3600)
DOLLARS = Rate(per_hour=Decimal("7.20"), currency="USD", step_seconds=1)


def at(seconds: float) -> str:
    return moments.later(T0, seconds=seconds)


def billed(*writes: tuple[float, int, Rate | None], use: Use = Use.TRAINING, attempt: int | None = 0) -> Bill:
    """Writes at these seconds, each with what is held from then on."""
    bill = None
    for seconds, devices, rate in writes:
        bill = advanced(bill, now=at(seconds), devices=devices, rate=rate, use=use, attempt=attempt)
    assert bill is not None
    return bill


@table(
    ("writes", "now", "money", "device_seconds"),
    {
        "a hold that is over": ([(0, 4, RATE), (100, 0, RATE)], 500, {"EUR": "0.4"}, 400),
        "a hold that goes on": ([(0, 4, RATE)], 100, {"EUR": "0.4"}, 400),
        "writes in between change nothing": ([(0, 4, RATE), (30, 4, RATE), (60, 4, RATE)], 100, {"EUR": "0.4"}, 400),
        "two holds": ([(0, 4, RATE), (100, 0, RATE), (200, 2, RATE), (300, 0, RATE)], 300, {"EUR": "0.6"}, 600),
        "fewer devices from some moment on": ([(0, 4, RATE), (100, 2, RATE), (200, 0, RATE)], 200, {"EUR": "0.6"}, 600),
        "each hold is rounded up to the step": (
            [(0, 1, HOURLY), (60, 0, HOURLY), (100, 1, HOURLY), (160, 0, HOURLY)], 160, {"EUR": "7.2"}, 120,
        ),
        "a price that changes counts from then on": (
            [(0, 1, RATE), (100, 1, Rate(per_hour=Decimal(36), currency="EUR", step_seconds=1)), (200, 0, RATE)], 200,
            {"EUR": "1.1"}, 200,
        ),
        "another currency stands beside": (
            [(0, 1, RATE), (100, 1, DOLLARS), (200, 0, DOLLARS)], 200, {"EUR": "0.1", "USD": "0.2"}, 200,
        ),
        "without a price time is all that is known": ([(0, 4, None), (100, 0, None)], 100, {}, 400),
        "a clock that was ahead and is right again": (
            [(0, 1, RATE), (5000, 1, RATE), (50, 1, RATE), (100, 0, RATE)], 100, {"EUR": "0.1"}, 100,
        ),
        "a hold that began in the future begins when that shows": (
            [(5000, 1, RATE), (0, 1, RATE), (100, 0, RATE)], 100, {"EUR": "0.1"}, 100,
        ),
        "nothing": ([(0, 0, RATE), (100, 0, RATE)], 100, {}, 0),
    },
)  # fmt: skip
def test_what_it_costs(writes: list[Any], now: float, money: dict[str, str], device_seconds: int) -> None:
    bill = billed(*writes)
    assert bill.total(at(now)) == {currency: Decimal(amount) for currency, amount in money.items()}
    assert bill.device_seconds(at(now)) == device_seconds


def test_the_sum_is_that_of_all_holds_however_often_it_was_written() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(100):
        clock, held, bill, owed, whole = 0.0, 0, None, Decimal(0), 0
        began = 0.0
        rate = Rate(per_hour=Decimal(chance.randrange(1, 500)) / 100, currency="EUR", step_seconds=60)
        for _ in range(chance.randrange(1, 30)):
            clock += chance.randrange(0, 5000)
            devices = chance.choice((held, held, 0, 1, 8))
            if devices != held:
                if held:
                    seconds = math.ceil((clock - began) / 60) * 60
                    owed += rate.per_hour * held * seconds / 3600
                    whole += held * int(clock - began)
                began, held = clock, devices
            # The same write again is what a crash before it was seen comes to.
            for _ in range(chance.choice((1, 1, 3))):
                bill = advanced(bill, now=at(clock), devices=devices, rate=rate, use=Use.TRAINING, attempt=0)
        assert bill is not None
        clock += 60
        final = advanced(bill, now=at(clock), devices=0, rate=rate, use=Use.TRAINING, attempt=0)
        if held:
            owed += rate.per_hour * held * math.ceil((clock - began) / 60) * 60 / 3600
            whole += held * int(clock - began)
        assert abs(final.total(at(clock)).get("EUR", Decimal(0)) - owed) < Decimal("1e-9")
        assert final.device_seconds(at(clock)) == whole == sum(final.use.values())


def test_time_is_used_for_what_was_done_until_the_next_write() -> None:
    writes = ((0, Use.STARTING, None), (40, Use.STARTING, None), (140, Use.TRAINING, 0), (150, Use.WAITING, 0))
    bill = None
    for seconds, use, attempt in writes:
        bill = advanced(bill, now=at(seconds), devices=2, rate=RATE, use=use, attempt=attempt)
    assert bill is not None
    assert bill.use == {Use.STARTING: 80, Use.TRAINING: 200, Use.WAITING: 20}
    assert bill.attempts == {0: {Use.TRAINING: 200, Use.WAITING: 20}}


def test_what_an_attempt_lost_is_its_part_of_the_steps() -> None:
    bill = billed((0, 2, RATE), (100, 2, RATE))

    def lost(steps: int, of: int) -> Bill:
        loss = Loss(attempt=0, steps=steps, of=of)
        return advanced(bill, now=at(100), devices=2, rate=RATE, use=Use.TRAINING, attempt=0, loss=loss)

    found = lost(5, 20)
    assert found.use == {Use.TRAINING: 150, Use.LOST: 50}
    assert found.attempts[0] == {Use.TRAINING: 150, Use.LOST: 50}
    assert lost(0, 0).use == {Use.TRAINING: 200}


def test_the_newest_attempts_are_kept() -> None:
    bill = None
    for number in range(20):
        bill = advanced(bill, now=at(10 * number), devices=1, rate=RATE, use=Use.TRAINING, attempt=number)
    assert bill is not None
    assert list(bill.attempts) == list(range(20 - ATTEMPTS_KEPT, 20))
    assert bill.use == {Use.TRAINING: 190}


@table(
    ("writes", "amount", "want"),
    {
        "all of it is left": ([(0, 1, RATE)], "0.10", 100.0),
        "some of it is spent by what is held": ([(0, 1, RATE), (40, 1, RATE)], "0.10", 60.0),
        "some of it was spent before": ([(0, 1, RATE), (40, 0, RATE), (100, 1, RATE)], "0.10", 60.0),
        "whole steps": ([(0, 1, HOURLY)], "7.30", 7200.0),
        "more is spent already": ([(0, 1, RATE), (400, 1, RATE)], "0.10", -300.0),
        "nothing is held": ([(0, 1, RATE), (40, 0, RATE)], "0.10", None),
        "there is no price": ([(0, 1, None)], "0.10", None),
    },
)
def test_how_long_a_sum_lasts(writes: list[Any], amount: str, want: float | None) -> None:
    assert seconds_until(billed(*writes), amount=Decimal(amount), now=at(writes[-1][0])) == want
