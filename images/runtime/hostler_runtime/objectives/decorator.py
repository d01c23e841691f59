"""The base of all decorators: a half that does what another one does, but for what a subclass says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.training import TrainingHalf


class Decorator:
    """Passes everything on to the half that it decorates."""

    def __init__(self, job: JobConfig, half: TrainingHalf) -> None:
        self._job = job
        self._half = half

    def __getattr__(self, name: str) -> Any:
        return getattr(self._half, name)

    def asked(self, name: str) -> Any:
        """An optional function of the family. Raises ``RuntimeFailure`` where it has none."""
        found = getattr(self._half, name, None)
        if found is None:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"family {self._job.family} does not support objective {self._job.objective.kind}",
            )
        return found

    def weights(self, model: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
        """The family's modules whose weights an objective may change."""
        modules: Iterable[tuple[str, torch.nn.Module]] = self.asked("prunable")(model)
        found = list(modules)
        if not found:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"{type(model).__name__} has no layers that objective {self._job.objective.kind} could change",
            )
        return found
