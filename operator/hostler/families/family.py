"""The protocol that every family keeps, and the plain facts that go through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hostler_contract import SampleRequest


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of a decoder, in the words of the API."""

    layers: int
    hidden_size: int
    heads: int
    context_length: int
    vocabulary_size: int


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether the bundled runtime does something for a family; the reason is a sentence that users read."""

    available: bool
    reason: str = ""


class Family(Protocol):
    """One family. Formulas reach the containers as numbers; no container holds a second copy of them."""

    @property
    def name(self) -> str:
        """Name in ``spec.family``."""

    @property
    def task(self) -> str:
        """Task in the words of model hubs."""

    @property
    def apis(self) -> tuple[str, ...]:
        """HTTP paths under which a server of this family answers."""

    @property
    def training(self) -> Availability:
        """Whether the bundled runtime trains it."""

    @property
    def serving(self) -> Availability:
        """Whether the bundled runtime serves it."""

    def parameters(self, shape: Shape) -> int:
        """Number of weights."""

    def training_flops_per_token(self, shape: Shape) -> float:
        """Operations of one forward and backward pass, for one token."""

    def training_bytes(self, shape: Shape) -> int:
        """Memory that weights, gradients and optimizer state take together, without activations."""

    def kv_bytes_per_token(self, shape: Shape, *, bytes_per_value: int) -> int:
        """Key-value cache of one token of context."""

    def sample_request(self) -> SampleRequest:
        """A request that every model of the family can answer."""
