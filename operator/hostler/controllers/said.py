"""Conditions as one value: what is said of an object, before it becomes a list with times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hostler.api.conditions import Condition, ConditionStatus, find, set_condition
from hostler.controllers.plan import Happening


@dataclass(frozen=True, kw_only=True)
class Said:
    """One condition without its type."""

    status: ConditionStatus
    reason: str
    message: str = ""


def yes(reason: str, message: str = "") -> Said:
    """The condition is True."""
    return Said(status="True", reason=str(reason), message=message)


def no(reason: str, message: str = "") -> Said:
    """The condition is False."""
    return Said(status="False", reason=str(reason), message=message)


def unknown(reason: str, message: str = "") -> Said:
    """Nothing can be said yet."""
    return Said(status="Unknown", reason=str(reason), message=message)


def conditions(
    before: Sequence[Condition], said: Mapping[str, Said], *, generation: int, now: str
) -> tuple[Condition, ...]:
    """The list with all of these said, in their order."""
    found = tuple(before)
    for kind, what in said.items():
        found = set_condition(
            found,
            kind,
            status=what.status,
            reason=what.reason,
            message=what.message,
            generation=generation,
            now=now,
        )
    return found


def change(
    before: Sequence[Condition],
    after: Sequence[Condition],
    *,
    kind: str = "Ready",
    warnings: frozenset[str],
    alike: frozenset[str] = frozenset(),
) -> Happening | None:
    """An Event where the reason of this condition is another one than before, and not one that is alike.

    What is good from the first moment on, such as the Model of a job that has just succeeded, is no change.
    """
    old, new = find(before, kind), find(after, kind)
    if new is None or (old is not None and old.reason == new.reason) or (old is None and new.status == "True"):
        return None
    if old is not None and {old.reason, new.reason} <= alike:
        return None
    return Happening(reason=new.reason, message=new.message, warning=new.reason in warnings)
