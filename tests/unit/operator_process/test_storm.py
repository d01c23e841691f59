"""A backlog that nothing interrupts, in virtual time: whoever else lives in the loop gets its turn."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from unit.cluster.leases import Leases, elector
from virtualtime import VirtualLoop, now, virtual

from hostler.cluster.lease import Timing
from hostler.cluster.queue import WorkQueue
from hostler.controllers.ports import Key, Outcome
from hostler.operator.dispatch import Workers

KEYS, SECONDS_EACH = 10_000, 0.002


class Silent:
    def reconciled(self, kind: str, result: str, seconds: float) -> None: ...

    def added(self) -> None: ...

    def depth(self, waiting: int) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def worked(self, seconds: float) -> None: ...

    def retried(self) -> None: ...


class Thinker:
    """A controller whose reconcile computes for a while, writes nothing, and never gives the loop away."""

    kind = "TrainingJob"

    def __init__(self) -> None:
        self.done = 0
        self.all_done = asyncio.Event()

    async def reconcile(self, key: Key) -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._jump.now += SECONDS_EACH
        self.done += 1
        if self.done == KEYS:
            self.all_done.set()
        return Outcome()

    def affected(self, change: Any) -> tuple[Key, ...]:
        return ()


@virtual
async def test_ten_thousand_keys_delay_no_renewal_and_no_heartbeat() -> None:
    leases, thinker = Leases(), Thinker()
    leader = elector(leases, "leader")
    queue: WorkQueue[Key] = WorkQueue(metrics=Silent())
    workers = Workers([thinker], queue=queue, metrics=Silent())
    await leader.acquire()
    late: list[float] = []
    ages: list[float] = []

    async def heartbeat() -> None:
        while True:
            due = now() + 0.05
            await asyncio.sleep(0.05)
            late.append(now() - due)
            ages.append(now() - leader._renewed)

    tasks = [asyncio.create_task(leader.hold()), asyncio.create_task(heartbeat())]
    begun = now()
    for number in range(KEYS):
        queue.add(Key("TrainingJob", "n", f"j{number}"))
    workers.start(16)
    await thinker.all_done.wait()
    assert now() - begun > Timing().duration, "long enough to lose a Lease"
    assert leader.leading
    assert max(late) < 0.1
    assert max(ages) < Timing().retry + 0.2
    await workers.stop()
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
