"""Who takes in thousands of objects in a row lets others have their turn, and all of them together are one of these.

An iteration of the event loop runs everything that is ready. With a slice for each of fifteen watches, a sweep and a
page of a list, an iteration in which thousands of jobs come is as long as all their slices, and a heartbeat or a
renewal of the Lease waits for the sum. So of those that have used up their slice, one goes on in each iteration, in the
order in which they came.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

SLICE = 0.005
"""Seconds in a row, after which other tasks have their turn."""


class Turns:
    """One row of small things. :meth:`give` after each of them."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since = monotonic()

    async def give(self) -> None:
        """Suspend where this slice is used up."""
        if self._monotonic() - self._since > SLICE:
            await _gate().passed()
            self._since = self._monotonic()


class _Gate:
    """Lets one through in each iteration of its loop, which it must not keep."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def passed(self) -> None:
        """Return in a later iteration, after those who came before."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) > 1:
            await turn
            return
        # The next iteration is its own: a future would bring it the one after that.
        turn.set_result(None)
        loop.call_soon(self._open)
        await asyncio.sleep(0)

    def _open(self) -> None:
        # Who was cancelled goes no further, and is nobody's turn. The one whose turn it is stays in line until the next
        # iteration: whoever comes meanwhile does not open the gate a second time.
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if self._waiting:
            self._waiting[0].set_result(None)
            asyncio.get_running_loop().call_soon(self._open)


_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gate] = WeakKeyDictionary()


def _gate() -> _Gate:
    loop = asyncio.get_running_loop()
    if (found := _gates.get(loop)) is None:
        found = _gates[loop] = _Gate()
    return found
