"""When memory has run out: whether half as much at once may help, and what a person can do else."""

from __future__ import annotations

from dataclasses import replace

from hostler.api.hyperparameters import OnOutOfMemory
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning import quantities
from hostler.planning.failures import Cause
from hostler.planning.pools import PoolView
from hostler_contract import ErrorReason

_GIB = 2**30


def after_out_of_memory(cause: Cause, spec: TrainingJobSpec, *, halvings: int, view: PoolView | None) -> Cause:
    """What the end of an attempt means, where memory had run out; every other cause stays as it is."""
    if cause.reason != ErrorReason.OUT_OF_MEMORY:
        return cause
    if spec.training.on_out_of_memory is OnOutOfMemory.SHRINK and can_halve(spec, halvings=halvings, view=view):
        said = f"{cause.message.rstrip('.')}; the next attempt computes half as many sequences at once"
        return replace(cause, message=said, retryable=True, shrinks=True)
    return replace(cause, retryable=False)


def can_halve(spec: TrainingJobSpec, *, halvings: int, view: PoolView | None) -> bool:
    """Whether each process would still have a sequence of each part of a step."""
    per_pod = spec.accelerators.per_pod if view is None or view.pool.resource else 1
    parts: int = spec.training.gradient_accumulation * 2 ** (halvings + 1)
    return spec.training.batch_size // parts >= spec.pods.max * per_pod


def advice(spec: TrainingJobSpec, *, halvings: int, view: PoolView | None) -> str:
    """The way out, with what is known of the sizes. It goes on a sentence."""
    return f"{_ways(spec, halvings=halvings, view=view)}{_estimate(spec, view)}"


def _ways(spec: TrainingJobSpec, *, halvings: int, view: PoolView | None) -> str:
    parts = spec.training.gradient_accumulation * 2**halvings
    ways = ["more spec.resources.memory" if view is not None and not view.pool.resource else "larger accelerators"]
    if can_halve(spec, halvings=halvings, view=view):
        ways.append(f"gradientAccumulation {2 * parts}, or onOutOfMemory: shrink, which finds it by trying")
    ways.append("shorter sequences, or a smaller network")
    if spec.training.parallelism.value != "sharded" and family(spec.family.value).shards:
        ways.append("parallelism: sharded over more processes")
    return f"make a new job with {'; '.join(ways)}"


def _estimate(spec: TrainingJobSpec, view: PoolView | None) -> str:
    """Only of a network whose sizes the job names, all of which learns."""
    needed = None if spec.lora is not None else family(spec.family.value).training_bytes(spec.output.network)
    if needed is None:
        return ""
    text = f". Weights, gradients and optimizer state alone take about {quantities.show_bytes(needed)}"
    memory = view.pool.kind.memory_gib if view is not None and view.pool.kind is not None else None
    if memory is not None and view is not None and view.pool.resource:
        return f"{text} of the accelerator's {quantities.show_bytes(int(memory * _GIB))}"
    return f"{text} of the {spec.resources.memory} that each pod has"
