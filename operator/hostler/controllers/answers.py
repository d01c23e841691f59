"""What admission has answered and remembers of it."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.planning.seats import together
from hostler.planning.verdicts import Admit, Place, Request, Seats, TakeBack, Verdict, Wait


@dataclass(frozen=True)
class Grant:
    """Seats that are given, and not yet written down by their workload."""

    request: Request
    admit: Admit
    told: bool = False
    """Whether the workload has read it, so that its status may be on its way to the API server."""
    lost: TakeBack | None = None
    """Why it is to be taken back, which waits for the workload once that was told."""


@dataclass(frozen=True)
class Shown:
    """A verdict as its workload knows it, and since when."""

    verdict: Verdict
    at: float
    earlier: bool = False
    """Whether the workload was told by an earlier process, in words that still hold but for its place in line. To tell
    two thousand jobs anew at each restart would be two thousand writes that say next to nothing."""

    @property
    def place(self) -> Place | None:
        """What was told of its place in line."""
        return self.verdict.place if isinstance(self.verdict, Wait) else None


def shown_seats(seats: Seats) -> str:
    """Nodes and pods, for the log."""
    return ",".join(f"{node}={pods}" for node, pods in seats.items())


def reserved(request: Request, admit: Admit) -> dict[str, int]:
    """All seats that the workload has with this answer."""
    return together(request.beside, admit.seats, admit.surge)
