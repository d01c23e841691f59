"""Many long rows at once, and somebody who only wants to renew a Lease."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass, field

import pytest

from hostler.cluster.turns import SLICE, Turns

ROWS, STEPS, STEP = 20, 100, 0.001


@dataclass
class Work:
    """Rows of steps on a clock that only their steps move."""

    now: float = 0.0
    done: list[int] = field(default_factory=list)

    async def row(self, number: int) -> None:
        turns = Turns(monotonic=lambda: self.now)
        for _ in range(STEPS):
            self.now += STEP
            await turns.give()
        self.done.append(number)

    async def heartbeat(self) -> list[float]:
        """Seconds between two iterations of the loop, while there is work."""
        found = []
        while len(self.done) < ROWS:
            before = self.now
            await asyncio.sleep(0)
            found.append(self.now - before)
        return found


async def test_all_rows_together_take_one_slice_of_an_iteration() -> None:
    work = Work()
    rows = [asyncio.create_task(work.row(number)) for number in range(ROWS)]
    await asyncio.sleep(0)  # each begins with a slice of its own
    late = await work.heartbeat()
    await asyncio.gather(*rows)
    assert max(late) <= 2 * (SLICE + STEP)
    assert work.now == pytest.approx(ROWS * STEPS * STEP), "all of it was done"
    assert work.done == sorted(work.done), "in the order in which they came"


async def test_a_row_that_is_cancelled_keeps_nobody() -> None:
    work = Work()
    rows = [asyncio.create_task(work.row(number)) for number in range(ROWS)]
    await asyncio.sleep(0)
    for row in rows[::2]:
        row.cancel()
    await asyncio.gather(*rows, return_exceptions=True)
    assert work.done == list(range(1, ROWS, 2))
    again = Work()
    await again.row(0)
    assert again.done == [0], "and the gate opens for whoever comes later"


def test_a_loop_that_has_ended_is_not_kept() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(Work().row(0))
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
