"""Whether a service can be served, and where: everything that looks at the pool is here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hostler.accelerators import Verb
from hostler.api.inferenceservice import ServiceReason as R
from hostler.api.model import ModelSpec
from hostler.controllers.inferenceservice import children, template, wording
from hostler.controllers.inferenceservice.observed import Observed, revision_of
from hostler.controllers.settings import Settings
from hostler.planning.acceptance import PoolChoice, ask_of_service, reject_service
from hostler.planning.demand import Demand
from hostler.planning.placement import Waiting, place
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection
from hostler.planning.rollout import Strategy, strategy


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is certain before replicas are thought of."""

    model: ModelSpec
    view: PoolView
    revision: str
    strategy: Strategy


def consider(seen: Observed, *, settings: Settings) -> Ground | wording.Wording:
    """The facts to build on, or the conditions that say what is missing."""
    if seen.model is None:
        return wording.rejected(R.MODEL_NOT_FOUND, _no_model(seen) + _meanwhile(seen))
    choice = seen.pool()
    rejection = _rejection(seen, seen.model, choice, settings=settings)
    if rejection is not None or choice.view is None:
        assert rejection is not None  # a missing pool is a rejection
        return wording.rejected(rejection.reason, rejection.message + _meanwhile(seen))
    if waits := _model_waits(seen, seen.model):
        return wording.waiting(R.MODEL_NOT_READY, waits + _meanwhile(seen))
    ask = ask_of_service(seen.spec, resource=choice.view.pool.resource)
    found = place(choice.view, ask)
    if isinstance(found, Waiting) and not _has_its_place(seen, seen.model, choice.view):
        return wording.waiting(found.obstacle.value, found.message + _meanwhile(seen))
    one_more = replace(ask, least=ask.least + 1, most=ask.most + 1)
    roomy = not isinstance(place(choice.view, one_more), Waiting)
    return Ground(
        model=seen.model,
        view=choice.view,
        revision=children.revision(seen, seen.model, choice.view),
        strategy=strategy(replicas=seen.spec.pods.max, room_for_one_more=roomy, unit=choice.view.pool.unit),
    )


def promise(seen: Observed, ground: Ground) -> Demand:
    """What the replicas will take from the pool."""
    need = ask_of_service(seen.spec, resource=ground.view.pool.resource).need
    owner = f"{seen.namespace}/{seen.name}"
    return Demand(owner=owner, pool=ground.view.pool.name, pods=seen.spec.pods.max, need=need)


def _no_model(seen: Observed) -> str:
    reference = seen.spec.model_ref
    where = f" in namespace {seen.namespace}" if reference.kind == "Model" else ""
    text = f"spec.modelRef: there is no {reference.kind} {reference.name}{where}: create it, or name another one."
    if not seen.lost_claim:
        return text
    return (
        f"{text} Claim {seen.lost_claim} with the files is being deleted and goes with the last replica: copy them to "
        "another claim before this service is changed or deleted."
    )


def _rejection(seen: Observed, model: ModelSpec, choice: PoolChoice, *, settings: Settings) -> Rejection | None:
    def has_image(verb: Verb, variant: str) -> bool:
        if settings.image(verb, variant=variant) is not None:
            return True
        view = choice.view
        return view is not None and template.written(seen, children.revision(seen, model, view)) is not None

    return reject_service(seen.spec, model=model, adapters=seen.adapters, choice=choice, has_image=has_image)


def _has_its_place(seen: Observed, model: ModelSpec, view: PoolView) -> bool:
    """Whether all replicas of this revision run: a cordoned node or a smaller quota takes nothing from them."""
    rollout = seen.rollout
    return (
        rollout is not None
        and rollout.complete
        and rollout.wanted == seen.spec.pods.max
        and view.pool.problem is None
        and revision_of(seen.deployment) == children.revision(seen, model, view)
    )


def _model_waits(seen: Observed, model: ModelSpec) -> str:
    """Why the model or one of its adapters cannot be served now."""
    for named in (seen.served, *seen.adapters):
        if found := named.obstacle:
            return f"{named.title} is not ready: {found[1]}"
    try:
        children.sample_request(seen.spec.model_ref.name, model)
    except children.SampleRequestError as error:
        return f"{error}. Correct it, or remove it and the family's own is used."
    return ""


def _meanwhile(seen: Observed) -> str:
    """What still runs of the last decision: it is left alone."""
    rollout = seen.rollout
    if rollout is None or not rollout.ready:
        return ""
    count = rollout.ready
    return f" {wording.replicas(count)} of the last revision {wording.verb(count, 'go', 'goes')} on serving."
