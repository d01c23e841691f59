"""Workloads as admission knows them: who a pod belongs to, and what a status says is reserved."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from hostler.api.common import Conditions
from hostler.api.conditions import find
from hostler.api.estimate import JobEstimate
from hostler.api.placement import NodeSeats, Placement
from hostler.api.queueposition import QueuePosition, ToldStart
from hostler.api.trainingjob import OURS
from hostler.controllers.ports import Object
from hostler.manifests import naming
from hostler.planning import moments
from hostler.planning.remaining import Work, remaining
from hostler.planning.resources import CPU, Resources, amount_of
from hostler.planning.verdicts import Obstacle, Place, Seats, ToldForecast, Wait, Workload

WORKLOADS = {"TrainingJob": naming.TRAINING_JOB, "InferenceService": naming.INFERENCE_SERVICE}
"""Kinds that ask for seats, with the label of their pods."""
_ENDS = frozenset({"Succeeded", "Stalled"})
_OBSTACLES = {obstacle.value: obstacle for obstacle in Obstacle}


def is_managed_elsewhere(obj: Object) -> bool:
    """Whether a job names another controller than this one."""
    manager = (obj.get("spec") or {}).get("managedBy")
    return obj["kind"] == "TrainingJob" and manager not in (None, OURS)


def workload_of(obj: Object) -> Workload:
    """The name under which one of our objects asks."""
    return Workload(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def workload_of_pod(pod: Object) -> Workload | None:
    """Whose seats a pod may sit on; None for strangers.

    A label is enough here: a pod with a label of ours can sit on the seats of a workload of its own namespace, where
    it could stop that workload anyway, and beyond those seats it counts like anybody.
    """
    labels = pod["metadata"].get("labels") or {}
    if labels.get(naming.MANAGED_BY) != naming.MANAGER:
        return None
    for kind, label in WORKLOADS.items():
        if name := labels.get(label):
            return Workload(kind, pod["metadata"].get("namespace", ""), name)
    return None


def placement_of(obj: Object) -> Placement | None:
    """What a workload holds; nothing once it has ended, though its status still says where it was, and nothing here
    where the status is another controller's, which may speak of another cluster."""
    status = obj.get("status") or {}
    found = status.get("placement")
    if not found or not found.get("nodes") or is_managed_elsewhere(obj):
        return None
    true = {c["type"] for c in status.get("conditions") or () if c.get("status") == "True"}
    if true & _ENDS:
        return None
    try:
        return Placement.model_validate(found)
    except ValidationError:
        # Of another release: its pods count by themselves.
        return None


def work_of(job: Object, *, told: JobEstimate | None = None) -> Work:
    """What a job has to do and has done, out of a stored object, which may be of another release. ``told`` is an
    estimate that is not in its status yet."""
    spec, status = job.get("spec") or {}, job.get("status") or {}
    progress, retry = status.get("progress") or {}, status.get("retry") or {}
    return Work(
        steps=int((spec.get("training") or {}).get("steps") or 0),
        kept=int(progress.get("checkpointStep") or 0),
        spent=float(retry.get("activeSeconds") or 0),
        said=_seconds(spec.get("estimatedDuration")),
        estimated=_estimated(status, told),
        told=_seconds(progress.get("eta")),
    )


def _estimated(status: Object, told: JobEstimate | None) -> float | None:
    if told is not None:
        return None if told.duration is None else _seconds(told.duration.expected)
    return _seconds(((status.get("estimate") or {}).get("duration") or {}).get("expected"))


def seconds_left(obj: Object, *, now: str) -> float | None:
    """Seconds until a workload that has its seats gives them back, by its own word; None where it has none. Below zero
    where it is past what it said."""
    if obj["kind"] != "TrainingJob":
        return None
    conditions = (obj.get("status") or {}).get("conditions") or ()
    # Admitted is False while the pool still grows for it: nothing runs yet.
    since = next((c.get("lastTransitionTime") for c in conditions if _is_admitted(c)), None)
    return remaining(work_of(obj), running=moments.elapsed(since, now=now) if since else 0.0)


def _is_admitted(condition: Object) -> bool:
    return bool(condition["type"] == "Admitted" and condition.get("status") == "True")


def _seconds(shown: Any) -> float | None:
    return moments.seconds_of(shown) if isinstance(shown, str) else None


def seats_of(placement: Placement | None) -> Seats:
    """Pods by node, as a status has them."""
    return {} if placement is None else {seat.name: seat.pods for seat in placement.nodes}


def told_obstacle(conditions: Conditions, *, generation: int) -> Obstacle | None:
    """What a status says that its workload waits for, where it speaks of this spec."""
    admitted = find(conditions, "Admitted")
    if admitted is None or admitted.status != "False" or admitted.observed_generation != generation:
        return None
    return _OBSTACLES.get(admitted.reason)


def place_in_line(queue: QueuePosition | None) -> Place | None:
    """What a status says of a place in line."""
    if queue is None:
        return None
    forecast = None
    if queue.told and queue.expected_start and queue.earliest_start and queue.latest_start:
        forecast = ToldForecast(
            at=queue.told,
            expected=queue.expected_start,
            earliest=queue.earliest_start,
            latest=queue.latest_start,
        )
    first = None
    if queue.first is not None:
        first = ToldForecast(
            at=queue.first.told,
            expected=queue.first.expected_start,
            earliest=queue.first.earliest_start,
            latest=queue.first.latest_start,
        )
    return Place(position=queue.position, waiting=queue.waiting, forecast=forecast, first=first)


def queue_position(wait: Wait, *, since: str, message: str, would_start: str) -> QueuePosition | None:
    """A place in line as a status says it; None of who is in none."""
    place = wait.place
    if place is None:
        return None
    told, first = place.forecast, place.first
    return QueuePosition(
        position=place.position,
        waiting=place.waiting,
        since=since,
        expected_start=told.expected if told else None,
        earliest_start=told.earliest if told else None,
        latest_start=told.latest if told else None,
        told=told.at if told else None,
        first=ToldStart(
            told=first.at, expected_start=first.expected, earliest_start=first.earliest, latest_start=first.latest
        )
        if first
        else None,
        message=message,
        would_start=would_start or None,
    )


def need_of(placement: Placement) -> Resources:
    """What each pod counts with, as a status has it."""
    return {name: amount_of(name, amount) for name, amount in (placement.requests or {}).items()}


def placement_with(
    seats: Seats,
    *,
    need: Resources,
    pool: str,
    accelerator_type: str,
    per_pod: int,
    priority: int,
    deadline: str | None,
) -> Placement:
    """A reservation as it stands in a status."""
    return Placement(
        pool=pool,
        accelerator_type=accelerator_type,
        pods=sum(seats.values()),
        per_pod=per_pod,
        nodes=tuple(NodeSeats(name=name, pods=seats[name]) for name in sorted(seats)),
        requests={name: f"{amount}m" if name == CPU else str(amount) for name, amount in sorted(need.items())},
        priority=priority or None,
        deadline=deadline,
    )
