"""Whether a job can start from the checkpoints of another one."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.network import BLOCKS
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.planning.rejection import Rejection, rejection

_PATH = "spec.resumeFrom.trainingJob"
_MUST_AGREE = ("family", "objective", "lora", "base", "parts")
"""What decides which weights there are. Data, steps and rates may differ: that is what such a job is made for."""


@dataclass(frozen=True, kw_only=True)
class OtherJob:
    """The job whose checkpoints are asked for, as the cluster has it."""

    name: str
    namespace: str
    spec: TrainingJobSpec | None = None
    """None where there is no such job."""
    under_way: bool = False
    """Whether pods of it run, or may be started."""
    claim: str | None = None
    """The claim with its workspace; None where that is gone."""

    @property
    def directory(self) -> str:
        """Its workspace below the volume's root, as in ``job.json``."""
        own_claim = self.spec is None or self.spec.storage.claim_name is None
        return "" if own_claim else self.name


def reject_resuming(spec: TrainingJobSpec, *, own_name: str, other: OtherJob | None) -> Rejection | None:
    """The first thing that speaks against starting from the other job's checkpoints."""
    if other is None:
        return None
    name = other.name
    if name == own_name:
        text = "a job goes on from its own checkpoints in any case: remove resumeFrom, or name another job"
        return rejection(TrainingReason.CHECKPOINT_NOT_FOUND, _PATH, text)
    if other.spec is None:
        text = f"there is no TrainingJob {name} in namespace {other.namespace}: name another one"
        return rejection(TrainingReason.CHECKPOINT_NOT_FOUND, _PATH, text)
    if differing := _differing(spec, other.spec):
        fields = ", ".join(f"spec.{field}" for field in differing)
        text = (
            f"TrainingJob {name} has another {fields}, so its weights do not fit: make them the same, or name another"
        )
        return rejection(TrainingReason.INCOMPATIBLE_CHECKPOINT, _PATH, text)
    if other.claim is None:
        text = (
            f"the claim with the checkpoints of TrainingJob {name} is gone: a claim goes with its job, or with the "
            "Model that the job has put out"
        )
        return rejection(TrainingReason.CHECKPOINT_NOT_FOUND, _PATH, text)
    if other.under_way:
        text = (
            f"TrainingJob {name} is under way, and its checkpoints come and go: suspend it with spec.suspend, or wait "
            "for its end"
        )
        return rejection(TrainingReason.CHECKPOINT_IN_USE, _PATH, text)
    return None


def _differing(spec: TrainingJobSpec, other: TrainingJobSpec) -> list[str]:
    found = ["family"] if spec.family != other.family else []
    found += [name for name in _MUST_AGREE[1:] if getattr(spec, name) != getattr(other, name)]
    return found + [
        f"output.{block}" for block in BLOCKS if getattr(spec.output, block) != getattr(other.output, block)
    ]
