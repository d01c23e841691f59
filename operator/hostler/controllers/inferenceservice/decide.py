"""What to do about an InferenceService: a pure function from what is seen to what is wanted.

Replicas that run are left alone by an upgrade of the operator: the Deployment is written again only when the revision
or the number of replicas is another one, or while the current template has not proved that it works.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hostler.accelerators import Verb
from hostler.api.common import Failure
from hostler.api.inferenceservice import ServiceReason as R
from hostler.api.model import ModelSpec
from hostler.controllers.inferenceservice import children, wording
from hostler.controllers.inferenceservice.observed import Observed, config_name, revision_of
from hostler.controllers.inferenceservice.report import Report, plan_of
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.said import Said, no, yes
from hostler.controllers.settings import Settings
from hostler.manifests.service import inference_url
from hostler.planning import pods as read
from hostler.planning.acceptance import PoolChoice, ask_of_service, reject_service
from hostler.planning.demand import Demand
from hostler.planning.failures import Cause, replica_failure
from hostler.planning.models import NamedModel
from hostler.planning.placement import Waiting, place
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection
from hostler.planning.rollout import Strategy, strategy


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan, and what it promises to the pool."""

    plan: Plan
    promise: Demand | None = None


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is certain before replicas are thought of."""

    model: ModelSpec
    view: PoolView
    revision: str
    strategy: Strategy


def decide(seen: Observed, *, now: str, settings: Settings) -> Decision:
    """One look, one decision."""
    ground = _ground(seen, settings=settings)
    if isinstance(ground, dict):
        report = Report(said=ground, url=_url(seen) if seen.deployment else None)
        return Decision(plan=plan_of(seen, report, now=now, requeue=settings.recheck_seconds))
    written = _children(seen, ground, settings=settings)
    ready, failure = _ready(seen, ground, written)
    report = Report(
        said=wording.admitted(_placed(seen, ground), ready),
        url=_url(seen),
        revision=ground.revision,
        accelerator_type=ground.view.pool.spec.accelerator_type,
        last_failure=failure,
    )
    rollout = seen.rollout
    done = seen.superseded if rollout is not None and rollout.complete and not written else ()
    serving = ready.status == "True"
    plan = plan_of(
        seen, report, now=now, apply=written, delete=done, requeue=None if serving else settings.recheck_seconds
    )
    return Decision(plan=plan, promise=_promise(seen, ground) if _writes_deployment(written) else None)


def _ground(seen: Observed, *, settings: Settings) -> Ground | wording.Wording:
    """The facts to build on, or the conditions that say what is missing."""
    reference = seen.spec.model_ref
    if seen.model is None:
        where = f" in namespace {seen.namespace}" if reference.kind == "Model" else ""
        text = f"spec.modelRef: there is no {reference.kind} {reference.name}{where}: create it, or name another one."
        return wording.rejected(R.MODEL_NOT_FOUND, text + _meanwhile(seen))
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


def _rejection(seen: Observed, model: ModelSpec, choice: PoolChoice, *, settings: Settings) -> Rejection | None:
    def has_image(verb: Verb, variant: str) -> bool:
        if settings.image(verb, variant=variant) is not None:
            return True
        view = choice.view
        return view is not None and children.own_image(seen, children.revision(seen, model, view)) is not None

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
    served = NamedModel(
        path="spec.modelRef",
        reference=seen.spec.model_ref,
        model=model,
        claim_exists=seen.claim_exists,
        namespace=seen.namespace,
    )
    for named in (served, *seen.adapters):
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
    return f" {_replicas(rollout.ready)} of the last revision {_verb(rollout.ready, 'go', 'goes')} on serving."


def _children(seen: Observed, ground: Ground, *, settings: Settings) -> tuple[Object, ...]:
    """What has to be written: nothing, for replicas that work and are what is wanted."""
    missing_endpoint = (children.endpoint(seen, ground.view.pool.name),) if seen.endpoint is None else ()
    rollout = seen.rollout
    wanted = seen.spec.pods.max
    same = revision_of(seen.deployment) == ground.revision
    kept = rollout is not None and same and rollout.wanted == wanted and rollout.settled
    if kept and not seen.config_missing:
        return missing_endpoint
    config = children.config(seen, ground.model, ground.view)
    name = config["metadata"]["name"]
    if kept and name == config_name(seen.deployment):
        # A replica that moves to another node needs the file, even while others serve.
        return (*missing_endpoint, config)
    deployment = children.replicas(
        seen, ground.model, ground.view, config_map=name, strategy=ground.strategy, settings=settings
    )
    new_config = (config,) if name != config_name(seen.deployment) or seen.config_missing else ()
    endpoint = (children.endpoint(seen, ground.view.pool.name),)
    return (*endpoint, *new_config, deployment)


def _writes_deployment(written: tuple[Object, ...]) -> bool:
    return any(child["kind"] == "Deployment" for child in written)


def _ready(seen: Observed, ground: Ground, written: tuple[Object, ...]) -> tuple[Said, Failure | None]:
    """The truth about the replicas of this revision."""
    rollout, wanted = seen.rollout, seen.spec.pods.max
    current = [pod for pod in seen.pods if revision_of(pod) == ground.revision and not read.is_terminating(pod)]
    cause = next((found for pod in current if (found := replica_failure(pod))), None)
    failure = _failure(cause) if cause else None
    if rollout is None or revision_of(seen.deployment) != ground.revision or rollout.wanted != wanted:
        serving = rollout.ready if rollout else 0
        text = f"Revision {ground.revision} is being rolled out."
        return (
            no(R.UPDATING, f"{text} {_replicas(serving)} serve meanwhile.") if serving else no(R.STARTING, text)
        ), None
    if rollout.complete:
        return yes(R.SERVING, f"{_ready_of(rollout.ready, ground, of=wanted)}."), failure
    good = sum(1 for pod in current if read.is_ready(pod))
    state = _ready_of(good, ground, of=wanted)
    others = max(0, rollout.ready - good)
    meanwhile = _others(others)
    if cause is not None:
        return no(R.REPLICA_FAILED, f"{state}: {cause.message.rstrip('.')}.{meanwhile}"), failure
    obstacle = next((said for pod in current if (said := read.start_obstacle(pod))), None)
    if obstacle is not None and obstacle[1]:
        return no(R.REPLICA_FAILED, f"{state}: {obstacle[0].rstrip('.')}.{meanwhile}"), None
    detail = f"{state}: {obstacle[0].rstrip('.')}." if obstacle else f"{state}."
    return no(R.UPDATING if others else R.STARTING, f"{detail}{meanwhile}"), None


def _ready_of(good: int, ground: Ground, *, of: int) -> str:
    return f"{good} of {_replicas(of)} of revision {ground.revision} {_verb(of, 'are', 'is')} ready"


def _others(count: int) -> str:
    """Replicas of an older revision, which serve while the new ones come."""
    return f" {_replicas(count)} of an older revision {_verb(count, 'serve', 'serves')} meanwhile." if count else ""


def _failure(cause: Cause) -> Failure:
    return Failure(reason=cause.reason, message=cause.message, exit_code=cause.exit_code)


def _placed(seen: Observed, ground: Ground) -> str:
    each = seen.spec.accelerators
    text = f"{_replicas(seen.spec.pods.max)} with {each.per_pod} each on pool {each.pool}."
    return f"{text} {ground.strategy.remark}".strip()


def _promise(seen: Observed, ground: Ground) -> Demand:
    need = ask_of_service(seen.spec, resource=ground.view.pool.resource).need
    owner = f"{seen.namespace}/{seen.name}"
    return Demand(owner=owner, pool=ground.view.pool.name, pods=seen.spec.pods.max, need=need)


def _url(seen: Observed) -> str:
    return inference_url(seen.name, namespace=seen.namespace)


def _replicas(count: int) -> str:
    return f"{count} replica" if count == 1 else f"{count} replicas"


def _verb(count: int, plural: str, singular: str) -> str:
    return singular if count == 1 else plural
