"""How an attempt ended: the termination message of rank 0's container."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hostler_contract.errors import ErrorReason
from hostler_contract.message import Message, Part

TERMINATION_MESSAGE_LIMIT = 4096
"""Bytes that the kubelet keeps of a termination message."""

EXIT_FAILED = 1
"""Exit status of a trainer's container whose result is a failure."""
EXIT_INTERRUPTED = 75
"""Exit status after SIGTERM, on every pod of the attempt: all of them saved and left together."""


class ArtifactFacts(Part):
    """What was written to ``<workspace>/model``."""

    path: str
    """Directory relative to the volume's root."""
    format: str = "huggingface"
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: str
    """Hash over the sorted list of file names and file hashes."""
    parameters: Annotated[int, Field(gt=0)]
    context_length: Annotated[int, Field(gt=0)]
    vocabulary_size: Annotated[int, Field(gt=0)]
    kv_bytes_per_token: Annotated[int, Field(gt=0)] | None = None


class DatasetFacts(Part):
    """What the data turned out to be; part of the model's lineage."""

    sha256: str
    size_bytes: Annotated[int, Field(gt=0)]
    tokens: Annotated[int, Field(gt=0)]


class Result(Message):
    """Success carries ``artifact`` and ``metrics``, failure carries ``reason`` and ``message``."""

    succeeded: bool
    steps: Annotated[int, Field(ge=0)] = 0
    metrics: dict[str, float] = Field(default_factory=dict)
    """Final figures by name, for example ``validation_loss`` (nats per token), ``validation_perplexity``."""
    artifact: ArtifactFacts | None = None
    dataset: DatasetFacts | None = None
    reason: ErrorReason | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Result:
        if self.succeeded and self.artifact is None:
            raise ValueError("a successful result names its artifact")
        if not self.succeeded and (self.reason is None or not self.message):
            raise ValueError("a failed result has a reason and a message")
        return self

    def to_termination_message(self) -> str:
        """JSON cut to what the kubelet keeps: the message is shortened, never the structure."""
        text = self.to_json()
        excess = len(text.encode()) - TERMINATION_MESSAGE_LIMIT
        if excess <= 0 or not self.message:
            return text
        kept = self.message.encode()[: max(0, len(self.message.encode()) - excess - 16)]
        return self.model_copy(update={"message": kept.decode(errors="ignore") + " [cut]"}).to_json()
