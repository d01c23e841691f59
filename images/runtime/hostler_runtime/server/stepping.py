"""Models that generate token by token: between two steps it is decided who joins and who leaves the running batch.

Admitting between steps means that a short request never waits for a long one to end.
"""

from __future__ import annotations

from collections.abc import Callable

from hostler_runtime.protocols.serving import LanguageModel
from hostler_runtime.server.line import Failed, Line, oldest
from hostler_runtime.server.observer import Run
from hostler_runtime.server.sequence import Sequence


class StepWorker:
    """A ``Worker`` over one running batch of sequences."""

    def __init__(
        self, model: LanguageModel, *, line: Line, observe: Callable[[Run], None], clock: Callable[[], float]
    ) -> None:
        self._model = model
        self._line = line
        self._observe = observe
        self._clock = clock
        self._stream = model.stream()

    def turn(self) -> None:
        """Exchange members, then one step of the model."""
        leavers: list[Sequence] = self._line.dismiss_cancelled()
        arrivals: list[Sequence] = self._line.admit(oldest)
        if leavers:
            self._stream.remove([sequence.prompt.key for sequence in leavers])
        if arrivals:
            for sequence in arrivals:
                sequence.observer.tokens(input=sequence.input_tokens)
            self._accept(self._stream.add([sequence.prompt for sequence in arrivals]))
        if self._line.running:
            self._observe(Run(self._line.running))
            self._accept(self._stream.step())

    def recover(self, error: Exception) -> None:
        """The stream is in an unknown state: its members fail, a new one begins."""
        members: list[Sequence] = self._line.members()
        self._line.complete(members)
        for sequence in members:
            sequence.deliver(Failed(f"the model failed: {type(error).__name__}: {error}"))
        self._stream = self._model.stream()

    def _accept(self, tokens: dict[int, int]) -> None:
        now = self._clock()
        members: dict[int, Sequence] = {sequence.prompt.key: sequence for sequence in self._line.members()}
        complete = [
            members[key]
            for key, token in tokens.items()
            if key in members and members[key].accept(token, end_tokens=self._model.end_tokens, now=now)
        ]
        if complete:
            self._stream.remove([sequence.prompt.key for sequence in complete])
            self._line.complete(complete)
