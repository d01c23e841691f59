"""Progress as it stands in status: strings, coarse enough that an idle minute writes nothing."""

from __future__ import annotations

import math

from hostler.api.trainingjob import TrainingProgress
from hostler_contract import Progress, Result
from hostler_contract.progress import Stage

_ABSURD = 1e15
"""More tokens a second than all machines compute, and more seconds than anybody waits."""


def shown(progress: Progress) -> TrainingProgress:
    """A snapshot of rank 0. The pod may run anybody's code, so a figure without sense is one that is not known."""
    speed, eta = _sensible(progress.tokens_per_second), _sensible(progress.eta_seconds)
    return TrainingProgress(
        percent=progress.percent,
        step=progress.step,
        total_steps=progress.total_steps,
        loss=None if progress.loss is None else f"{progress.loss:.4g}",
        tokens_per_second=None if speed is None else f"{speed:.0f}",
        eta=None if eta is None or not progress.step else duration(eta),
        checkpoint_step=progress.checkpoint_step,
        resumed_from_step=progress.resumed_from_step,
        stage=progress.stage.value,
    )


def _sensible(figure: float | None) -> float | None:
    return figure if figure is not None and math.isfinite(figure) and figure < _ABSURD else None


def interrupted(before: TrainingProgress | None) -> TrainingProgress | None:
    """What still holds when no process runs: how far it came, not how fast it is."""
    if before is None:
        return None
    return before.model_copy(update={"tokens_per_second": None, "eta": None, "stage": None})


def finished(before: TrainingProgress | None, result: Result, *, total_steps: int) -> TrainingProgress:
    """The end, which may come before anybody has read the last snapshot."""
    known = before or TrainingProgress(total_steps=total_steps)
    loss = result.metrics.get("training_loss")
    return known.model_copy(
        update={
            "percent": 100,
            "step": result.steps or known.step,
            "total_steps": total_steps,
            "loss": known.loss if loss is None else f"{loss:.4g}",
            "tokens_per_second": None,
            "eta": None,
            "stage": Stage.FINISHED.value,
        }
    )


def duration(seconds: float) -> str:
    """Two figures at most: ``45s``, ``2m10s``, ``3h05m``, ``2d3h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"
