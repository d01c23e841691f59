"""How far a download is, from counts of bytes at moments. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from hostler_contract.importing import ImportProgress

WINDOW: Final = 15.0
"""Seconds over which speed is measured: long enough for a file to begin, short enough to show that it stopped."""


class Meter:
    """Of bytes that arrive in any number of files at once."""

    def __init__(self, *, now: float) -> None:
        """``now`` counts seconds from any moment."""
        self._done = 0
        self._total: int | None = None
        self._arrived = 0
        """Over the network, which is what speed is about."""
        self._marks: deque[tuple[float, int]] = deque([(now, 0)])

    def expect(self, total: int) -> None:
        """What there is in all, in bytes."""
        self._total = total

    def found(self, count: int) -> None:
        """Bytes of an earlier try; negative where they are thrown away."""
        self._done += count

    def took(self, count: int, *, now: float) -> None:
        """Bytes from the network."""
        self._done += count
        self._arrived += count
        if now - self._marks[-1][0] >= WINDOW / 30:
            self._marks.append((now, self._arrived))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW:
            self._marks.popleft()

    def progress(self, *, now: float) -> ImportProgress:
        """The snapshot. Speed is absent before a second has passed, time to go where nothing arrives."""
        since, before = self._marks[0]
        speed = (self._arrived - before) / (now - since) if now - since >= 1 else None
        left = None if self._total is None else max(0, self._total - self._done)
        eta = left / speed if speed and left is not None else None
        return ImportProgress(
            bytes_done=max(0, self._done), total_bytes=self._total, bytes_per_second=speed, eta_seconds=eta
        )
