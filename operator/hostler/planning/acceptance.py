"""Whether a spec can be honoured as a whole. Everything here could be fixed only by a person.

A rejection names the field by its path, what is wrong and the way out. Reasons are the values that
``TrainingReason`` and ``ServiceReason`` share.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hostler.accelerators import Verb, compatibility
from hostler.api.common import Accelerators, PodResources, Source
from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import ModelSpec
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.families import family
from hostler.planning import quantities
from hostler.planning.amounts import Amount
from hostler.planning.endpoints import EndpointPattern, reject_endpoint
from hostler.planning.models import SERVABLE_SOURCES, NamedModel, reject_inputs, reject_model
from hostler.planning.placement import Ask, largest_ever, too_small_sentence
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection, rejection

TRAINABLE_SOURCES = ("pvc", "configMap", "http", "s3", "hf")
AskFor = Callable[[str | None], Ask]
"""The pods of a workload, given the pool's resource."""
HasImage = Callable[[Verb, str], bool]
"""Whether there is a runtime image for a verb and a variant."""


@dataclass(frozen=True, kw_only=True)
class PoolChoice:
    """What spec.accelerators.pool led to."""

    view: PoolView | None
    """None where there is no such pool, or none that can be used."""
    names: Sequence[str] = ()
    """Pools that exist."""
    unreadable: str = ""
    """What is wrong with the stored spec of the pool, where this release cannot read it."""


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What exists of the things that a job refers to; each sentence is empty where nothing is wrong."""

    dataset: Rejection | None = None
    """What is wrong with the Dataset that the job names."""
    dataset_missing: str = ""
    storage_missing: str = ""
    name_taken: str = ""
    inputs: tuple[NamedModel, ...] = ()
    """The base and the parts."""
    resume: Rejection | None = None
    """What speaks against the checkpoints that the job is to start from."""


def ask_of_job(spec: TrainingJobSpec, *, resource: str | None) -> Ask:
    """A job's pods; no more processes than each part of a step has sequences."""
    per_pod = spec.accelerators.per_pod if resource else 1
    sequences = max(spec.pods.min, _micro_batch(spec) // per_pod)
    return Ask(
        who="the job",
        least=spec.pods.min,
        most=min(spec.pods.max, sequences),
        need=_need(spec.accelerators, spec.resources, resource),
    )


def ask_of_service(spec: InferenceServiceSpec, *, resource: str | None) -> Ask:
    """A service's replicas."""
    need = _need(spec.accelerators, spec.resources, resource)
    return Ask(who="the service", least=spec.pods.min, most=spec.pods.max, need=need)


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
        _reject_pool(spec.accelerators, choice, verb=Verb.TRAIN, family_name=spec.family.value)
        or _reject_image(choice, has_image, verb=Verb.TRAIN, family_name=spec.family.value)
        or _reject_size(choice, lambda resource: ask_of_job(spec, resource=resource))
        or _reject_batch(spec, choice)
        or facts.dataset
        or _reject_format(spec)
        or _reject_source(spec.dataset.source, "spec.dataset.source", TRAINABLE_SOURCES)
        or reject_endpoint(spec.dataset.source, path="spec.dataset.source", allowed=allowed_endpoints)
        or _fact(TrainingReason.DATASET_NOT_FOUND, facts.dataset_missing)
        or _fact(TrainingReason.STORAGE_NOT_FOUND, facts.storage_missing)
        or reject_inputs(spec, facts.inputs)
        or facts.resume
        or _fact(TrainingReason.NAME_TAKEN, facts.name_taken)
    )


def reject_service(
    spec: InferenceServiceSpec,
    *,
    model: ModelSpec,
    adapters: Sequence[NamedModel] = (),
    choice: PoolChoice,
    has_image: HasImage,
) -> Rejection | None:
    """The first thing that speaks against a service whose model is known."""
    serving = family(model.family.value).serving
    if not serving.available:
        return rejection(
            TrainingReason.FAMILY_NOT_AVAILABLE, "spec.modelRef", f"model {spec.model_ref.name}: {serving.reason}"
        )
    source = _reject_source(model.artifacts.source, f"spec.modelRef: model {spec.model_ref.name}", SERVABLE_SOURCES)
    return (
        source
        or _reject_adapters(spec, model, adapters)
        or _reject_pool(spec.accelerators, choice, verb=Verb.SERVE, family_name=model.family.value)
        or _reject_image(choice, has_image, verb=Verb.SERVE, family_name=model.family.value)
        or _reject_size(choice, lambda resource: ask_of_service(spec, resource=resource))
    )


def _reject_adapters(spec: InferenceServiceSpec, model: ModelSpec, adapters: Sequence[NamedModel]) -> Rejection | None:
    if spec.adapters and not family(model.family.value).adapters:
        text = (
            f"family {model.family} takes no adapters: serve the Model that training with lora put out, which has its "
            "adapter merged in"
        )
        return rejection(TrainingReason.INCOMPATIBLE_MODEL, "spec.adapters", text)
    found = (reject_model(named, families=(model.family,)) for named in adapters)
    # An adapter that is not Ready may become so: the service waits for it.
    return next((no for no in found if no and no.reason != TrainingReason.MODEL_NOT_READY), None)


def _need(accelerators: Accelerators, resources: PodResources, resource: str | None) -> Amount:
    return Amount(
        devices=accelerators.per_pod if resource else 0,
        milli_cpu=quantities.millicores(resources.cpu),
        memory=quantities.whole(resources.memory),
    )


def _reject_pool(wanted: Accelerators, choice: PoolChoice, *, verb: Verb, family_name: str) -> Rejection | None:
    view = choice.view
    if choice.unreadable:
        return rejection(
            TrainingReason.INVALID_SPEC, "spec.accelerators.pool", f"pool {wanted.pool}: {choice.unreadable}"
        )
    if view is None:
        return rejection(
            TrainingReason.POOL_NOT_FOUND, "spec.accelerators.pool", _unknown_pool(wanted.pool, choice.names)
        )
    kind = view.pool.kind
    if kind is None:
        return None  # The pool's own condition has the reason; the workload waits for it.
    answer = compatibility(family=family_name, accelerator=kind, verb=verb, simulated=view.simulated)
    if not answer.possible:
        return rejection(TrainingReason.INCOMPATIBLE_ACCELERATOR, "spec.accelerators.pool", answer.reason)
    if view.pool.resource is None and wanted.per_pod != 1:
        return rejection(
            TrainingReason.UNSUPPORTED_COUNT,
            "spec.accelerators.perPod",
            f"pool {view.pool.name} is a cpu pool, where perPod must be 1: ask for cores with spec.resources.cpu",
        )
    if kind.allowed_counts and wanted.per_pod not in kind.allowed_counts:
        counts = ", ".join(map(str, kind.allowed_counts))
        text = f"{kind.id} comes in {counts} per pod, not in {wanted.per_pod}"
        return rejection(TrainingReason.UNSUPPORTED_COUNT, "spec.accelerators.perPod", text)
    missing = [name for name in kind.pod.privileges if name not in view.pool.spec.allowed_privileges]
    if missing:
        text = (
            f"pods on {kind.id} need {', '.join(missing)}, which pool {view.pool.name} does not allow: "
            "an administrator can add it to the pool's spec.allowedPrivileges"
        )
        return rejection(TrainingReason.PRIVILEGE_NOT_ALLOWED, "spec.accelerators.pool", text)
    return None


def _reject_image(choice: PoolChoice, has_image: HasImage, *, verb: Verb, family_name: str) -> Rejection | None:
    """An image of another variant would compute on the cores while the pod holds accelerators."""
    view = choice.view
    if view is None or view.pool.kind is None or not view.nodes:
        return None  # Without a node, nobody knows whether the devices will be simulated; and nothing can start.
    kind = view.pool.kind
    answer = compatibility(family=family_name, accelerator=kind, verb=verb, simulated=view.simulated)
    if has_image(verb, answer.variant):
        return None
    name, doing = f"{verb.value}-{answer.variant}", "training" if verb is Verb.TRAIN else "serving"
    text = (
        f"no runtime image of variant {answer.variant} is configured for {doing} on {kind.id}: "
        f"{'bring' if answer.image == 'bring' else 'build'} one and set images.variants.{name} in the chart's values "
        f"(--variant-image {name}=...)"
    )
    return Rejection(reason=TrainingReason.IMAGE_NOT_CONFIGURED.value, message=f"spec.accelerators.pool: {text}.")


def _reject_size(choice: PoolChoice, ask_for: AskFor) -> Rejection | None:
    view = choice.view
    if view is None or view.pool.problem is not None or view.capacity == 0:
        return None
    expected = view.pool.spec.expected_accelerators
    if expected is not None and view.capacity < expected:
        return None  # Promised devices are missing now; that is a reason to wait, not to refuse.
    ask = ask_for(view.pool.resource)
    if largest_ever(view, ask.need) >= ask.least:
        return None
    return rejection(TrainingReason.POOL_TOO_SMALL, "spec.accelerators", too_small_sentence(view, ask))


def _reject_batch(spec: TrainingJobSpec, choice: PoolChoice) -> Rejection | None:
    per_pod = spec.accelerators.per_pod if choice.view is not None and choice.view.pool.resource else 1
    processes = spec.pods.min * per_pod
    if _micro_batch(spec) >= processes:
        return None
    accumulated = spec.training.gradient_accumulation
    times = f" in {accumulated} parts of a step" if accumulated > 1 else ""
    text = (
        f"{spec.training.batch_size} sequences cannot be shared{times} by {processes} processes "
        f"({spec.pods.min} pods with {per_pod} each): every process needs at least one"
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


def _reject_source(source: Source | None, path: str, supported: Sequence[str]) -> Rejection | None:
    if source is None or source.member in supported:
        return None
    text = f"this release cannot read from {source.member}; use {' or '.join(supported)}"
    return rejection(TrainingReason.SOURCE_NOT_SUPPORTED, f"{path}.{source.member}", text)


def _unknown_pool(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"there is no AcceleratorPool {name}, and no other one either: create it"
    near = difflib.get_close_matches(name, known, n=1)
    listed = f"did you mean {near[0]}?" if near else f"pools: {', '.join(sorted(known)[:8])}"
    return f"there is no AcceleratorPool {name}; {listed}"


def _fact(reason: TrainingReason, sentence: str) -> Rejection | None:
    return Rejection(reason=reason.value, message=sentence) if sentence else None
