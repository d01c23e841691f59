"""Progress as it stands in status: strings, coarse enough that an idle minute writes nothing."""

from __future__ import annotations

from typing import Any

from hostler.api.measures import Measurement
from hostler.api.trainingjob import TrainingProgress
from hostler.controllers.trainingjob.figures import figures, sensible
from hostler.controllers.trainingjob.figures import shown as figure
from hostler.planning import moments, quantities
from hostler_contract import Progress, Result
from hostler_contract.progress import Stage

_LIVE = ("speed", "eta", "stage", "data_wait", "memory", "learning_rate", "gradient_norm", "model_flops_utilization")
"""What nobody can say of a job while no process of it runs."""
_MOST_NOTES, _NOTE_LIMIT = 16, 1024


def shown(progress: Progress) -> TrainingProgress:
    """A snapshot of rank 0."""
    eta = sensible(progress.eta_seconds)
    return TrainingProgress(
        percent=progress.shown_percent,
        step=progress.step,
        total_steps=progress.total_steps,
        loss=figure(progress.loss),
        losses=figures(progress.losses),
        learning_rate=figure(progress.learning_rate),
        gradient_norm=figure(progress.gradient_norm),
        speed=_speed(progress),
        model_flops_utilization=figure(progress.model_flops_utilization),
        packing_factor=figure(progress.packing_factor),
        data_wait=figure(progress.data_wait_ratio),
        memory=None if progress.memory_bytes is None else quantities.show_bytes(progress.memory_bytes)[:24],
        metrics=figures(progress.metrics),
        training_stage=None if progress.training_stage is None else progress.training_stage[:63],
        eta=None if eta is None or not _has_eta(progress) else moments.duration(eta),
        checkpoint_step=progress.checkpoint_step,
        resumed_from_step=progress.resumed_from_step,
        stage=progress.stage.value,
        notes=_notes(progress.notes),
    )


def _has_eta(progress: Progress) -> bool:
    """Whether the time to go is that of what is shown."""
    if progress.stage in (Stage.IMPORTING, Stage.PREPARING_DATA):
        return True
    return progress.stage is Stage.TRAINING and progress.step > 0


def _speed(progress: Progress) -> Measurement | None:
    """Whole units where there are many of them, three figures of few."""
    found = sensible(progress.units_per_second)
    if found is None:
        return None
    count = f"{found:.0f}" if found >= 100 else f"{found:.3g}"
    return Measurement(value=count, unit=f"{progress.unit[:24]}/s")


def _notes(notes: list[str]) -> tuple[str, ...] | None:
    return tuple(note[:_NOTE_LIMIT] for note in notes[:_MOST_NOTES]) or None


def interrupted(before: TrainingProgress | None) -> TrainingProgress | None:
    """What still holds when no process runs: how far it came, not how fast it is."""
    if before is None:
        return None
    steps = min(99, before.step * 100 // max(1, before.total_steps))
    return before.model_copy(update={**dict.fromkeys(_LIVE), "percent": steps})


def finished(before: TrainingProgress | None, result: Result, *, total_steps: int) -> TrainingProgress:
    """The end, which may come before anybody has read the last snapshot."""
    known = before or TrainingProgress(total_steps=total_steps)
    packed = figure(result.dataset.packing_factor) if result.dataset is not None else None
    update: dict[str, Any] = {
        **dict.fromkeys(_LIVE),
        "percent": 100,
        "step": result.steps or known.step,
        "total_steps": total_steps,
        "packing_factor": packed or known.packing_factor,
        "metrics": figures(result.metrics) or known.metrics,
        "stage": Stage.FINISHED.value,
        "notes": _notes(result.notes) or known.notes,
    }
    return known.model_copy(update=update)
