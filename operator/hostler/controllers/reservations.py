"""From a stored workload to what it holds, in the planner's words: all that preemption, quotas and shares ask about it.

Everything is read from spec and status, so that a process that has just started knows what the one before it knew. On
the planner's clock are moments that were written on the wall clock: they are right to whole seconds, which is enough to
compare victims, and never decide alone whether somebody is stopped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from hostler.api.common import Topology
from hostler.api.placement import Placement
from hostler.api.trainingjob import TrainingJobSpec
from hostler.controllers.ports import Clock
from hostler.controllers.workloads import is_managed_elsewhere, need_of, seats_of, work_of, workload_of
from hostler.planning import moments
from hostler.planning.jobacceptance import ask_of_job
from hostler.planning.pools import Pool
from hostler.planning.shares import PastUse
from hostler.planning.verdicts import Reservation, Seats, Workload

Object = dict[str, Any]


def read_reservation(
    obj: Object,
    placement: Placement,
    *,
    deadline: float | None,
    before: Reservation | None,
    pool: Pool | None,
    clock: Clock,
) -> Reservation:
    """What a workload holds, by its status."""
    held = Reservation(
        workload=workload_of(obj),
        pool=placement.pool,
        need=need_of(placement),
        seats=seats_of(placement),
        deadline=deadline,
        priority=placement.priority or 0,
        since=str(obj["metadata"].get("creationTimestamp") or ""),
    )
    if obj["kind"] != "TrainingJob":
        return held
    least, most = _bounds(obj, placement, pool)
    held = replace(held, least=least, most=most)
    by, kept = leaving(obj)
    if by is not None and deadline is None and held.seats != kept:
        known = before.leaving_since if before is not None and before.leaving_for == by else None
        told = _on_our_clock(_told_at(obj, clock), clock) if known is None else known
        held = replace(held, leaving_for=by, keeps=kept, leaving_since=told)
    placed = _placed_since(obj)
    if placed is None:
        return held
    # Read once: a wall clock that jumps later must not put everybody past its estimate.
    known = before.started if before is not None and before.placed == placed else None
    started = _on_our_clock(placed, clock) if known is None else known
    now, work = clock.monotonic(), work_of(obj)
    return replace(
        held,
        started=started,
        placed=placed,
        saved=_saved(obj, started=started, now=now),
        due=None if work.said is None else started + max(0.0, work.said - work.spent),
    )


def leaving(job: Object) -> tuple[Workload | None, Seats]:
    """For whom the newest attempt of a job was ended, where no other has begun, and the seats with which it goes on."""
    status = job.get("status") or {}
    told, number = status.get("preempted") or {}, status.get("attempt")
    after = (status.get("retry") or {}).get("after", -1)
    if not told or told.get("attempt") is None or told["attempt"] != number or number > after:
        return None, {}
    by = told.get("by") or {}
    whom = Workload(str(by.get("kind")), str(by.get("namespace")), str(by.get("name")))
    return whom, {str(seat["name"]): int(seat["pods"]) for seat in told.get("keeps") or ()}


def _told_at(job: Object, clock: Clock) -> str:
    return str(((job.get("status") or {}).get("preempted") or {}).get("at") or clock.now())


def chapter(job: Object) -> tuple[int, int]:
    """Preemptions and the newest closed attempt: what is told of a job before holds no more once this has changed."""
    status = job.get("status") or {}
    return int((status.get("preempted") or {}).get("count") or 0), int((status.get("retry") or {}).get("after", -1))


def past_use(obj: Object, placement: Placement | None, *, clock: Clock) -> list[PastUse]:
    """What a workload has used before this process watches it: what it holds now since it holds it, and of a job the
    attempts that are over, as if the last of them had just ended when the job came to rest."""
    found: list[PastUse] = []
    if is_managed_elsewhere(obj):
        return found  # Its status is another controller's, which may speak of another cluster.
    if placement is not None and (placed := _placed_since(obj)):
        found.append(_use(obj, placement, seconds=_seconds_since(placed, clock), ago=0.0))
    status = obj.get("status") or {}
    if obj["kind"] == "TrainingJob" and (spent := _spent(status)) > 0 and (last := _last_placement(obj, placement)):
        rested = status.get("completionTime") or _since(obj)
        ago = moments.elapsed(rested, now=clock.now()) if rested else 0.0
        found.append(_use(obj, last, seconds=spent, ago=max(0.0, ago)))
    return found


def estimate_ratio(job: Object) -> tuple[str, float] | None:
    """The pool of a job, and the time that it took until it succeeded by the time that its user has said, or else the
    estimator. None where
    either is not known: of one with several attempts nobody has written down how long the last one took."""
    status = job.get("status") or {}
    started, completed = status.get("startTime"), status.get("completionTime")
    if not (started and completed) or _had_earlier_attempts(status):
        return None  # As of nearly every change: a job that runs tells its progress again and again.
    work = work_of(job)
    said = work.said if work.said is not None else work.estimated
    succeeded = any(c["type"] == "Succeeded" and c["status"] == "True" for c in status.get("conditions") or ())
    if not (succeeded and said):
        return None
    pool = str((job["spec"].get("accelerators") or {}).get("pool") or (status.get("choice") or {}).get("pool") or "")
    return pool, max(0.0, moments.elapsed(started, now=completed)) / said


def _had_earlier_attempts(status: Object) -> bool:
    active = float((status.get("retry") or {}).get("activeSeconds") or 0)
    return bool(active or status.get("restarts") or status.get("disruptions"))


def _use(obj: Object, placement: Placement, *, seconds: float, ago: float) -> PastUse:
    namespace = obj["metadata"].get("namespace", "")
    need = need_of(placement)
    return PastUse(pool=placement.pool, namespace=namespace, pods=placement.pods, need=need, seconds=seconds, ago=ago)


def _spent(status: Object) -> float:
    """Seconds of attempts that are over. One that succeeded is not counted among them; of a job with one attempt it is
    known how long that took."""
    started, completed = status.get("startTime"), status.get("completionTime")
    if started and completed and not _had_earlier_attempts(status):
        return max(0.0, moments.elapsed(started, now=completed))
    return float((status.get("retry") or {}).get("activeSeconds") or 0)


def _last_placement(obj: Object, placement: Placement | None) -> Placement | None:
    if placement is not None:
        return placement
    try:
        # Of a job that has ended, or is in line again, what it held last; where that is not known, nothing is made up.
        return Placement.model_validate((obj.get("status") or {}).get("placement"))
    except ValidationError:
        return None


def _since(obj: Object) -> str | None:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c.get("lastTransitionTime") for c in conditions if c["type"] == "Admitted"), None)


def _placed_since(obj: Object) -> str | None:
    """Since when it has its seats; None where it is not said to have any."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    kind = "Admitted" if obj["kind"] == "TrainingJob" else "Ready"
    return next((c.get("lastTransitionTime") for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def _seconds_since(moment: str, clock: Clock) -> float:
    return max(0.0, moments.elapsed(moment, now=clock.now()))


def _on_our_clock(moment: str, clock: Clock) -> float:
    return clock.monotonic() - _seconds_since(moment, clock)


def _saved(job: Object, *, started: float, now: float) -> float | None:
    """When the newest checkpoint of the running attempt was complete, if its steps took equally long each; None where
    it has none."""
    progress = (job.get("status") or {}).get("progress") or {}
    step, saved = int(progress.get("step") or 0), int(progress.get("checkpointStep") or 0)
    first = int(progress.get("resumedFromStep") or 0)
    if saved <= first or step <= first:
        return None
    return now - (now - started) * max(0, step - saved) / (step - first)


def _bounds(job: Object, placement: Placement, pool: Pool | None) -> tuple[int | None, int | None]:
    """Fewest and most pods, where the job may have fewer or more than it has."""
    wanted = (job.get("spec") or {}).get("pods") or {}
    least, most = int(wanted.get("min") or 1), int(wanted.get("max") or 1)
    if most > placement.pods:
        most = _most(job, pool) or placement.pods
    return least if least < placement.pods else None, most if most > placement.pods else None


def _most(job: Object, pool: Pool | None) -> int | None:
    """Pods that it could use: each process needs a sequence of its own. None where that cannot be known, and where all
    must be in one domain: seats beside those that it keeps might be in another."""
    if pool is None:
        return None
    try:
        spec = TrainingJobSpec.model_validate(job["spec"])
    except ValidationError:
        return None
    return None if spec.accelerators.topology is Topology.REQUIRED else ask_of_job(spec, pool=pool).most
