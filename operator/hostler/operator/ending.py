"""To come to an end in time, whatever hangs.

A process that has lost the Lease, or was told to stop, has to make room for the next one: the kubelet waits for the
pod's grace period, and then kills it, with the Lease still in its name. So each step of the end has a time of its own,
and what takes longer is left behind with a line in the log that names it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

_log = logging.getLogger(__name__)

EXIT_PATIENCE = 4.0
"""Seconds from the end of our own work to the end of the process."""


async def within(seconds: float, work: Coroutine[Any, Any, None], *, what: str) -> bool:
    """Do this; True where it ended in time, well or not. Nothing is waited for beyond that, not even its end."""
    return await ended([asyncio.create_task(work, name=what)], seconds=seconds, what=what)


async def ended(tasks: Iterable[asyncio.Task[Any]], *, seconds: float, what: str) -> bool:
    """Wait for the end of these; True where all came to it in time.

    ``asyncio.timeout`` and ``gather`` would wait for whoever is cancelled and does not mind it; this does not.
    """
    waiting = set(tasks)
    if not waiting:
        return True
    done, pending = await asyncio.wait(waiting, timeout=seconds)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("%s: %s", what, error or type(error).__name__)
    for task in pending:
        task.cancel()
    if pending:
        named = ", ".join(sorted({task.get_name() for task in pending}))
        _log.error("not ended within %g s, and left behind: %s", seconds, named, extra={"step": what})
    return not pending


def leave_within(seconds: float, code: int, *, leave: Callable[[int], object] = os._exit) -> threading.Timer:
    """End the process with this code in so many seconds, unless it ends before.

    The event loop waits for cancelled tasks as it closes, and the interpreter for threads; a thread that looks up a
    name while no resolver answers takes half a minute, and nobody can end it.
    """

    def end() -> None:
        _log.error("the process does not come to its end by itself", extra={"exit_code": code})
        logging.shutdown()
        leave(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer
