"""The conditions of a job in each of its states. ``Ready`` is the state in one word; see the reasons' sentences."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.trainingjob import TrainingCondition as C
from hostler.api.trainingjob import TrainingReason as R
from hostler.controllers.said import Said, no, unknown, yes
from hostler_contract.progress import Stage

Wording = dict[str, Said]

WARNINGS = frozenset(
    {
        R.POOL_NOT_FOUND.value,
        R.POOL_TOO_SMALL.value,
        R.PRIORITY_CLASS_NOT_FOUND.value,
        R.TOPOLOGY_NOT_CONFIGURED.value,
        R.QUOTA_TOO_SMALL.value,
        R.FAMILY_NOT_AVAILABLE.value,
        R.INCOMPATIBLE_ACCELERATOR.value,
        R.UNSUPPORTED_COUNT.value,
        R.PRIVILEGE_NOT_ALLOWED.value,
        R.IMAGE_NOT_CONFIGURED.value,
        R.SOURCE_NOT_SUPPORTED.value,
        R.DATASET_NOT_FOUND.value,
        R.UNSUPPORTED_COMBINATION.value,
        R.METRIC_NOT_MEASURED.value,
        R.MODEL_NOT_FOUND.value,
        R.INCOMPATIBLE_MODEL.value,
        R.STORAGE_NOT_FOUND.value,
        R.NAME_TAKEN.value,
        R.CHECKPOINT_NOT_FOUND.value,
        R.CHECKPOINT_IN_USE.value,
        R.INCOMPATIBLE_CHECKPOINT.value,
        R.RESTARTING.value,
        R.BACK_OFF.value,
        R.START_TIMEOUT.value,
        R.FAILED.value,
        R.CHILD_REFUSED.value,
    }
)
"""Reasons of Ready whose Event is a warning."""


_VALID = yes(R.VALID, "The spec can be honoured.")
_UNDECIDED = unknown(R.PENDING, "Not decided yet.")


_STAGES = {
    Stage.STARTING: R.LOADING,
    Stage.IMPORTING: R.IMPORTING,
    Stage.PREPARING_DATA: R.PREPARING,
    Stage.RESTORING: R.LOADING,
    Stage.TRAINING: R.TRAINING,
    Stage.EVALUATING: R.EVALUATING,
    Stage.SAVING: R.SAVING,
    Stage.FINISHED: R.SAVING,  # what is left to do is to register it
}
AT_WORK = frozenset(reason.value for reason in _STAGES.values())
"""Reasons of Ready while all pods run. They follow each other many times in a job's life, so a change from one to
another is in the status and no Event."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What Accepted and Admitted say while Ready goes its way."""

    accepted: Said = _VALID
    admitted: Said = _UNDECIDED


def _said(standing: Standing, ready: Said, **final: Said) -> Wording:
    under_way = no(R.NOT_FINISHED, "The job is under way.")
    stalled = final.get("stalled", under_way)
    return {
        C.ACCEPTED: standing.accepted,
        C.ADMITTED: standing.admitted,
        C.READY: ready,
        C.SUCCEEDED: final.get("succeeded", under_way),
        C.STALLED: stalled,
        # The same for tools that know the word of batch Jobs and not that of kstatus.
        C.FAILED: stalled,
        C.SUSPENDED: final.get("suspended", no(R.NOT_SUSPENDED, "spec.suspend is false.")),
    }


def rejected(reason: str, message: str) -> Wording:
    """Nothing is made until a person changes something."""
    admitted = unknown(R.PENDING, "Not considered: the job is not accepted.")
    return _said(Standing(accepted=no(reason, message), admitted=admitted), no(reason, message))


def waiting(reason: str, message: str) -> Wording:
    """Accepted, but there is no room now."""
    return _said(Standing(admitted=no(reason, message)), no(reason, message))


def managed_elsewhere(manager: str) -> Wording:
    """Not ours to carry out."""
    text = f"spec.managedBy is {manager}: Hostler does nothing for this job, and {manager} writes its status."
    return {C.ACCEPTED: unknown(R.MANAGED_ELSEWHERE, text), C.READY: unknown(R.MANAGED_ELSEWHERE, text)}


def pending(message: str) -> Wording:
    """Something else must end first."""
    return _said(Standing(admitted=unknown(R.PENDING, message)), no(R.PENDING, message))


def placed(text: str) -> Standing:
    """The attempt has its accelerators."""
    return Standing(admitted=yes(R.PLACED, text))


def growing(text: str) -> Standing:
    """The attempt waits for nodes that an autoscaler adds."""
    return Standing(admitted=no(R.WAITING_FOR_NODES, text))


def preparing(reason: R, message: str) -> Wording:
    """The data comes first; accelerators are not asked for yet."""
    admitted = unknown(R.PENDING, "Not in line yet: the data is prepared first.")
    return _said(Standing(admitted=admitted), no(reason, message))


def starting(standing: Standing, message: str) -> Wording:
    """Pods are on their way."""
    return _said(standing, no(R.STARTING, message))


def training(standing: Standing, message: str, *, stage: Stage | None = None) -> Wording:
    """All pods run, and the first process is in this stage."""
    return _said(standing, yes(R.TRAINING if stage is None else _STAGES[stage], message))


def restarting(standing: Standing, message: str) -> Wording:
    """An attempt ends without a result, and still holds its accelerators."""
    return _said(standing, no(R.RESTARTING, message))


def backing_off(reason: str, message: str) -> Wording:
    """An attempt has ended without a result, and the next one is not due yet."""
    return _said(Standing(admitted=no(reason, message)), no(reason, message))


def between(message: str) -> Wording:
    """An attempt has ended without a result, and the next one is due."""
    return _said(Standing(admitted=unknown(R.PENDING, message)), no(R.RESTARTING, message))


def preempted(message: str) -> Wording:
    """It leaves its accelerators to somebody else, or has left them."""
    return _said(Standing(admitted=no(R.PREEMPTED, message)), no(R.PREEMPTED, message))


def registering(standing: Standing, message: str) -> Wording:
    """Trained; the result is not known yet."""
    return _said(standing, yes(R.REGISTERING, message))


def refused(standing: Standing, message: str) -> Wording:
    """The API server will not take a child, or a pod of the Job."""
    return _said(standing, no(R.CHILD_REFUSED, message))


def suspended(message: str) -> Wording:
    """No pods, by the user's wish."""
    return _said(
        Standing(admitted=no(R.SUSPENDED, message)), no(R.SUSPENDED, message), suspended=yes(R.SUSPENDED, message)
    )


def succeeded(model: str) -> Wording:
    """The end that everybody wants. Ready stays True, so that tools which wait for it are done."""
    text = f"Model {model} is registered."
    over = Standing(admitted=no(R.SUCCEEDED, "The job has ended and holds no accelerators."))
    return _said(over, yes(R.SUCCEEDED, text), succeeded=yes(R.SUCCEEDED, text), stalled=no(R.SUCCEEDED, text))


def failed(reason: str, message: str) -> Wording:
    """The end for good."""
    over = Standing(admitted=no(R.FAILED, "The job has ended and holds no accelerators."))
    return _said(over, no(R.FAILED, message), succeeded=no(R.FAILED, message), stalled=yes(reason, message))
