"""What the server asks of a family's serving half. Holds no torch, so that the server can be tested without it.

A family that generates token by token is a ``LanguageModel`` and gives ``stream``: one running batch whose members may
change between two steps. Every other one is a ``BatchModel`` and gives ``run_batch``: whole requests, several at once.
HTTP, queueing, text assembly, metrics and cancellation are the server's business.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hostler_contract import ErrorReason
from hostler_runtime.protocols.tasks import BatchReport, TaskRequest


class UnservableError(Exception):
    """The model cannot be served, for a reason that a condition can name."""

    def __init__(self, reason: ErrorReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PromptRejectedError(Exception):
    """This model cannot take this request; ``code`` is the machine-readable reason, ``param`` the request's field where
    the family knows it."""

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one sequence picks its tokens. The seed is always set, so that a result can be repeated."""

    seed: int
    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    top_k: int = 0
    """So many of the likeliest tokens are drawn from; 0 leaves all in."""
    min_p: float = 0.0
    """Tokens are left out whose probability is below this share of the likeliest one's (arXiv 2407.01082)."""
    repetition_penalty: float = 1.0
    """Divides what speaks for tokens that have occurred, in prompt or answer (arXiv 1909.05858); 1 leaves it."""


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """What the model's own files recommend for requests that do not say; the fields of ``Sampling``."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_new_tokens: int | None = None
    """Longest answer to a conversation; None leaves it to the server."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sequence to continue; ``key`` names it within a stream."""

    key: int
    tokens: tuple[int, ...]
    sampling: Sampling


class TokenStream(Protocol):
    """One running batch. Only the engine's thread calls it; every call returns one new token per sequence."""

    def add(self, prompts: Sequence[Prompt]) -> dict[int, int]:
        """Let prompts join. Returns the first token of each, by key."""

    def step(self) -> dict[int, int]:
        """The next token of every member, by key."""

    def remove(self, keys: Collection[int]) -> None:
        """Let members leave and free what they held."""


class LanguageModel(Protocol):
    """A loaded model. ``encode*`` run in one tokenizer thread, ``decode`` and ``stream`` in the engine's thread."""

    @property
    def context_length(self) -> int:
        """Longest prompt and answer together, in tokens."""

    @property
    def vocabulary_size(self) -> int:
        """Token ids lie below this."""

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer."""

    @property
    def defaults(self) -> SamplingDefaults:
        """How to sample where the request does not say."""

    def encode(self, text: str) -> list[int]:
        """Tokens of a plain text."""

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Tokens of a conversation up to where the answer begins. Raises ``PromptRejectedError``."""

    def encode_infill(self, prefix: str, suffix: str) -> list[int]:
        """Tokens after which the model writes what stands between two texts. Raises ``PromptRejectedError`` where the
        model was not trained to fill in the middle."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens, without special ones."""

    def stream(self) -> TokenStream:
        """A new, empty batch."""


class BatchModel(Protocol):
    """A loaded model that answers whole requests. ``check`` and ``batch_key`` run in the event loop's helpers and are
    quick; ``run_batch`` runs in the engine's thread only."""

    @property
    def tasks(self) -> frozenset[type]:
        """Classes of requests that it answers."""

    def check(self, request: TaskRequest) -> None:
        """Raises ``PromptRejectedError`` where this model cannot take the request."""

    def batch_key(self, request: TaskRequest) -> Hashable:
        """Requests with the same key may share a batch."""

    def run_batch(self, requests: Sequence[TaskRequest]) -> BatchReport:
        """Answer requests of one key, in order. A result does not depend on what else is in the batch."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What beside the artifacts decides how a model is loaded."""

    adapters: Mapping[str, Path] = field(default_factory=dict)
    """Low-rank adapters that a request may choose: name to directory."""
    max_batch_size: int = 8
    """Requests that ``run_batch`` gets at most, members that a stream has at most."""

    def refuse_adapters(self, family: str) -> None:
        """For families that have none. Raises ``UnservableError``, because an adapter is never silently ignored."""
        if self.adapters:
            raise UnservableError(
                ErrorReason.INVALID_CONFIGURATION,
                f"the {family} family serves no adapters, but the service names {', '.join(sorted(self.adapters))}; "
                "remove them from spec.adapters",
            )


class ServingHalf(Protocol):
    """The module ``families.<name>.serving``."""

    def load(self, path: Path, *, options: LoadOptions) -> LanguageModel | BatchModel:
        """Load the artifacts, offline. Raises ``UnservableError``."""
