"""What to do about a TrainingJob: a pure function from what is seen to what is wanted.

Attempts follow one another and never overlap. The next one is made only when the last Job has ended and no pod under
the job's name may still run. What is remembered between looks is in the cluster: the Jobs, and the status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from hostler.api.common import Failure
from hostler.api.trainingjob import Placement, TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import children, progress, wording
from hostler.controllers.trainingjob.finish import register, result_of
from hostler.controllers.trainingjob.observed import Attempt, AttemptState, Observed
from hostler.controllers.trainingjob.report import Report, plan_of
from hostler.manifests.naming import attempt_name
from hostler.planning import pods as read
from hostler.planning.acceptance import ask_of_job, reject_job
from hostler.planning.demand import Demand
from hostler.planning.failures import RESULT_MISSING, Cause, cause_of
from hostler.planning.placement import Placed, Waiting, place
from hostler.planning.pools import PoolView, some

_SOON_SECONDS = 2.0
"""Until caches that do not wait for each other agree."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan, and what it promises to the pool."""

    plan: Plan
    promise: tuple[str, Demand] | None = None
    """Name of the Job about to be written, and what it will take."""


def decide(seen: Observed, *, now: str, settings: Settings) -> Decision:
    """One look, one decision."""
    if seen.ended:
        return Decision(plan=plan_of(seen, Report(), now=now))
    newest = seen.newest
    if newest is None or newest.number < _remembered(seen):
        # Never begun, or the Job of the last attempt has been deleted: by a suspension, or by a person.
        return _suspended(seen, now=now) if seen.spec.suspend else _begin(seen, now=now, settings=settings)
    if newest.state is AttemptState.COMPLETE:
        return _completed(seen, newest, now=now, settings=settings)
    if newest.state is AttemptState.FAILED:
        return _failed(seen, _cause(newest), now=now, settings=settings)
    if seen.spec.suspend:
        return _suspended(seen, now=now)
    return Decision(plan=_live(seen, newest, now=now, settings=settings))


def restarts(seen: Observed) -> int:
    """Attempts that failed and were replaced."""
    return seen.status.restarts + len(_replaced(seen))


def _replaced(seen: Observed) -> list[Attempt]:
    """Attempts that were replaced and that status does not count yet: a crash came between the new Job and status."""
    newest = seen.newest
    counted = seen.status.attempt or 0
    return [
        attempt
        for attempt in seen.attempts
        if newest and counted <= attempt.number < newest.number and attempt.state is not AttemptState.LIVE
    ]


def _remembered(seen: Observed) -> int:
    """The attempt that status knows of; -1 before the first."""
    return -1 if seen.status.attempt is None else seen.status.attempt


def _latest_number(seen: Observed) -> int | None:
    """The highest number ever used: numbers are never used again, and never go back."""
    latest = max(_remembered(seen), seen.newest.number if seen.newest else -1)
    return None if latest < 0 else latest


def _cause(attempt: Attempt) -> Cause:
    return cause_of(attempt.pods, attempt=attempt.number)


def _failure(cause: Cause) -> Failure:
    return Failure(reason=cause.reason, message=cause.message, exit_code=cause.exit_code)


def _suspended(seen: Observed, *, now: str) -> Decision:
    """Pods go, the claim stays. The attempt's number is remembered, so that the next one gets another."""
    doomed = tuple(a.job for a in seen.attempts if a.state is AttemptState.LIVE and not a.deleted)
    step = seen.status.progress.checkpoint_step if seen.status.progress else None
    where = f"the checkpoint of step {step}" if step is not None else "the newest checkpoint"
    begun = _latest_number(seen) is not None
    text = f"Resumes from {where} when spec.suspend is set to false." if begun else "Starts when spec.suspend is false."
    if seen.unended or doomed:
        text = f"Waits for the end of its pods. {text}"
    report = Report(
        said=wording.suspended(text),
        restarts=restarts(seen),
        attempt=_latest_number(seen),
        placement=None,
        progress=progress.interrupted(seen.status.progress),
    )
    return Decision(plan=plan_of(seen, report, now=now, delete=(*doomed, *seen.obsolete)))


def _live(seen: Observed, attempt: Attempt, *, now: str, settings: Settings) -> Plan:
    """An attempt is under way: tell how it goes, and put back what somebody took from under it."""
    running = [pod for pod in attempt.pods if read.is_running(pod)]
    done = [pod for pod in attempt.pods if read.phase(pod) == "Succeeded"]
    hurt = [pod for pod in attempt.pods if pod not in done and (read.is_terminal(pod) or read.is_terminating(pod))]
    standing = wording.placed(_placed_text(attempt, seen))
    replaced = _replaced(seen)
    base = Report(
        restarts=restarts(seen),
        attempt=attempt.number,
        last_failure=_failure(_cause(replaced[-1])) if replaced else None,
        placement=_placement(seen, attempt.size),
        start_time=seen.status.start_time or now,
    )
    again = (
        seen.status.progress if attempt.number == seen.status.attempt else progress.interrupted(seen.status.progress)
    )
    if hurt or attempt.deleted:
        text = f"Attempt {attempt.number} has ended early. {_unended_sentence(seen)}"
        report = replace(base, said=wording.restarting(standing, text), progress=progress.interrupted(again))
        return plan_of(seen, report, now=now, delete=seen.obsolete, requeue=settings.recheck_seconds)
    if len(running) + len(done) == attempt.size:
        report = replace(
            base,
            said=wording.training(standing, _training_sentence(attempt, done)),
            progress=progress.shown(seen.progress) if seen.progress else again,
        )
        # Nothing is asked here: whoever asks rank 0 wakes the job when there is something new to show.
        return plan_of(seen, report, now=now, delete=seen.obsolete)
    report = replace(base, said=wording.starting(standing, _starting_sentence(attempt, running)), progress=again)
    repair = _repair(seen, attempt)
    return plan_of(seen, report, now=now, apply=repair, delete=seen.obsolete, requeue=settings.recheck_seconds)


def _repair(seen: Observed, attempt: Attempt) -> tuple[Object, ...]:
    if not seen.missing:
        return ()
    view = seen.pool().view
    if view is None or view.pool.kind is None:
        return ()
    wanted = children.surroundings(seen, number=attempt.number, pods=attempt.size, view=view)
    return tuple(child for child in wanted if child["kind"] in seen.missing)


def _completed(seen: Observed, attempt: Attempt, *, now: str, settings: Settings) -> Decision:
    if any(pod in attempt.pods for pod in seen.unended):
        # The Job is ahead of the pods' watch: their last words are on the way.
        text = f"Attempt {attempt.number} is complete; its result is on the way."
        report = Report(
            said=wording.registering(wording.placed(_placed_text(attempt, seen)), text),
            restarts=restarts(seen),
            attempt=attempt.number,
        )
        return Decision(plan=plan_of(seen, report, now=now, requeue=_SOON_SECONDS))
    result = result_of(attempt)
    if result is None:
        text = (
            f"attempt {attempt.number} is complete, but no result of its first pod names an artifact on the volume: "
            "was the pod deleted?"
        )
        return _failed(seen, Cause(reason=RESULT_MISSING, message=text), now=now, settings=settings)
    try:
        return Decision(plan=register(seen, attempt, result, restarts=restarts(seen), now=now))
    except ValidationError as error:
        # Not our own trainer: the same code would say the same again.
        wrong = error.errors()[0]
        field = ".".join(map(str, wrong["loc"]))
        text = f"the result of attempt {attempt.number} makes no Model: {field}: {wrong['msg']}"
        cause = Cause(reason=RESULT_MISSING, message=text, retryable=False)
        return _failed(seen, cause, now=now, settings=settings)


def _failed(seen: Observed, cause: Cause, *, now: str, settings: Settings) -> Decision:
    """The newest attempt is over: stop for good, or begin the next one."""
    newest = seen.newest
    number = newest.number if newest else 0
    so_far = restarts(seen)
    base = Report(restarts=so_far, attempt=number, last_failure=_failure(cause))
    if seen.unended:
        # Their last words may still tell the cause, and no two attempts may write to one workspace.
        standing = wording.placed(_placed_text(newest, seen)) if newest else wording.Standing()
        text = f"Attempt {number} failed. {_unended_sentence(seen)}"
        report = replace(
            base, said=wording.restarting(standing, text), progress=progress.interrupted(seen.status.progress)
        )
        return Decision(plan=plan_of(seen, report, now=now, requeue=settings.recheck_seconds))
    if not cause.retryable:
        return _stop(seen, base, reason=cause.reason, message=cause.message, now=now)
    if so_far >= seen.spec.max_restarts:
        text = (
            f"Attempt {number} failed and spec.maxRestarts is {seen.spec.max_restarts}. The last failure "
            f"({cause.reason}): {cause.message}"
        )
        return _stop(seen, base, reason=TrainingReason.RESTARTS_EXHAUSTED, message=text, now=now)
    if seen.spec.suspend:
        decision = _suspended(seen, now=now)
        return replace(decision, plan=_with_failure(seen, decision.plan, cause))
    return _begin(seen, now=now, settings=settings, after=cause)


def _stop(seen: Observed, base: Report, *, reason: str, message: str, now: str) -> Decision:
    report = replace(
        base,
        said=wording.failed(str(reason), message),
        completion_time=now,
        progress=progress.interrupted(seen.status.progress),
    )
    return Decision(plan=plan_of(seen, report, now=now, delete=seen.obsolete))


def _with_failure(seen: Observed, plan: Plan, cause: Cause) -> Plan:
    failure = _failure(cause).model_dump(mode="json", by_alias=True, exclude_none=True)
    return replace(plan, status={**plan.status, "lastFailure": failure})


def _begin(seen: Observed, *, now: str, settings: Settings, after: Cause | None = None) -> Decision:
    """Make the next attempt, or say in one sentence why not yet."""
    latest = _latest_number(seen)
    number = 0 if latest is None else latest + 1
    base = Report(
        restarts=restarts(seen),
        attempt=latest,
        last_failure=_failure(after) if after else None,
        progress=progress.interrupted(seen.status.progress),
        placement=None,
    )
    if seen.unended:
        report = replace(base, said=wording.pending(_unended_sentence(seen)))
        return Decision(plan=plan_of(seen, report, now=now, requeue=settings.recheck_seconds))
    choice = seen.pool()
    rejection = reject_job(
        seen.spec,
        choice=choice,
        facts=seen.facts,
        has_image=lambda verb, variant: settings.image(verb, variant=variant) is not None,
        allowed_endpoints=settings.allowed_endpoints,
    )
    if rejection is not None or choice.view is None:
        assert rejection is not None  # a missing pool is a rejection
        report = replace(base, said=wording.rejected(rejection.reason, rejection.message))
        return Decision(plan=plan_of(seen, report, now=now, requeue=settings.recheck_seconds))
    pods = _room(seen, choice.view, number)
    if isinstance(pods, Waiting):
        report = replace(base, said=wording.waiting(pods.obstacle.value, pods.message))
        return Decision(plan=plan_of(seen, report, now=now, requeue=settings.recheck_seconds))
    return _create(seen, base, number=number, pods=pods, view=choice.view, now=now, settings=settings)


def _room(seen: Observed, view: PoolView, number: int) -> int | Waiting:
    promised = seen.promised(number)
    if promised is not None:
        # Written a moment ago and not seen yet: its size must not change, because a Job's cannot.
        return promised.pods
    found = place(view, ask_of_job(seen.spec, resource=view.pool.resource))
    return found.pods if isinstance(found, Placed) else found


def _create(
    seen: Observed, base: Report, *, number: int, pods: int, view: PoolView, now: str, settings: Settings
) -> Decision:
    wanted = children.attempt_children(seen, number=number, pods=pods, view=view, settings=settings)
    standing = wording.placed(_placement_sentence(pods, seen))
    restarted = base.last_failure is not None
    # The same words as in the next look, which would else be a write of its own.
    text = f"0 of {_pods(pods)} of attempt {number} run."
    report = replace(
        base,
        said=wording.restarting(standing, text) if restarted else wording.starting(standing, text),
        attempt=number,
        restarts=(base.restarts or 0) + (1 if restarted else 0),
        placement=_placement(seen, pods),
        start_time=seen.status.start_time or now,
    )
    need = ask_of_job(seen.spec, resource=view.pool.resource).need
    name = attempt_name(seen.name, number)
    demand = Demand(owner=f"{seen.namespace}/{name}", pool=view.pool.name, pods=pods, need=need)
    plan = plan_of(seen, report, now=now, apply=wanted, delete=seen.obsolete, requeue=settings.recheck_seconds)
    return Decision(plan=plan, promise=(name, demand))


def _placement(seen: Observed, pods: int) -> Placement:
    accelerators, before = seen.spec.accelerators, seen.status.placement
    if before is not None:
        return before.model_copy(update={"pods": pods})
    view = seen.pool().view
    kind = view.pool.spec.accelerator_type if view else "unknown"
    return Placement(pool=accelerators.pool, accelerator_type=kind, pods=pods, per_pod=accelerators.per_pod)


def _placement_sentence(pods: int, seen: Observed) -> str:
    each = seen.spec.accelerators
    return f"{_pods(pods)} with {each.per_pod} each on pool {each.pool}."


def _placed_text(attempt: Attempt, seen: Observed) -> str:
    return _placement_sentence(attempt.size, seen)


def _training_sentence(attempt: Attempt, done: Sequence[Object]) -> str:
    text = f"{_pods(attempt.size)} of attempt {attempt.number}"
    if not done:
        return f"All {text} run." if attempt.size > 1 else f"The pod of attempt {attempt.number} runs."
    # The Job says so a moment later than its pods; until then nothing has begun anew.
    rest = "others still run" if len(done) < attempt.size else "the end of the Job is awaited"
    return f"{len(done)} of {text} finished; {rest}."


def _starting_sentence(attempt: Attempt, running: Sequence[Object]) -> str:
    found = [said for pod in attempt.pods if (said := read.start_obstacle(pod))]
    state = f"{len(running)} of {_pods(attempt.size)} of attempt {attempt.number} run"
    return f"{state}: {found[0][0].rstrip('.')}." if found else f"{state}."


def _unended_sentence(seen: Observed) -> str:
    if not seen.unended:
        return "Waits for its Job to end."
    text = f"Waits for the end of {some([f'pod {read.name(pod)}' for pod in seen.unended])}."
    if seen.unended_on_lost_nodes:
        nodes = some(list(seen.unended_on_lost_nodes))
        text += (
            f" Node {nodes} is not ready, so nobody can confirm that end: it comes when the node returns, is deleted, "
            "or gets the taint node.kubernetes.io/out-of-service:NoExecute."
        )
    return text


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"
