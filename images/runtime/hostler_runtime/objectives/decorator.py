"""The base of all decorators: a half that does what another one does, but for what a subclass says."""

from __future__ import annotations

from typing import Any, cast

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.training import Decorated, TrainingHalf, Update


class Decorator:
    """Passes everything on to the half that it decorates."""

    def __init__(self, job: JobConfig, half: TrainingHalf) -> None:
        self._job = job
        self._half = half

    def __getattr__(self, name: str) -> Any:
        return getattr(self._half, name)

    def forward_update(self, job: JobConfig, model: Any, dataset: Any) -> Update:
        """The family's own, whose loss is one forward pass of the model: a decorated one may ask a teacher as well."""
        inner = getattr(self._half, "forward_update", None)
        if inner is not None:
            found: Update = inner(job, model, dataset)
            return found
        return self._half.stages(job, model, dataset)[-1].updates[-1]

    def asked(self, name: str) -> Decorated:
        """The family's half, if it has the optional function of this name. Raises ``RuntimeFailure`` if not."""
        if getattr(self._half, name, None) is None:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"family {self._job.family} does not support objective {self._job.objective.kind}",
            )
        return cast(Decorated, self._half)

    def weights(self, model: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
        """The family's modules whose weights an objective may change."""
        found = list(self.asked("prunable").prunable(model))
        if not found:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"{type(model).__name__} has no layers that objective {self._job.objective.kind} could change",
            )
        return found
