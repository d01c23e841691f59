"""Whether a service can be served, and with which seats: what is certain before replicas are thought of."""

from __future__ import annotations

from dataclasses import dataclass, field

from hostler.accelerators import Verb
from hostler.api.inferenceservice import ServiceReason as R
from hostler.api.model import ModelSpec
from hostler.controllers.inferenceservice import children, template, wording
from hostler.controllers.inferenceservice.observed import Observed, revision_of
from hostler.controllers.inferenceservice.seating import Seating
from hostler.controllers.settings import Settings
from hostler.planning.acceptance import PoolChoice
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection
from hostler.planning.rollout import NEW_BEFORE_OLD, Strategy, strategy
from hostler.planning.serviceacceptance import reject_service


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What replicas can be built on."""

    model: ModelSpec
    view: PoolView
    revision: str
    replacing: bool
    """Whether replicas are being replaced, or are about to be."""
    begins: bool
    """Whether they are about to be."""
    standing: Strategy
    """How replicas would be replaced by what the Deployment says now."""
    seating: Seating = field(default_factory=Seating)

    @property
    def strategy(self) -> Strategy:
        """How replicas are replaced: with a seat for one more, new before old."""
        if not self.replacing or not self.seating.answered:
            return self.standing
        replicas = sum(self.seating.seats.values()) - self.seating.surge
        return strategy(replicas=replicas, room_for_one_more=self.seating.surge, unit=self.view.pool.unit)


def consider(seen: Observed, *, settings: Settings) -> Ground | wording.Wording:
    """The facts to build on, without the seats, or the conditions that say what is missing."""
    if seen.model is None:
        return wording.rejected(R.MODEL_NOT_FOUND, _no_model(seen) + meanwhile(seen))
    if seen.model.family is None and (found := seen.served.obstacle):
        # Nothing else can be judged before the files say what the model is.
        return wording.waiting(R.MODEL_NOT_READY, f"{seen.served.title} is not ready: {found[1]}{meanwhile(seen)}")
    view = seen.pool.view
    rejection = _rejection(seen, seen.model, seen.pool, settings=settings)
    if rejection is not None or view is None:
        assert rejection is not None  # a missing pool is a rejection
        return wording.rejected(rejection.reason, rejection.message + meanwhile(seen))
    if waits := _model_waits(seen, seen.model):
        return wording.waiting(R.MODEL_NOT_READY, waits + meanwhile(seen))
    revision = children.revision(seen, seen.model, view)
    return Ground(
        model=seen.model,
        view=view,
        revision=revision,
        replacing=_is_under_way(seen) or _begins(seen, revision),
        begins=_begins(seen, revision),
        standing=(Strategy.of(seen.deployment) if seen.deployment else None) or NEW_BEFORE_OLD,
    )


def _is_under_way(seen: Observed) -> bool:
    """Whether replicas of another template are still there."""
    rollout = seen.rollout
    return rollout is not None and rollout.replicas > rollout.updated


def _begins(seen: Observed, revision: str) -> bool:
    """Whether there are replicas, and they are to be of another revision."""
    rollout = seen.rollout
    return rollout is not None and rollout.replicas > 0 and revision_of(seen.deployment) != revision


def seated(seen: Observed, ground: Ground) -> Ground | wording.Wording | None:
    """The ground with its seats, or the conditions of a service that waits for some; None while nobody has looked."""
    seating = ground.seating
    if not seating.answered and (ground.begins or not seating.enough):
        return None
    if seating.enough or seating.obstacle is None:
        return ground
    sentence = seating.waits if seating.said else seating.waits + meanwhile(seen)
    return wording.waiting(seating.obstacle.value, sentence)


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

    return reject_service(
        seen.spec,
        model=model,
        adapters=seen.adapters,
        choice=choice,
        has_image=has_image,
        namespace=seen.namespace,
        classes=seen.classes,
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


def meanwhile(seen: Observed) -> str:
    """What still runs of the last decision: it is left alone."""
    rollout = seen.rollout
    if rollout is None or not rollout.ready:
        return ""
    count = rollout.ready
    return f" {wording.replicas(count)} of the last revision {wording.verb(count, 'go', 'goes')} on serving."
