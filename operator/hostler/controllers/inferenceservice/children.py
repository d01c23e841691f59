"""The children of a service, from its spec and its model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hostler.accelerators import Verb, compatibility
from hostler.api.model import ModelSpec
from hostler.controllers.inferenceservice.observed import Observed, config_name
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.families import family
from hostler.manifests.configfile import serving_config_map
from hostler.manifests.deployment import MODELS, ServerPlan, server_deployment
from hostler.manifests.disruptionbudget import disruption_budget
from hostler.manifests.hashing import content_hash
from hostler.manifests.inputs import adapter_mount, adapter_path, directory_in
from hostler.manifests.naming import owner_reference
from hostler.manifests.networkpolicy import server_policy
from hostler.manifests.podtemplate import Image, Mount
from hostler.manifests.service import inference_service
from hostler.planning.imports import Place, place_of
from hostler.planning.pools import PoolView
from hostler.planning.rollout import Strategy
from hostler_contract import SampleRequest, ServingConfig

_NO_REVISION: Any = {"pods": True, "availability": True, "accelerators": {"topology"}}
"""Of the spec, what says how many replicas there are and where, not what they run."""


class SampleRequestError(ValueError):
    """The model's own sample request is no request."""


def revision(seen: Observed, model: ModelSpec, view: PoolView) -> str:
    """Hash of what users and administrators decided, and of nothing that an upgrade of the operator changes.

    The number of replicas is not part of it, nor where they are: more of the same is no new revision.
    """
    pool = view.pool.spec
    variant = _variant(model, view)
    decided: dict[str, Any] = {
        # Without defaults, so that a release with a new field makes no new revision.
        "spec": seen.spec.model_dump(mode="json", exclude=_NO_REVISION, exclude_defaults=True),
        "model": model.model_dump(
            mode="json", include={"family", "task", "artifacts", "sample_request"}, exclude_defaults=True
        ),
        "pool": pool.model_dump(
            mode="json",
            include={"accelerator_type", "resource_name", "node_selector", "tolerations", "allowed_privileges"},
            exclude_defaults=True,
        ),
        "variant": variant,
    }
    if seen.adapters:
        decided["adapters"] = [
            named.model.artifacts.model_dump(mode="json", exclude_defaults=True) if named.model else None
            for named in seen.adapters
        ]
    return content_hash(decided)


def endpoint(seen: Observed, pool: str) -> Object:
    """The Service: first, because a name that is taken must be known before anything runs."""
    return inference_service(seen.name, namespace=seen.namespace, pool=pool, owner=_owner(seen))


def budget(seen: Observed, pool: str) -> Object | None:
    """The PodDisruptionBudget; None where the service is to have none."""
    return disruption_budget(seen.spec, seen.name, namespace=seen.namespace, pool=pool, owner=_owner(seen))


def policy(seen: Observed, pool: str, settings: Settings) -> Object | None:
    """The NetworkPolicy; None where no administrator wants one."""
    if settings.traffic is None:
        return None
    return server_policy(seen.name, namespace=seen.namespace, pool=pool, owner=_owner(seen))


def config(seen: Observed, model: ModelSpec, view: PoolView) -> Object:
    """The ConfigMap of this revision."""
    return serving_config_map(serving_config(seen, model, view), pool=view.pool.name, owner=_owner(seen))


def replicas(
    seen: Observed,
    model: ModelSpec,
    view: PoolView,
    *,
    config_map: str,
    strategy: Strategy,
    image: Image,
) -> Object:
    """The Deployment, with the template that this release writes."""
    files = place_of(model.artifacts.source)
    if files is None:
        raise ValueError("only artifacts on a claim or in an image can be mounted")
    plan = ServerPlan(
        name=seen.name,
        namespace=seen.namespace,
        revision=revision(seen, model, view),
        config_map=config_map,
        files=files,
        image=image,
        adapters=tuple(_adapter_mounts(seen)),
        superseded=_superseded(seen, config_map),
    )
    return server_deployment(seen.spec, plan, pool=view.pool, strategy=strategy, owner=_owner(seen))


def serving_config(seen: Observed, model: ModelSpec, view: PoolView) -> ServingConfig:
    """What every replica is asked to do. Raises :class:`SampleRequestError`."""
    serving = seen.spec.serving
    return ServingConfig(
        service=seen.name,
        namespace=seen.namespace,
        model=seen.spec.model_ref.name,
        served_model_name=seen.spec.served_model_name or seen.name,
        family=model.known_family.value,
        task=model.task or family(model.known_family.value).task,
        accelerator=view.pool.spec.accelerator_type,
        artifact_path=directory_in(MODELS, place_of(model.artifacts.source)),
        adapters={name: directory_in(adapter_path(name), place) for name, place in _adapter_places(seen)},
        max_batch_size=serving.max_batch_size,
        max_queue=serving.max_queue,
        max_new_tokens=serving.max_new_tokens,
        sample_request=sample_request(seen.spec.model_ref.name, model),
        drain_seconds=serving.drain_seconds,
        allowed_origins=list(serving.allowed_origins) or None,
    )


def sample_request(name: str, model: ModelSpec) -> SampleRequest:
    """The model's own, or its family's."""
    own = model.sample_request
    if own is None:
        return family(model.known_family.value).sample_request()
    try:
        body: Any = json.loads(own.body)
    except ValueError as error:
        raise SampleRequestError(f"model {name}: spec.sampleRequest.body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise SampleRequestError(f"model {name}: spec.sampleRequest.body must be a JSON object")
    return SampleRequest(path=own.path, body=body, expect=own.expect)


def _adapter_mounts(seen: Observed) -> Iterator[Mount]:
    for index, (name, source) in enumerate(_adapter_places(seen)):
        yield adapter_mount(name, source, index=index)


def _adapter_places(seen: Observed) -> Iterator[tuple[str, Place]]:
    for adapter, named in zip(seen.spec.adapters, seen.adapters, strict=True):
        source = place_of(named.model.artifacts.source) if named.model is not None else None
        if source is None:
            raise ValueError(f"{named.path}: {named.title} cannot be mounted: a service waits for such a model")
        yield adapter.name, source


def _superseded(seen: Observed, config_map: str) -> tuple[str, ...]:
    names = {found["metadata"]["name"] for found in seen.superseded}
    if before := config_name(seen.deployment):
        names.add(before)
    return tuple(sorted(names - {config_map}))


def configured_image(model: ModelSpec, view: PoolView, settings: Settings) -> Image | None:
    """The runtime image that the installation has for this model on this pool."""
    return settings.image(Verb.SERVE, variant=_variant(model, view))


def _variant(model: ModelSpec, view: PoolView) -> str:
    assert view.pool.kind is not None  # placement refuses pools with a problem
    answer = compatibility(
        family=model.known_family.value, accelerator=view.pool.kind, verb=Verb.SERVE, simulated=view.simulated
    )
    return answer.variant


def _owner(seen: Observed) -> Object:
    return owner_reference("InferenceService", seen.service["metadata"])
