"""How far a trainer is: ``GET /progress`` on rank 0."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hostler_contract.message import Message


class Stage(StrEnum):
    """What rank 0 is doing right now."""

    STARTING = "Starting"
    IMPORTING = "Importing"
    """Downloads the data."""
    PREPARING_DATA = "PreparingData"
    RESTORING = "Restoring"
    TRAINING = "Training"
    EVALUATING = "Evaluating"
    SAVING = "Saving"
    FINISHED = "Finished"


class Progress(Message):
    """A snapshot; every number is absent until it is known, never a plausible zero."""

    stage: Stage
    stage_percent: Annotated[int, Field(ge=0, le=99)] | None = None
    """How much of the stage is done, where that is counted; of training, the steps say it."""
    step: Annotated[int, Field(ge=0)] = 0
    total_steps: Annotated[int, Field(ge=0)]
    """0 for an objective that trains nothing."""
    loss: float | None = None
    """Training loss of the last step: the family's own, such as nats per token."""
    losses: dict[str, float] = Field(default_factory=dict)
    """Its parts by name, where it has several."""
    learning_rate: Annotated[float, Field(ge=0)] | None = None
    gradient_norm: Annotated[float, Field(ge=0)] | None = None
    training_stage: str | None = None
    """Which part of the model is being trained, for families that train several one after the other."""
    unit: str = "tokens"
    """What speed is counted in."""
    units_per_second: Annotated[float, Field(ge=0)] | None = None
    """Over all processes, moving average; padding does not count."""
    packing_factor: Annotated[float, Field(ge=1)] | None = None
    """Sequences per row."""
    data_wait_ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the step's time that was spent waiting for data."""
    memory_bytes: Annotated[int, Field(ge=0)] | None = None
    """Most memory in use by rank 0, on its device or, without one, of its process."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Of the newest evaluation on held-out data."""
    notes: list[str] = Field(default_factory=list)
    """Sentences about what differs from what was asked, such as a precision that fell back."""
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
        return min(99, self.step * 100 // max(1, self.total_steps))

    @property
    def shown_percent(self) -> int | None:
        """What people see beside the stage: its own progress, and None where nobody knows it. Steps that are all done
        say nothing of how long the measuring after them will take."""
        return self.percent if self.stage in (Stage.TRAINING, Stage.FINISHED) else self.stage_percent
