"""One path and method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A path below ``/v1/``. POST requests are work: they are measured, and a sample request may be one."""

    path: str
    answer: Callable[[Request], Awaitable[Response]]
    method: str = "POST"
    tasks: tuple[type, ...] = ()
    """Answered where the model answers one of these; empty is answered by every server."""
    proof: str | None = None
    """What an answer to the sample request must hold, as a dotted path, where the sample itself does not say."""

    @property
    def title(self) -> str:
        """As one writes it."""
        return f"{self.method} /v1/{self.path}"

    def offered(self, tasks: frozenset[type]) -> bool:
        """Whether a model that answers ``tasks`` answers here."""
        return not self.tasks or not tasks.isdisjoint(self.tasks)
