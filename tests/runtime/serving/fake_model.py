"""A language model without torch whose steps a test can hold back: token = character, the answer counts upwards."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from patience import PATIENCE

from hostler_runtime.protocols.serving import Prompt, PromptRejectedError, SamplingDefaults

END = 0


@dataclass
class FakeStream:
    """Answers ``a``, ``b``, ``c``... to every prompt; records who was in the batch at each step."""

    model: FakeModel
    produced: dict[int, int] = field(default_factory=dict)

    def add(self, prompts: Sequence[Prompt]) -> dict[int, int]:
        """First tokens."""
        for prompt in prompts:
            self.produced[prompt.key] = 0
            self.model.admitted.append(prompt.tokens)
        return self._next([prompt.key for prompt in prompts])

    def step(self) -> dict[int, int]:
        """Next tokens, when the test allows a step."""
        assert self.model.steps.acquire(timeout=PATIENCE), "the test never allowed this step"
        if self.model.failures_left > 0:
            self.model.failures_left -= 1
            raise RuntimeError("kernel went wrong")
        self.model.batches.append(len(self.produced))
        return self._next(list(self.produced))

    def remove(self, keys: Collection[int]) -> None:
        """Forget members."""
        for key in keys:
            del self.produced[key]
            self.model.removed.append(key)

    def _next(self, keys: list[int]) -> dict[int, int]:
        tokens = {}
        for key in keys:
            tokens[key] = self.model.answer[self.produced[key] % len(self.model.answer)]
            self.produced[key] += 1
        return tokens


@dataclass
class FakeModel:
    """A ``LanguageModel``."""

    answer: list[int] = field(default_factory=lambda: [ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"])
    failures_left: int = 0
    context_length: int = 64
    vocabulary_size: int = 1024
    end_tokens: frozenset[int] = frozenset({END})
    defaults: SamplingDefaults = field(default_factory=SamplingDefaults)
    steps: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    admitted: list[tuple[int, ...]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    def encode(self, text: str) -> list[int]:
        """A token for each character."""
        return [ord(letter) for letter in text]

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """The contents one after the other."""
        return self.encode("".join(message["content"] for message in messages))

    def encode_infill(self, prefix: str, suffix: str) -> list[int]:
        """Both texts in brackets."""
        if suffix == "refused":
            raise PromptRejectedError("This model cannot fill in.", code="suffix_not_supported")
        return self.encode(f"<{prefix}|{suffix}>")

    def decode(self, tokens: Sequence[int]) -> str:
        """A character for each token."""
        return "".join(map(chr, tokens))

    def stream(self) -> FakeStream:
        """A new batch."""
        return FakeStream(self)
