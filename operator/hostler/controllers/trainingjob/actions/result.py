"""The end that everybody wants: the Model is registered, then the claim passes to it, then the job has succeeded.

In this order, because a crash in between leaves a claim that still belongs to the job and a job that goes on here.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from hostler.api.trainingjob import TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import children, outcome, progress, sentences, wording
from hostler.controllers.trainingjob.actions.over import SOON_SECONDS, count
from hostler.controllers.trainingjob.estimating import with_actual
from hostler.controllers.trainingjob.finish import model_of, owned_by, result_of
from hostler.controllers.trainingjob.observed import Attempt, AttemptState, Observed
from hostler.controllers.trainingjob.report import KEEP, Report, plan_of
from hostler.manifests.model import model_name
from hostler.manifests.naming import owner_reference
from hostler.planning import pods as read
from hostler.planning.failures import RESULT_MISSING, Cause, Toll
from hostler_contract import Result


def awaiting_result(seen: Observed, settings: Settings) -> Plan:
    """The Job is ahead of the pods' watch: their last words are on the way."""
    attempt = seen.newest
    assert attempt is not None
    standing = wording.placed(sentences.placement(seen, count=attempt.size))
    text = f"Attempt {attempt.number} is complete; its result is on the way."
    report = Report(said=wording.registering(standing, text), attempt=attempt.number)
    return plan_of(seen, report, requeue=SOON_SECONDS)


def complete(seen: Observed, settings: Settings) -> Plan:
    """Write the Model. Status says so in the next look, together with the success."""
    attempt = seen.newest
    assert attempt is not None
    result = result_of(attempt)
    if result is None:
        return count(seen, _lost_result(attempt), number=attempt.number)
    if seen.model is not None:
        name = model_name(seen.spec, seen.name)
        text = f"Model {name} exists and was not made by this job: delete it, and the trained model takes its name."
        report = replace(_outcome(seen, result), said=wording.rejected(TrainingReason.NAME_TAKEN, text))
        return plan_of(seen, report)
    try:
        model = model_of(seen, attempt, result)
    except ValidationError as error:
        # Not our own trainer: the same code would say the same again.
        wrong = error.errors()[0]
        field = ".".join(map(str, wrong["loc"]))
        text = f"the result of attempt {attempt.number} makes no Model: {field}: {wrong['msg']}"
        cause = Cause(reason=RESULT_MISSING, message=text, retryable=False)
        return count(seen, cause, number=attempt.number)
    return plan_of(seen, Report(), apply=(model,), requeue=SOON_SECONDS)


def registered(seen: Observed, settings: Settings) -> Plan:
    """Hand the claim over, and say the success. The words of the pods may have gone since; the Model has them."""
    assert seen.model is not None
    attempt, name = seen.newest, model_name(seen.spec, seen.name)
    result = result_of(attempt) if attempt is not None and attempt.state is AttemptState.COMPLETE else None
    handover: tuple[Object, ...] = ()
    if seen.spec.storage.claim_name is None and seen.claim is not None and not owned_by(seen.claim, seen.model):
        handover = (children.own_claim(seen, owner_reference("Model", seen.model["metadata"])),)
    report = replace(
        _outcome(seen, result),
        said=wording.succeeded(name),
        model=name,
        attempt=max(0, seen.latest),
        blocked_since=None,
        completion_time=seen.now,
    )
    return plan_of(seen, report, apply=handover, delete=seen.obsolete, requeue=SOON_SECONDS)


def _outcome(seen: Observed, result: Result | None) -> Report:
    if result is None:
        return Report(progress=progress.interrupted(seen.status.progress))
    return Report(
        progress=progress.finished(seen.status.progress, result, total_steps=seen.spec.training.steps),
        comparison=outcome.comparison(result) or KEEP,
        target=outcome.target(result, seen) or KEEP,
        estimate=with_actual(seen, result) or KEEP,
    )


def _lost_result(attempt: Attempt) -> Cause:
    text = (
        f"attempt {attempt.number} is complete, but no result of its first pod names an artifact on the volume: was "
        "the pod deleted?"
    )
    gone = all(read.index(pod) != 0 for pod in attempt.pods)
    return Cause(reason=RESULT_MISSING, message=text, toll=Toll.DISRUPTION if gone else Toll.FAILURE)
