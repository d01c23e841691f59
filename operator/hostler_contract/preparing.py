"""How the preparation of a job's data ended: the termination message of the container that did it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hostler_contract.errors import ErrorReason
from hostler_contract.message import Message
from hostler_contract.result import TERMINATION_MESSAGE_LIMIT


class PreparationReport(Message):
    """``reason`` and ``message`` are set where nothing is prepared, and then nothing else is."""

    key: str | None = None
    """Hash of data, tokenizer and settings: jobs with the same one share the prepared data."""
    sha256: str | None = None
    """Content hash of the data."""
    size_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of the prepared data on the volume."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """How long it took; waiting for another job that prepares the same counts."""
    found: bool = False
    """Whether it was there already."""
    reason: ErrorReason | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> PreparationReport:
        if (self.key is None) == (self.reason is None):
            raise ValueError("a report has either a key or the reason why there is none")
        return self

    def to_termination_message(self) -> str:
        """JSON that fits into what the kubelet keeps."""
        if len(self.to_json().encode()) <= TERMINATION_MESSAGE_LIMIT:
            return self.to_json()
        return self.model_copy(update={"message": self.message and self.message[:800]}).to_json()
