"""How often admission looks at the whole line."""

from __future__ import annotations

SHARE = 0.05
"""Of one processor core, at most, that passes may take as long as they are short."""
LONGEST_PAUSE = 0.2
"""Seconds between two passes at most, however long one takes: nobody waits longer than this for an answer."""


class PassPace:
    """A pause after each pass, as long as the pass was expensive.

    A pass over a few requests takes a fraction of a millisecond, and whoever comes alone is answered at once. One over
    thousands takes tens of milliseconds, and then many changes have to share it.
    """

    def __init__(self) -> None:
        self._ready_at = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next pass may begin."""
        return max(0.0, self._ready_at - now)

    def passed(self, *, now: float, took: float) -> None:
        """A pass has ended that took this many seconds."""
        self._ready_at = now + min(LONGEST_PAUSE, took * (1 / SHARE - 1))
