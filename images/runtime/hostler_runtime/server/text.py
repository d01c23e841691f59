"""Tokens in, text out: never half a character, never a piece of a stop string.

Streamed and unstreamed answers go through the same assembler, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class TextAssembler:
    """The text of one sequence as it grows."""

    def __init__(self, decode: Callable[[Sequence[int]], str], *, stop: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stop = tuple(stop)
        self._tokens: list[int] = []
        # Text is decoded from the token before the last cut, because some tokenizers drop a leading space.
        self._context = 0
        self._cut = 0
        self._held = ""
        self.stopped = False
        """True once a stop string was seen; nothing follows it."""

    def push(self, token: int) -> str:
        """The text that became certain with this token."""
        self._tokens.append(token)
        return self._release(self._decoded(final=False))

    def finish(self) -> str:
        """What was held back, at the end of the sequence."""
        if self.stopped:
            return ""
        text = self._release(self._decoded(final=True))
        rest, self._held = self._held, ""
        return text if self.stopped else text + rest

    def _decoded(self, *, final: bool) -> str:
        known = self._decode(self._tokens[self._context : self._cut])
        text = self._decode(self._tokens[self._context :])
        # A character may need several tokens; until it is whole it decodes to a replacement character.
        if not final and text.endswith(REPLACEMENT):
            return ""
        self._context, self._cut = self._cut, len(self._tokens)
        return text[len(known) :]

    def _release(self, text: str) -> str:
        text = self._held + text
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that could be the beginning of ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
