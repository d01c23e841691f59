"""Counts of what had to be cut to fit into a sequence, so that a run can say what was not read."""

from __future__ import annotations

from hostler_contract.result import LeftOut


class Cuts:
    """One kind of texts on their way into sequences."""

    def __init__(self, what: str, *, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._seen = self._cut = self._tokens = 0

    def add(self, found: int, *, kept: int) -> None:
        """One text of ``found`` tokens, of which its sequence has ``kept``."""
        self._seen += 1
        self._cut += found > kept
        self._tokens += found - kept

    @property
    def left_out(self) -> list[LeftOut]:
        """For ``DatasetFacts``; empty where everything fitted."""
        if not self._cut:
            return []
        return [LeftOut(what=self._what, count=self._cut, of=self._seen, limit=self._limit, tokens=self._tokens)]
