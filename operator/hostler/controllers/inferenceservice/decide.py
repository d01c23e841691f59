"""What to do about an InferenceService: a pure function from what is seen to what is wanted.

Replicas that run are left alone by an upgrade of the operator (``template`` says how), and what somebody else has
changed is put back.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.inferenceservice import ServiceReason
from hostler.controllers.inferenceservice import wording
from hostler.controllers.inferenceservice.admission import Ground, consider, promise
from hostler.controllers.inferenceservice.observed import Observed
from hostler.controllers.inferenceservice.readiness import readiness
from hostler.controllers.inferenceservice.report import Report, plan_of
from hostler.controllers.inferenceservice.upkeep import Change, upkeep
from hostler.controllers.plan import Happening, Plan
from hostler.controllers.settings import Settings
from hostler.manifests.service import inference_url
from hostler.planning.demand import Demand

CHANGE_UNDONE = "ChangeUndone"
"""Reason of the Event about a child that somebody else has changed."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan, and what it promises to the pool."""

    plan: Plan
    promise: Demand | None = None


def decide(seen: Observed, *, now: str, settings: Settings) -> Decision:
    """One look, one decision."""
    ground = consider(seen, settings=settings)
    if isinstance(ground, dict):
        report = Report(said=ground, url=_url(seen) if seen.deployment else None)
        return Decision(plan=plan_of(seen, report, now=now, requeue=settings.recheck_seconds))
    wanted = upkeep(seen, ground, settings=settings)
    ready, failure = readiness(seen, ground, wanted, now=now)
    report = Report(
        said=wording.admitted(_placed(seen, ground), ready),
        url=_url(seen),
        revision=ground.revision,
        template_hash=wanted.template_hash,
        accelerator_type=ground.view.pool.spec.accelerator_type,
        outdated_image=wanted.outdated_image,
        last_failure=failure,
        notices={(change.kind, change.name): _notice(change) for change in wanted.changes},
    )
    plan = plan_of(
        seen,
        report,
        now=now,
        apply=wanted.apply,
        delete=wanted.delete,
        requeue=None if ready.reason == ServiceReason.SERVING else settings.recheck_seconds,
    )
    return Decision(plan=plan, promise=None if wanted.written_before else promise(seen, ground))


def _notice(change: Change) -> Happening:
    way_out = "change the InferenceService instead"
    if change.kind == "Deployment" and "spec.replicas" in change.fields:
        way_out = "spec.pods of the InferenceService decides, so remove an autoscaler that scales the Deployment"
    return Happening(reason=CHANGE_UNDONE, message=f"{change} and is put back: {way_out}.", warning=True)


def _placed(seen: Observed, ground: Ground) -> str:
    each = seen.spec.accelerators
    text = f"{wording.replicas(seen.spec.pods.max)} with {each.per_pod} each on pool {each.pool}."
    return f"{text} {ground.strategy.remark}".strip()


def _url(seen: Observed) -> str:
    return inference_url(seen.name, namespace=seen.namespace)
