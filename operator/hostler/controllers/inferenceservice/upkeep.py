"""What a service's children should be at this look, and where somebody else has changed them.

Everything is asked for at every look; the writer writes what is not so. Only the pod template is more than a function
of the spec: replicas that work keep the one that was written for them, whatever a newer operator would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hostler.cluster.drift import drift
from hostler.cluster.matching import applied_hash, contains, satisfied, stamped
from hostler.controllers.inferenceservice import children, template
from hostler.controllers.inferenceservice.admission import Ground
from hostler.controllers.inferenceservice.observed import Observed, config_name
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.manifests.podtemplate import Image
from hostler.planning.rollout import Strategy


@dataclass(frozen=True, kw_only=True)
class Change:
    """A child that is not any more what was written."""

    kind: str
    name: str
    fields: tuple[str, ...] = ()
    """Paths below which it differs, such as ``spec.replicas``; empty where the whole child is gone."""

    def __str__(self) -> str:
        where = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.kind} {self.name} was {'changed' if self.fields else 'deleted'} by somebody else{where}"


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """The children, and what is to be said of them."""

    apply: tuple[Object, ...]
    """In the order in which they are written."""
    delete: tuple[Object, ...]
    """What is not wanted any more."""
    written_before: bool
    """Whether exactly this Deployment was written already, whatever others have made of it since."""
    changes: tuple[Change, ...]
    """What somebody else has changed, and is put back."""
    template_hash: str
    outdated_image: str | None
    """Image that the replicas keep, where the installation has another one."""
    newest_image: str
    """Image that the next revision gets."""


def upkeep(seen: Observed, ground: Ground, *, settings: Settings) -> Upkeep:
    """All children of this revision."""
    pool = ground.view.pool.name
    kept = template.kept(seen, ground.revision)
    configured = children.configured_image(ground.model, ground.view, settings)
    own = template.written(seen, ground.revision)
    image = configured or (template.image_of(own) if own is not None else None)
    if image is None:
        raise ValueError("no runtime image serves on this pool: acceptance refuses such a service")
    config = _config(seen, ground, kept=kept)
    policy = children.policy(seen, pool, settings)
    deployment = _deployment(seen, ground, kept=kept, config_map=config["metadata"]["name"], image=image)
    endpoint, budget = children.endpoint(seen, pool), children.budget(seen, pool)
    written_before = seen.deployment is not None and applied_hash(seen.deployment) == applied_hash(stamped(deployment))
    not_wanted = (seen.budget,) if seen.budget is not None and budget is None else ()
    wanted = deployment["spec"]["template"]
    runs = template.image_of(wanted).reference
    return Upkeep(
        apply=(
            endpoint,
            *filter(None, (policy,)),
            *_config_to_write(seen, config, kept=kept),
            *filter(None, (budget,)),
            deployment,
        ),
        delete=(*_unread(seen, written_before=written_before), *not_wanted),
        written_before=written_before,
        changes=tuple(_changes(seen, endpoint, (budget, policy), deployment)),
        template_hash=template.template_hash(wanted),
        outdated_image=runs if configured is not None and runs != configured.reference else None,
        newest_image=image.reference,
    )


def _deployment(seen: Observed, ground: Ground, *, kept: Object | None, config_map: str, image: Image) -> Object:
    """With the template that replicas work with, or else with that of this release."""
    built = children.replicas(
        seen,
        ground.model,
        ground.view,
        config_map=config_map,
        strategy=_strategy(seen, ground, kept=kept),
        image=image,
    )
    wanted = kept if kept is not None else _newest(seen, ground, built["spec"]["template"])
    return template.with_template(built, wanted)


def _newest(seen: Observed, ground: Ground, built: Object) -> Object:
    """The template of this release, with a person's wish for new pods of this revision in it."""
    wish = template.wished_restart(seen) if template.written(seen, ground.revision) is not None else None
    return built if wish is None else template.restarted(built, wish)


def _config(seen: Observed, ground: Ground, *, kept: Object | None) -> Object:
    """The file; for replicas that keep their template under the name that they mount, whatever is in it by now."""
    config = children.config(seen, ground.model, ground.view)
    name = config_name({"spec": {"template": kept}}) if kept is not None else None
    return config if name is None else {**config, "metadata": {**config["metadata"], "name": name}}


def _config_to_write(seen: Observed, config: Object, *, kept: Object | None) -> tuple[Object, ...]:
    """Nobody can change it, but it can be deleted, and a replica that moves to another node needs it."""
    new = kept is None and config["metadata"]["name"] != config_name(seen.deployment)
    return (config,) if new or seen.config_missing else ()


def _unread(seen: Observed, *, written_before: bool) -> tuple[Object, ...]:
    """Files of earlier revisions, once no replica of those is left."""
    rollout = seen.rollout
    return seen.superseded if rollout is not None and rollout.complete and written_before else ()


def _strategy(seen: Observed, ground: Ground, *, kept: Object | None) -> Strategy:
    """Of this moment while replicas are replaced; else as it is, or every change of the pool would be a write."""
    rollout = seen.rollout
    if kept is None or rollout is None or not rollout.settled or seen.deployment is None:
        return ground.strategy
    return Strategy.of(seen.deployment) or ground.strategy


def _changes(
    seen: Observed, endpoint: Object, optional: tuple[Object | None, Object | None], deployment: Object
) -> Iterator[Change]:
    """``optional`` are the PodDisruptionBudget and the NetworkPolicy. Where one of those is not there, it may not have
    been wanted before."""
    if seen.deployment is None:
        return
    if seen.endpoint is None:
        yield Change(kind="Service", name=seen.name)
    budget, policy = optional
    pairs = (
        (seen.endpoint, endpoint),
        (seen.budget, budget),
        (seen.policy, policy),
        (seen.deployment, deployment),
    )
    for found, wanted in pairs:
        if found is None or wanted is None:
            continue
        body = stamped(wanted)
        # With another hash it is what we wrote for another spec, or another release wrote.
        if applied_hash(found) == applied_hash(body) and not satisfied(found, body):
            fields = tuple(_different(found, wanted))
            yield Change(kind=wanted["kind"], name=wanted["metadata"]["name"], fields=fields)


def _different(found: Object, wanted: Object) -> Iterator[str]:
    """What is otherwise than we want, and what is there beside it."""
    told: list[str] = []
    for part in ("metadata", "spec"):
        there = found.get(part) or {}
        for field, value in wanted[part].items():
            if not contains(there.get(field), value):
                told.append(f"{part}.{field}")
    yield from told
    # What lies below a field that is named already says nothing more.
    yield from (path for path in drift(found, wanted).paths if not any(path.startswith(f"{field}.") for field in told))
