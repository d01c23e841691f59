"""Why a spec is not accepted."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.trainingjob import TrainingReason


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A reason that ``TrainingReason`` and ``ServiceReason`` share, and a sentence that begins with the field."""

    reason: str
    message: str


def rejection(reason: TrainingReason, path: str, text: str) -> Rejection:
    """What is wrong with the field at ``path``, and the way out."""
    said = text.rstrip(".")
    return Rejection(reason=reason.value, message=f"{path}: {said}{'' if said.endswith('?') else '.'}")
