"""Whether an inference service can be honoured as a whole, once its model is known."""

from __future__ import annotations

from collections.abc import Sequence

from hostler.accelerators import Verb
from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import IMPORTED_SOURCES, ModelSpec
from hostler.api.trainingjob import TrainingReason
from hostler.families import family
from hostler.planning.acceptance import (
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
from hostler.planning.devicememory import reject_memory_of_service, weights_of
from hostler.planning.models import SERVABLE_SOURCES, NamedModel, reject_model
from hostler.planning.placement import Ask
from hostler.planning.pools import Pool
from hostler.planning.priorities import PriorityClass, reject_priority
from hostler.planning.rejection import Rejection, rejection


def ask_of_service(spec: InferenceServiceSpec, *, pool: Pool) -> Ask:
    """A service's replicas."""
    need = need_of_pod(spec.resources, per_pod=spec.accelerators.per_pod, pool=pool, scratch=spec.scratch)
    return Ask(who="the service", least=spec.pods.min, most=spec.pods.max, need=need)


def reject_service(
    spec: InferenceServiceSpec,
    *,
    model: ModelSpec,
    adapters: Sequence[NamedModel] = (),
    choice: PoolChoice,
    has_image: HasImage,
    namespace: str = "",
    classes: Sequence[PriorityClass] = (),
) -> Rejection | None:
    """The first thing that speaks against a service whose model is known. ``namespace`` is whose quota counts, and
    ``classes`` are the cluster's PriorityClasses."""
    known = model.known_family
    serving = family(known.value).serving
    if not serving.available:
        return rejection(
            TrainingReason.FAMILY_NOT_AVAILABLE, "spec.modelRef", f"model {spec.model_ref.name}: {serving.reason}"
        )
    # A model whose files are to be imported is waited for.
    sources = (*SERVABLE_SOURCES, *IMPORTED_SOURCES)
    source = reject_source(model.artifacts.source, f"spec.modelRef: model {spec.model_ref.name}", sources)
    return (
        source
        or _reject_adapters(spec, model, adapters)
        or reject_pool(spec.accelerators, choice, verb=Verb.SERVE, family_name=known.value)
        or reject_image(choice, has_image, verb=Verb.SERVE, family_name=known.value)
        or reject_priority(spec.priority_class_name, classes)
        or reject_topology(spec.accelerators, choice)
        or reject_size(choice, lambda pool: ask_of_service(spec, pool=pool))
        or reject_domain(spec.accelerators, choice, lambda pool: ask_of_service(spec, pool=pool))
        or reject_quota(namespace, choice, lambda pool: ask_of_service(spec, pool=pool))
        or reject_memory_of_service(spec, model=model, choice=choice)
    )


def _reject_adapters(spec: InferenceServiceSpec, model: ModelSpec, adapters: Sequence[NamedModel]) -> Rejection | None:
    if spec.adapters and not family(model.known_family.value).adapters:
        text = (
            f"family {model.family} takes no adapters: serve the Model that training with lora put out, which has its "
            "adapter merged in"
        )
        return rejection(TrainingReason.INCOMPATIBLE_MODEL, "spec.adapters", text)
    found = (reject_model(named, families=(model.known_family,)) for named in adapters)
    # An adapter that is not Ready may become so: the service waits for it.
    refused = next((no for no in found if no and no.reason != TrainingReason.MODEL_NOT_READY), None)
    return refused or next(filter(None, (_reject_other_base(spec, model, named) for named in adapters)), None)


def _reject_other_base(spec: InferenceServiceSpec, model: ModelSpec, named: NamedModel) -> Rejection | None:
    """An adapter whose base is another network. One that was trained here is described with its base's weights; of
    files that others made, the server tells whether their layers are the model's."""
    lineage = named.model.lineage if named.model else None
    trained, served = weights_of(named.model), weights_of(model)
    if lineage is None or lineage.base is None or trained is None or served is None or trained == served:
        return None
    base = f"{lineage.base.kind} {lineage.base.name}"
    text = (
        f"{named.title} is an adapter for {base} with {trained:,} weights, and {spec.model_ref.kind} "
        f"{spec.model_ref.name} has {served:,}: serve {base}, or train an adapter for {spec.model_ref.name}"
    )
    return rejection(TrainingReason.INCOMPATIBLE_MODEL, named.path, text)
