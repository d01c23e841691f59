"""Who receives measurements. Seconds and counts only, nothing of a request's content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hostler_runtime.protocols.tasks import BatchReport


class Observer(Protocol):
    """Receives what is measured of one request."""

    def queued(self, seconds: float) -> None:
        """It came from the queue to the model."""

    def first_token(self, seconds: float) -> None:
        """It got its first token."""

    def next_token(self, seconds: float) -> None:
        """It got another one."""

    def tokens(self, *, input: int = 0, output: int = 0) -> None:
        """Tokens were processed or generated."""


class Unmeasured:
    """The observer of the sample request, which is no user's and must not colour the figures."""

    def queued(self, seconds: float) -> None: ...
    def first_token(self, seconds: float) -> None: ...
    def next_token(self, seconds: float) -> None: ...
    def tokens(self, *, input: int = 0, output: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the model over a batch."""

    size: int
    """Requests, or sequences, in it."""
    seconds: float = 0.0
    report: BatchReport | None = None
    """Of models that answer whole requests."""
