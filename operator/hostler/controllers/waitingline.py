"""Who asks for seats, and what each of them was told last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from hostler.controllers.answers import Shown
from hostler.planning.verdicts import Request, TakeBack, Verdict, Wait, Workload


class WaitingLine:
    """In memory. Nothing of it is needed after a crash: whoever waits asks again."""

    def __init__(self) -> None:
        self._since: dict[Workload, float] = {}
        """On the monotonic clock, by this process's own experience."""
        self._requests: dict[Workload, Request] = {}
        self._shown: dict[Workload, Shown] = {}

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def requests(self) -> Mapping[Workload, Request]:
        """Everybody who asks."""
        return self._requests

    @property
    def shown(self) -> Mapping[Workload, Shown]:
        """The verdicts as their workloads know them."""
        return self._shown

    def put(self, request: Request, *, now: float) -> bool:
        """Come into line, or stay there; whether anything is asked that was not asked before."""
        workload = request.workload
        self._since.setdefault(workload, now)
        if self._requests.get(workload) == request:
            return False
        self._requests[workload] = request
        self._shown.pop(workload, None)
        return True

    def leave(self, workload: Workload, *, now: float) -> tuple[Request | None, Shown | None, float]:
        """Out of line: what it asked, what it was told, and for how many seconds it has been in line."""
        since = self._since.pop(workload, now)
        return self._requests.pop(workload, None), self._shown.pop(workload, None), now - since

    def show(self, workload: Workload, shown: Shown) -> None:
        """This is what it knows from now on."""
        self._shown[workload] = shown

    def standing(self, workload: Workload) -> Verdict | None:
        """What it was told by this process; None while what an earlier one has told stands."""
        shown = self._shown.get(workload)
        return shown.verdict if shown and not shown.earlier else None

    def lost(self, workload: Workload) -> TakeBack | None:
        """Why its seats are taken back, where they are."""
        shown = self._shown.get(workload)
        return shown.verdict if shown is not None and isinstance(shown.verdict, TakeBack) else None

    def waiting(self) -> Iterator[tuple[Request, Wait]]:
        """Who waits for a seat, with what it was told."""
        for workload, request in self._requests.items():
            shown = self._shown.get(workload)
            if shown is not None and isinstance(shown.verdict, Wait):
                yield request, shown.verdict

    def by_pool(self) -> Mapping[str, int]:
        """Workloads that wait for a seat, by pool."""
        return Counter(request.pool for request, _ in self.waiting())
