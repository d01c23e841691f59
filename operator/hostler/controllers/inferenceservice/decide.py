"""What to do about an InferenceService: a pure function from what is seen to what is wanted.

Replicas that run are left alone by an upgrade of the operator (``template`` says how), and what somebody else has
changed is put back.
"""

from __future__ import annotations

from hostler.api.inferenceservice import ServiceReason
from hostler.api.placement import Placement
from hostler.controllers.inferenceservice import wording
from hostler.controllers.inferenceservice.admission import Ground, seated
from hostler.controllers.inferenceservice.observed import Observed
from hostler.controllers.inferenceservice.readiness import readiness
from hostler.controllers.inferenceservice.report import Report, plan_of
from hostler.controllers.inferenceservice.seating import placement_of
from hostler.controllers.inferenceservice.upkeep import Change, Upkeep, upkeep
from hostler.controllers.plan import Happening, Plan
from hostler.controllers.settings import Settings
from hostler.controllers.workloads import seats_of
from hostler.manifests.service import inference_url
from hostler.planning.seats import assign

CHANGE_UNDONE = "ChangeUndone"
"""Reason of the Event about a child that somebody else has changed."""


def decide(seen: Observed, ground: Ground | wording.Wording, *, now: str, settings: Settings) -> Plan:
    """One look, one decision."""
    base = seated(seen, ground) if isinstance(ground, Ground) else ground
    if base is None:
        # The answer comes with the next pass of admission, and wakes the service.
        return Plan(status=seen.service.get("status") or {})
    if isinstance(base, Ground):
        return _served(seen, base, now=now, settings=settings)
    if isinstance(ground, Ground):
        return _waiting(seen, ground, base, now=now, settings=settings)
    return plan_of(seen, Report(said=base, url=_url_of(seen)), now=now, requeue=settings.recheck_seconds)


def _waiting(seen: Observed, ground: Ground, said: wording.Wording, *, now: str, settings: Settings) -> Plan:
    """Not every replica has a seat. Those that have one are looked after, unless another revision or more of them are
    asked for, which come with their seats."""
    all_asked_for = seen.rollout is not None and seen.rollout.wanted >= seen.spec.pods.max
    kept = upkeep(seen, ground, settings=settings) if all_asked_for and not ground.replacing else None
    placement = _placement(seen, ground, now=now, settings=settings)
    return plan_of(
        seen,
        Report(
            said=said,
            url=_url_of(seen),
            placement=placement,
            queue=ground.seating.queue,
            notices=_notices(kept),
        ),
        now=now,
        apply=kept.apply if kept else (),
        bind=_bind(seen, ground),
        delete=kept.delete if kept else (),
        requeue=settings.recheck_seconds,
    )


def _served(seen: Observed, ground: Ground, *, now: str, settings: Settings) -> Plan:
    """Every replica has its seat: the children, and the truth about them."""
    wanted = upkeep(seen, ground, settings=settings)
    ready, failure = readiness(seen, ground, wanted, now=now)
    placement = _placement(seen, ground, now=now, settings=settings)
    report = Report(
        said=wording.admitted(_placed(seen, ground), ready),
        url=_url(seen),
        revision=ground.revision,
        template_hash=wanted.template_hash,
        accelerator_type=ground.view.pool.spec.accelerator_type,
        outdated_image=wanted.outdated_image,
        last_failure=failure,
        placement=placement,
        notices=_notices(wanted),
    )
    return plan_of(
        seen,
        report,
        now=now,
        apply=wanted.apply,
        bind=_bind(seen, ground),
        delete=wanted.delete,
        requeue=None if ready.reason == ServiceReason.SERVING else settings.recheck_seconds,
        # More seats than before have to be readable before a pod sits on them.
        status_first=placement is not None and seats_of(placement) != seats_of(seen.status.placement),
    )


def _placement(seen: Observed, ground: Ground, *, now: str, settings: Settings) -> Placement | None:
    return placement_of(seen, ground.seating, ground.view, now=now, grace=settings.seat_grace_seconds)


def _bind(seen: Observed, ground: Ground | wording.Wording) -> tuple[tuple[dict[str, object], str], ...]:
    """Pods that have no node yet, each with a seat that is free and written down."""
    if not isinstance(ground, Ground):
        return ()
    return tuple(assign(seen.pods, ground.seating.seats))


def _notices(kept: Upkeep | None) -> dict[tuple[str, str], Happening]:
    return {(change.kind, change.name): _notice(change) for change in kept.changes} if kept else {}


def _notice(change: Change) -> Happening:
    way_out = "change the InferenceService instead"
    if change.kind == "Deployment" and "spec.replicas" in change.fields:
        way_out = "spec.pods of the InferenceService decides, so remove an autoscaler that scales the Deployment"
    return Happening(reason=CHANGE_UNDONE, message=f"{change} and is put back: {way_out}.", warning=True)


def _placed(seen: Observed, ground: Ground) -> str:
    each = seen.spec.accelerators
    text = f"{wording.replicas(seen.spec.pods.max)} with {each.per_pod} each on pool {each.pool}."
    return f"{text} {ground.strategy.remark}".strip() if ground.replacing else text


def _url_of(seen: Observed) -> str | None:
    """The address of what stands already."""
    return _url(seen) if seen.deployment else None


def _url(seen: Observed) -> str:
    return inference_url(seen.name, namespace=seen.namespace)
