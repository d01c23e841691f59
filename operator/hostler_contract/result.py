"""How an attempt ended: the termination message of rank 0's container."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hostler_contract.errors import ErrorReason
from hostler_contract.message import Message, Part

TERMINATION_MESSAGE_LIMIT = 4096
"""Bytes that the kubelet keeps of a termination message."""
_CUT = " [cut]"
"""Ends a message of which a part was left out."""

ADAPTER_DIRECTORY = "adapter"
"""Where a low-rank adapter lies alone, below the artifacts of the model that has it merged in."""

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
    context_length: Annotated[int, Field(gt=0)] | None = None
    """Longest sequence in tokens, where the family has one."""
    vocabulary_size: Annotated[int, Field(gt=0)] | None = None
    kv_bytes_per_token: Annotated[int, Field(gt=0)] | None = None


class LeftOut(Part):
    """One kind of things in the data that lost a part, or that were left out whole."""

    what: str
    """Their name in the plural, such as ``texts``."""
    count: Annotated[int, Field(gt=0)]
    """How many of them."""
    of: Annotated[int, Field(gt=0)]
    """How many there are, both parts of the data together."""
    limit: Annotated[int, Field(gt=0)] | None = None
    """Tokens of a sequence that they had to fit into, with all that belongs into it; None where they were left out
    whole."""
    tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens that were cut off; 0 where they were left out whole."""
    why: str | None = None
    """Reason, where they were left out whole."""
    first: str | None = None
    """File and row of the first of them, where it is known."""


class DatasetFacts(Part):
    """What the data turned out to be; part of the model's lineage."""

    sha256: str
    size_bytes: Annotated[int, Field(gt=0)]
    rows: Annotated[int, Field(gt=0)] | None = None
    """Documents, images, clips or recordings, both parts together."""
    tokens: Annotated[int, Field(gt=0)] | None = None
    """Tokens of both parts, where the family has tokens."""
    packing_factor: Annotated[float, Field(ge=1)] | None = None
    """Sequences per row of the training part, where sequences are packed."""
    dropped: Annotated[int, Field(ge=0)] = 0
    """Tokens that were cut off: the sum of those in ``left_out``."""
    left_out: list[LeftOut] = Field(default_factory=list)
    """What could not be used, or not whole; ``Result.notes`` says so in words."""

    def without(self, left_out: list[LeftOut]) -> DatasetFacts:
        """The same facts, and what could not be used."""
        return self.model_copy(update={"left_out": left_out, "dropped": sum(each.tokens for each in left_out)})


class Measured(Part):
    """One model as it stands: what an objective reports before and after."""

    size_bytes: Annotated[int, Field(gt=0)]
    """Weights as stored."""
    parameters: Annotated[int, Field(gt=0)]
    """Weights that are not zero."""
    latency_seconds: Annotated[float, Field(gt=0)]
    """Median of one forward pass of one sequence on this device."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Quality on the validation part."""


class Comparison(Part):
    """What an objective changed."""

    before: Measured
    after: Measured


class TargetReached(Part):
    """When stopAt was met."""

    metric: str
    value: float
    step: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    """Training time over all attempts up to then."""


class Pace(Part):
    """How fast an attempt made its steps: what the next estimate of such a run is made of. Of the steps alone, without
    saving, evaluating and starting."""

    steps: Annotated[int, Field(gt=0)]
    """Optimizer steps that this attempt made."""
    seconds: Annotated[float, Field(gt=0)]
    """In which it made them."""
    units: Annotated[float, Field(ge=0)]
    """What was trained on in them, over all processes; padding does not count."""
    unit: str = "tokens"
    """What is counted."""
    precision: str | None = None
    """Of the products, as it was in the end."""
    memory_bytes: Annotated[int, Field(ge=0)] | None = None
    """Most memory in use by rank 0, on its device or, without one, of its process."""


class Result(Message):
    """Success carries ``artifact`` and ``metrics``, failure carries ``reason`` and ``message``."""

    succeeded: bool
    steps: Annotated[int, Field(ge=0)] = 0
    metrics: dict[str, float] = Field(default_factory=dict)
    """Final figures by name, for example ``validation_loss`` (nats per token), ``validation_perplexity``."""
    artifact: ArtifactFacts | None = None
    dataset: DatasetFacts | None = None
    comparison: Comparison | None = None
    """Set by objectives that start from a base model."""
    target: TargetReached | None = None
    """Set where training ended early because stopAt was met."""
    pace: Pace | None = None
    """Absent where no step was made."""
    notes: list[str] = Field(default_factory=list)
    """Sentences about what differs from what was asked, such as a precision that fell back."""
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
        """JSON that fits into what the kubelet keeps: what matters least is left out first, never half a structure.

        Notes go first, from the last to the first, then the end of the message, then figures of the comparison's
        quality, then metrics.
        """
        fitted = self
        for shorten in (_without_a_note, _with_a_shorter_message, _without_a_comparison, _without_a_metric):
            while (excess := _excess(fitted)) > 0:
                shorter = shorten(fitted, excess)
                if shorter is None:
                    break
                fitted = shorter
        return fitted.to_json()


def _excess(result: Result) -> int:
    return len(result.to_json().encode()) - TERMINATION_MESSAGE_LIMIT


def _without_a_note(result: Result, excess: int) -> Result | None:
    return result.model_copy(update={"notes": result.notes[:-1]}) if result.notes else None


def _with_a_shorter_message(result: Result, excess: int) -> Result | None:
    if not result.message or result.message == _CUT:
        return None
    text = result.message.removesuffix(_CUT)
    # What JSON escapes takes more bytes there than here, so one cut may not be enough.
    kept = text.encode()[: max(0, len(text.encode()) - excess - len(_CUT))].decode(errors="ignore")
    return result.model_copy(update={"message": f"{kept}{_CUT}"})


def _without_a_comparison(result: Result, excess: int) -> Result | None:
    found = result.comparison
    if found is None or not (found.before.metrics or found.after.metrics):
        return None
    bare = {side: getattr(found, side).model_copy(update={"metrics": {}}) for side in ("before", "after")}
    return result.model_copy(update={"comparison": Comparison(**bare)})


def _without_a_metric(result: Result, excess: int) -> Result | None:
    if not result.metrics:
        return None
    *kept, _ = result.metrics
    return result.model_copy(update={"metrics": {name: result.metrics[name] for name in kept}})
