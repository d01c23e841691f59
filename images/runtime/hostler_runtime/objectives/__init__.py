"""What training is for, as decorators around a family's training half.

An objective changes what a family trains (which weights, against which targets) and what it leaves behind; the loop and
the family know nothing of it.
"""

from __future__ import annotations

import json
from pathlib import Path

from hostler_contract import ErrorReason, JobConfig, Objective
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.training import TrainingHalf

_WITH_ADAPTER = (Objective.FINETUNE, Objective.PREFERENCE)


def with_objective(job: JobConfig, half: TrainingHalf) -> TrainingHalf:
    """The half that does what the job is for. Raises ``RuntimeFailure`` where the family cannot."""
    kind = job.objective.kind
    if kind.needs_base and job.inputs.base is None:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"objective {kind} starts from a base model, and the job names none"
        )
    if kind is Objective.PREFERENCE and half.BLOCK != "transformer":
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"family {job.family} does not support objective {kind}: it writes no text",
        )
    if kind is Objective.DISTILL and getattr(job.model, half.BLOCK) is None:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"objective {kind} makes a new model: model.{half.BLOCK} must say how large it is",
        )
    if kind is not Objective.QUANTIZE and job.hyperparameters.steps == 0:
        raise RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, f"objective {kind} trains: steps must be above 0")
    if job.objective.lora is not None and kind not in _WITH_ADAPTER:
        allowed = " or ".join(_WITH_ADAPTER)
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"objective {kind} trains no adapter: lora goes with {allowed}"
        )
    _refuse_rounded(job)
    return _decorated(job, half)


def _refuse_rounded(job: JobConfig) -> None:
    """Integers have no gradient. The control plane knows of what it has quantized itself; of files that others made,
    these are the first eyes. A teacher is only listened to."""
    base, kind = job.inputs.base, job.objective.kind
    if base is None or not kind.needs_base or kind is Objective.DISTILL:
        return
    for path in sorted((*Path(base).glob("config.json"), *Path(base).glob("*/config.json"))):
        try:
            how = json.loads(path.read_bytes()).get("quantization_config")
        except (OSError, ValueError, AttributeError):
            continue  # whoever reads the model says what is wrong with it
        if how:
            method = how.get("quant_method") if isinstance(how, dict) else how
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"the base model is quantized ({path.name}: {method}), and objective {kind} needs weights that are "
                "not: start from the model that it was made from, and quantize what comes out",
            )


def _decorated(job: JobConfig, half: TrainingHalf) -> TrainingHalf:
    """Imported on demand: a plain training run needs neither peft nor torchao."""
    decorated: TrainingHalf = half
    if job.objective.lora is not None:
        from hostler_runtime.objectives.lora import Lora

        decorated = Lora(job, decorated)
    match job.objective.kind:
        case Objective.PREFERENCE:
            from hostler_runtime.objectives.preference import Preference

            decorated = Preference(job, decorated)
        case Objective.DISTILL:
            from hostler_runtime.objectives.distill import Distill

            decorated = Distill(job, decorated)
        case Objective.PRUNE:
            from hostler_runtime.objectives.prune import PruneChannels, PruneWeights

            structured = job.objective.prune.method == "structured"
            decorated = (PruneChannels if structured else PruneWeights)(job, decorated)
        case Objective.QUANTIZE:
            from hostler_runtime.objectives.quantize import Quantize

            decorated = Quantize(job, decorated)
    return decorated
