"""Whether a training job can be honoured as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hostler.accelerators import Verb
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.families import family
from hostler.planning.acceptance import (
    TRAINABLE_SOURCES,
    HasImage,
    PoolChoice,
    reject_domain,
    reject_image,
    reject_pool,
    reject_quota,
    reject_size,
    reject_source,
    reject_topology,
)
from hostler.planning.demand import need_of_pod
from hostler.planning.devicememory import reject_memory_of_job
from hostler.planning.endpoints import EndpointPattern, reject_endpoint
from hostler.planning.metrics import reject_metrics
from hostler.planning.models import NamedModel, reject_inputs
from hostler.planning.placement import Ask, counted_pods
from hostler.planning.pools import Pool
from hostler.planning.rejection import Rejection, rejection


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What exists of the things that a job refers to; each sentence is empty where nothing is wrong."""

    namespace: str = ""
    """Whose quota counts."""
    priority: Rejection | None = None
    """What is wrong with the PriorityClass that the job names."""
    dataset: Rejection | None = None
    """What is wrong with the Dataset that the job names."""
    dataset_missing: str = ""
    storage_missing: str = ""
    name_taken: str = ""
    inputs: tuple[NamedModel, ...] = ()
    """The base and the parts."""
    resume: Rejection | None = None
    """What speaks against the checkpoints that the job is to start from."""


def ask_of_job(spec: TrainingJobSpec, *, pool: Pool) -> Ask:
    """A job's pods; no more processes than each part of a step has sequences."""
    per_pod = spec.accelerators.per_pod if pool.resource else 1
    sequences = max(spec.pods.min, _micro_batch(spec) // per_pod)
    return Ask(
        who="the job",
        least=spec.pods.min,
        most=min(spec.pods.max, sequences),
        need=need_of_pod(spec.resources, per_pod=spec.accelerators.per_pod, pool=pool, scratch=spec.scratch),
    )


def reject_job(
    spec: TrainingJobSpec,
    *,
    choice: PoolChoice,
    facts: TrainingFacts,
    has_image: HasImage,
    allowed_endpoints: Sequence[EndpointPattern] = (),
) -> Rejection | None:
    """The first thing that speaks against a training job."""
    training = family(spec.family.value).training
    if not training.available:
        return rejection(TrainingReason.FAMILY_NOT_AVAILABLE, "spec.family", training.reason)
    return (
        reject_pool(spec.accelerators, choice, verb=Verb.TRAIN, family_name=spec.family.value)
        or reject_image(choice, has_image, verb=Verb.TRAIN, family_name=spec.family.value)
        or facts.priority
        or reject_topology(spec.accelerators, choice)
        or reject_size(choice, lambda pool: ask_of_job(spec, pool=pool))
        or reject_domain(spec.accelerators, choice, lambda pool: ask_of_job(spec, pool=pool))
        or reject_quota(facts.namespace, choice, lambda pool: ask_of_job(spec, pool=pool))
        or _reject_batch(spec, choice)
        or facts.dataset
        or _reject_format(spec)
        or reject_source(spec.dataset.source, "spec.dataset.source", TRAINABLE_SOURCES)
        or reject_endpoint(spec.dataset.source, path="spec.dataset.source", allowed=allowed_endpoints)
        or _fact(TrainingReason.DATASET_NOT_FOUND, facts.dataset_missing)
        or _fact(TrainingReason.STORAGE_NOT_FOUND, facts.storage_missing)
        or reject_inputs(spec, facts.inputs)
        or _reject_memory(spec, choice, facts.inputs)
        or reject_metrics(spec, facts.inputs)
        or facts.resume
        or _fact(TrainingReason.NAME_TAKEN, facts.name_taken)
    )


def _reject_memory(spec: TrainingJobSpec, choice: PoolChoice, inputs: Sequence[NamedModel]) -> Rejection | None:
    view = choice.view
    if view is None:
        return None
    per_pod = spec.accelerators.per_pod if view.pool.resource else 1
    processes = ask_of_job(spec, pool=view.pool).most * per_pod
    base = next((each for each in inputs if each.part is None), None)
    return reject_memory_of_job(spec, base=base, choice=choice, processes=processes)


def _reject_batch(spec: TrainingJobSpec, choice: PoolChoice) -> Rejection | None:
    per_pod = spec.accelerators.per_pod if choice.view is not None and choice.view.pool.resource else 1
    processes = spec.pods.min * per_pod
    if _micro_batch(spec) >= processes:
        return None
    accumulated = spec.training.gradient_accumulation
    times = f" in {accumulated} parts of a step" if accumulated > 1 else ""
    text = (
        f"{spec.training.batch_size} sequences cannot be shared{times} by {processes} processes "
        f"({counted_pods(spec.pods.min)} with {per_pod} each): every process needs at least one, so raise it to "
        f"{processes * accumulated}{' or more, or lower gradientAccumulation' if accumulated > 1 else ' or more'}"
    )
    return rejection(TrainingReason.UNSUPPORTED_COUNT, "spec.training.batchSize", text)


def _micro_batch(spec: TrainingJobSpec) -> int:
    """Sequences of one part of a step, over all processes."""
    return spec.training.batch_size // spec.training.gradient_accumulation


def _reject_format(spec: TrainingJobSpec) -> Rejection | None:
    """The API server has looked at the format of inline data; that of a Dataset it cannot see. A reference that leads
    nowhere is another rejection."""
    formats = family(spec.family.value).formats
    if spec.dataset.ref is not None or spec.dataset.format.value in formats:
        return None
    text = (
        f"the data is of format {spec.dataset.format.value}, and family {spec.family.value} learns from data of format "
        f"{', '.join(formats)}"
    )
    return rejection(TrainingReason.UNSUPPORTED_COMBINATION, "spec.dataset", text)


def _fact(reason: TrainingReason, sentence: str) -> Rejection | None:
    return Rejection(reason=reason.value, message=sentence) if sentence else None
