"""Looking at a dataset once: what the Job of a Dataset is asked (a file), and what it found (termination message)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hostler_contract.errors import ErrorReason
from hostler_contract.job import DatasetConfig, PositiveInt
from hostler_contract.message import Message, Part
from hostler_contract.result import TERMINATION_MESSAGE_LIMIT

Count = Annotated[int, Field(ge=0)]


class InspectionConfig(Message):
    """What the Job is asked."""

    name: str
    namespace: str
    dataset: DatasetConfig
    max_length: PositiveInt = 512
    """Tokens of a pack, for the packing factor."""


class LengthBucket(Part):
    """Rows whose lengths lie in a range."""

    up_to: PositiveInt
    """Longest length in it; the shortest is one more than the bucket's before it."""
    rows: Count


class LengthFacts(Part):
    """How long the rows are."""

    unit: Literal["tokens", "seconds"]
    """tokens are estimated from bytes, because no tokenizer is known yet; seconds are those of recordings."""
    total: Count
    shortest: Count
    median: Count
    longest: Count
    buckets: list[LengthBucket]
    """Powers of two, without empty ones at both ends."""


class PackingFacts(Part):
    """What packing is expected to gain, with best fit and longer rows cut."""

    max_length: PositiveInt
    longer: Count = 0
    """Rows that are longer than that."""
    factor: Annotated[float, Field(ge=1)]
    """Sequences per row, which is how many times fewer rows there are."""
    efficiency: Annotated[float, Field(gt=0, le=1)]
    """Share of positions that hold tokens."""
    unpacked_efficiency: Annotated[float, Field(gt=0, le=1)]
    """The same without packing."""


class RowError(Part):
    """What is wrong with one row."""

    file: str
    row: PositiveInt | None = None
    """Line, row or sample in the file; absent where the file as a whole is meant."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.row}: {self.message}" if self.row else f"{self.file}: {self.message}"


class DatasetReport(Message):
    """What the data is. ``errors`` holds the first few of ``error_count``; a dataset with any is not valid.

    ``reason`` and ``message`` are set where the data could not be looked at, and then nothing else is.
    """

    rows: Count = 0
    files: Count = 0
    size_bytes: Count = 0
    sha256: str | None = None
    """Content hash, as ``DatasetFacts`` of a training job has it."""
    roles: list[str] = Field(default_factory=list)
    """Names of the columns after mapping."""
    lengths: LengthFacts | None = None
    packing: PackingFacts | None = None
    errors: list[RowError] = Field(default_factory=list)
    error_count: Count = 0
    notes: list[str] = Field(default_factory=list)
    """Sentences about what is not wrong and yet worth knowing, such as columns and files that nobody reads."""
    reason: ErrorReason | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> DatasetReport:
        if (self.sha256 is None) == (self.reason is None):
            raise ValueError("a report has either the content's hash or the reason why there is none")
        return self

    @property
    def valid(self) -> bool:
        """Whether training can use all of it."""
        return self.reason is None and self.error_count == 0 and self.rows > 0

    def to_termination_message(self) -> str:
        """JSON that fits into what the kubelet keeps: errors are left out from the last to the first, then notes
        and roles, never half a structure; then texts are cut."""
        fitted = self
        while len(fitted.to_json().encode()) > TERMINATION_MESSAGE_LIMIT:
            if len(fitted.errors) > 1:
                fitted = fitted.model_copy(update={"errors": fitted.errors[:-1]})
            elif fitted.notes:
                fitted = fitted.model_copy(update={"notes": fitted.notes[:-1]})
            elif fitted.roles:
                fitted = fitted.model_copy(update={"roles": fitted.roles[:-1]})
            else:
                return fitted._cut().to_json()
        return fitted.to_json()

    def _cut(self) -> DatasetReport:
        errors = [
            error.model_copy(update={"file": error.file[-200:], "message": error.message[:200]})
            for error in self.errors
        ]
        message = self.message and self.message[:500]
        return self.model_copy(update={"errors": errors, "message": message})
