"""One sequence on its way through the engine, and what the engine says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hostler_runtime.protocols.serving import Prompt
from hostler_runtime.server.line import Entry
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


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence(Entry):
    """An entry that grows token by token. Written by the model's thread only, except for ``cancelled``."""

    prompt: Prompt
    limit: int
    """Tokens to generate at most."""
    choice: int
    assembler: TextAssembler
    arrived: float
    """When the request reached the server, on the engine's clock."""
    input_tokens: int
    """Tokens of the prompt, or 0 where another choice of the same request already counts them."""
    produced: int = 0
    newest: float = 0.0

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
