"""Conditions: the type, and the one way to change a list of them.

Conditions follow the Kubernetes API conventions: ``lastTransitionTime`` moves only when ``status`` flips, every entry
carries ``observedGeneration``, and a list keeps its order, so that writing the same state twice is no write at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from hostler.api.schema import StatusModel, Timestamp

ConditionStatus = Literal["True", "False", "Unknown"]
MESSAGE_LIMIT = 1024


class Condition(StatusModel):
    """One aspect of an object's state."""

    type: Annotated[str, Field(max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """Aspect in CamelCase."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """One word of a closed list, for machines."""
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = ""
    """One sentence for people: why, and what would change it."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the spec that this was said of."""
    last_transition_time: Timestamp
    """When ``status`` last changed."""


def find(conditions: Sequence[Condition], kind: str) -> Condition | None:
    """The condition of this type, or None."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Sequence[Condition], kind: str) -> bool:
    """Whether the condition exists and is True."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def set_condition(
    conditions: Sequence[Condition],
    kind: str,
    *,
    status: ConditionStatus,
    reason: str,
    message: str = "",
    generation: int,
    now: str,
) -> tuple[Condition, ...]:
    """The list with this condition said; ``now`` is used only where ``status`` flips or the type is new."""
    before = find(conditions, kind)
    since = before.last_transition_time if before is not None and before.status == status else now
    said = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…",
        observed_generation=generation,
        last_transition_time=since,
    )
    if before is None:
        return (*conditions, said)
    return tuple(said if condition.type == kind else condition for condition in conditions)
