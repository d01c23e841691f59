"""One sequence on its way through the engine, and what the engine says about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from hostler_runtime.families.serving_protocol import Prompt
from hostler_runtime.server.text import TextAssembler

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of one choice; the last one carries ``finish_reason``."""

    choice: int
    text: str
    produced: int
    """Tokens generated for this choice so far."""
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine gave up on the sequence."""

    message: str


class Observer(Protocol):
    """Receives measurements of one request; seconds and counts only, nothing of its content."""

    def queued(self, seconds: float) -> None: ...
    def first_token(self, seconds: float) -> None: ...
    def next_token(self, seconds: float) -> None: ...
    def tokens(self, *, input: int = 0, output: int = 0) -> None: ...


@dataclass(slots=True)
class Sequence:
    """Written by the engine's thread only, except ``cancelled``, which is set once by the event loop."""

    prompt: Prompt
    limit: int
    """Tokens to generate at most."""
    choice: int
    assembler: TextAssembler
    deliver: Callable[[Delta | Failed], None]
    observer: Observer
    arrived: float
    """When the request reached the server, on the engine's clock."""
    input_tokens: int
    """Tokens of the prompt, or 0 where another choice of the same request already counts them."""
    queued: float = 0.0
    produced: int = 0
    newest: float = 0.0
    cancelled: bool = False

    def accept(self, token: int, *, end_tokens: frozenset[int], now: float) -> bool:
        """Take one generated token and deliver what it brings. Returns True when the sequence is complete."""
        self._measure(now)
        self.produced += 1
        ended = token in end_tokens
        text = "" if ended else self.assembler.push(token)
        reason = self._finish_reason(ended=ended)
        if reason is not None:
            text += self.assembler.finish()
            # The text that was held back may itself complete a stop string.
            reason = "stop" if self.assembler.stopped else reason
        if text or reason is not None:
            self.deliver(Delta(self.choice, text, self.produced, reason))
        return reason is not None

    def _finish_reason(self, *, ended: bool) -> FinishReason | None:
        if ended or self.assembler.stopped:
            return "stop"
        return "length" if self.produced >= self.limit else None

    def _measure(self, now: float) -> None:
        if self.produced > 0:
            self.observer.next_token(now - self.newest)
        elif self.choice == 0:
            # One time to first token for each request, however many choices it asked for.
            self.observer.first_token(now - self.arrived)
        self.observer.tokens(output=1)
        self.newest = now
