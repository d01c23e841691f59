"""Sentences that several states share."""

from __future__ import annotations

from hostler.controllers.trainingjob import wording
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.planning import moments
from hostler.planning import pods as read
from hostler.planning.poolgrowth import PATIENCE, awaited, startup_seconds
from hostler.planning.pools import some
from hostler.planning.verdicts import Preemption, Seats


def pods(count: int) -> str:
    """``1 pod``, ``2 pods``."""
    return f"{count} pod" if count == 1 else f"{count} pods"


def placement(seen: Observed, *, count: int) -> str:
    """What an attempt of so many pods holds."""
    each = seen.spec.accelerators
    return f"{pods(count)} with {each.per_pod} each on pool {each.pool}."


def standing(seen: Observed, seats: Seats, *, bound: int = 0) -> wording.Standing:
    """What an attempt on these seats, of which so many pods are bound, holds or waits for: nodes that are to come."""
    count, view = sum(seats.values()), seen.pool.view
    waiting = min(awaited(seats), count - bound)
    scaling = view.pool.spec.scaling if view is not None else None
    if not waiting or view is None or scaling is None:
        return wording.placed(placement(seen, count=count))
    waits = "waits" if waiting == 1 else "wait"
    limit = moments.duration(PATIENCE * startup_seconds(scaling))
    return wording.growing(
        f"{pods(waiting)} of {count} {waits} for nodes that an autoscaler adds to pool {view.pool.name}, "
        f"usually within {scaling.startup_time}; given up after {limit} at the soonest."
    )


def waits_for_end(seen: Observed) -> str:
    """Which pods have to end first, and what lets them where nobody can confirm it."""
    if not seen.unended:
        return "Waits for its Job to end."
    text = f"Waits for the end of {some([f'pod {read.name(pod)}' for pod in seen.unended])}."
    if seen.lost_nodes:
        text += (
            f" Node {some(list(seen.lost_nodes))} is not ready, so nobody can confirm that end: it comes when the node "
            "returns, is deleted, or gets the taint node.kubernetes.io/out-of-service:NoExecute."
        )
    return text


_WHY = {
    Preemption.PRIORITY: "whose priority is higher",
    Preemption.QUOTA: "whose quota it has borrowed",
    Preemption.OVERDUE: "because it is past its estimatedDuration and others wait",
    Preemption.REPLICA: "which serves and needs another replica",
}


def preempted_for(seen: Observed) -> str:
    """For whom it leaves, and why."""
    told = seen.status.preempted
    assert told is not None  # of a job that leaves
    return leaves_for(f"{told.by.kind} {told.by.namespace}/{told.by.name}", told.why)


def leaves_for(whom: str, why: str) -> str:
    """Likewise, before status has it."""
    reason = _WHY.get(Preemption(why), "") if why in set(Preemption) else ""
    return f"Preempted for {whom}{f', {reason}' if reason else ''}."


def at_stake(seen: Observed) -> str:
    """What a job that is to leave may lose: no more than the step it is in, where it can save its state."""
    found = seen.status.progress
    if found is None or found.step == 0:
        return "It has made no step yet, so only its start is lost."
    saved = max(found.checkpoint_step or 0, found.resumed_from_step or 0)
    rest = f"goes on from the checkpoint of step {saved}" if saved else "has no checkpoint yet, and begins anew"
    return (
        f"Its pods are asked to save their state at step {found.step} of {found.total_steps} and end; where they "
        f"cannot, it {rest}."
    )


def training(attempt: Attempt) -> str:
    """How many pods run, and how many are done already."""
    done, text = len(attempt.done), f"{pods(attempt.size)} of attempt {attempt.number}"
    if not done:
        return f"All {text} run." if attempt.size > 1 else f"The pod of attempt {attempt.number} runs."
    # The Job says so a moment later than its pods; until then nothing has begun anew.
    rest = "others still run" if done < attempt.size else "the end of the Job is awaited"
    return f"{done} of {text} finished; {rest}."


def starting(number: int, *, running: int, size: int) -> str:
    """How many of the pods run already."""
    return f"{running} of {pods(size)} of attempt {number} run"
