"""How far a trainer is: ``GET /progress`` on rank 0."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hostler_contract.message import Message


class Stage(StrEnum):
    """What rank 0 is doing right now."""

    STARTING = "Starting"
    PREPARING_DATA = "PreparingData"
    RESTORING = "Restoring"
    TRAINING = "Training"
    EVALUATING = "Evaluating"
    SAVING = "Saving"
    FINISHED = "Finished"


class Progress(Message):
    """A snapshot; every number is absent until it is known, never a plausible zero."""

    stage: Stage
    step: Annotated[int, Field(ge=0)] = 0
    total_steps: Annotated[int, Field(gt=0)]
    loss: float | None = None
    """Training loss of the last step, nats per token."""
    tokens_per_second: Annotated[float, Field(ge=0)] | None = None
    """Over all processes, moving average."""
    model_flops_utilization: Annotated[float, Field(ge=0)] | None = None
    """Share of the accelerators' peak, 0..1 (PaLM, arXiv 2204.02311, appendix B)."""
    eta_seconds: Annotated[float, Field(ge=0)] | None = None
    checkpoint_step: Annotated[int, Field(ge=0)] | None = None
    """Step of the newest complete checkpoint."""
    resumed_from_step: Annotated[int, Field(ge=0)] | None = None
    """Set where this process started from a checkpoint."""

    @property
    def percent(self) -> int:
        """Whole percent of the optimizer steps; 100 only when the run is finished."""
        if self.stage is Stage.FINISHED:
            return 100
        return min(99, self.step * 100 // self.total_steps)
