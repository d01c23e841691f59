"""When Python looks for cycles, so that it never looks at everything while others wait.

A full collection looks at every container there is: 0.3 s and more where the caches hold ten thousand objects, in
which no watch, no probe and no renewal of the Lease has its turn. Objects of the caches hold no cycles and end by their
reference counts. So while the caches are filled nobody looks, and whatever has outlived a full collection is left out
of the next one (``gc.freeze``), which then looks at what has come since. Cycles among what is left out would stay for
ever; when there is much more of it than there was, everything is looked at once.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Any

_CHECK_SECONDS = 600.0
_GROWTH = 1.5
_SLACK = 100_000
"""Containers beyond that growth: a cluster that fills is no leak."""
_FULL = 2
_ROUNDS = 5
"""Collections of the middle generation until a full one: about fifty thousand containers, or 20 ms."""


class GarbagePolicy:
    """Of the whole process. :meth:`load` before the caches are filled, :meth:`loaded` after, :meth:`run` for ever."""

    def __init__(self, *, slack: int = _SLACK) -> None:
        self._slack = slack
        self._thresholds = gc.get_threshold()
        self._expected = 0
        """Containers that were left out when everything was looked at last."""

    def load(self) -> None:
        """Much is about to come, and all of it to stay."""
        gc.disable()

    def loaded(self) -> None:
        """What is there stays."""
        gc.freeze()
        self._expected = gc.get_freeze_count()
        # Of nothing, so that Python does not wait until a quarter as much as there was before has come.
        gc.collect()
        if self._freeze not in gc.callbacks:
            gc.callbacks.append(self._freeze)
        gc.set_threshold(*gc.get_threshold()[:2], _ROUNDS)
        gc.enable()

    def stop(self) -> None:
        """Look at everything again, as Python does by itself."""
        if self._freeze in gc.callbacks:
            gc.callbacks.remove(self._freeze)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
        gc.enable()

    async def run(self) -> None:
        """Look from time to time whether too much has gathered."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            self.check()

    def check(self) -> bool:
        """Look at everything where there is much more than there was; whether that was so."""
        if gc.get_freeze_count() <= _GROWTH * self._expected + self._slack:
            return False
        gc.unfreeze()
        gc.collect()  # what is left is left out again by the callback
        self._expected = gc.get_freeze_count()
        return True

    def _freeze(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == _FULL:
            gc.freeze()
