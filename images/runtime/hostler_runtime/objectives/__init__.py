"""What training is for, as decorators around a family's training half.

An objective changes what a family trains (which weights, against which targets) and what it leaves behind; the loop and
the family know nothing of it.
"""

from __future__ import annotations

from hostler_contract import ErrorReason, JobConfig, Objective
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.training_protocol import TrainingHalf


def with_objective(job: JobConfig, half: TrainingHalf) -> TrainingHalf:
    """The half that does what the job is for. Raises ``RuntimeFailure`` where the family cannot."""
    kind = job.objective.kind
    if kind.needs_base and job.inputs.base is None:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"objective {kind} starts from a base model, and the job names none"
        )
    if kind is not Objective.QUANTIZE and job.hyperparameters.steps == 0:
        raise RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, f"objective {kind} trains: steps must be above 0")
    return half
