"""A seat for the next attempt: the one question that a job puts to admission.

Everything that policies and actions know of other workloads is in the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hostler.api.placement import Placement
from hostler.api.queueposition import QueuePosition
from hostler.api.trainingjob import TrainingJobSpec
from hostler.controllers.trainingjob.preparing import Preparing
from hostler.controllers.workloads import need_of, place_in_line, queue_position, seats_of
from hostler.planning.acceptance import PoolChoice
from hostler.planning.jobacceptance import ask_of_job
from hostler.planning.placement import Ask, loss_sentence, wait_sentence, ways_sentence
from hostler.planning.pools import PoolView
from hostler.planning.priorities import NO_CLASS, Priority
from hostler.planning.rejection import Rejection
from hostler.planning.resources import Resources
from hostler.planning.verdicts import Admit, Obstacle, Request, Seats, TakeBack, Verdict, Workload
from hostler.planning.volumes import Reach

AskFor = Callable[[Request], Verdict | None]


@dataclass(frozen=True, kw_only=True)
class Seat:
    """The next attempt may begin."""

    seats: Seats
    need: Resources
    """Of each pod."""
    view: PoolView
    priority: int
    """Value of the job's PriorityClass."""

    @property
    def pods(self) -> int:
        """How many pods it has."""
        return sum(self.seats.values())


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """It is in line."""

    obstacle: Obstacle
    message: str
    queue: QueuePosition | None = None


@dataclass(frozen=True)
class Considered:
    """It is in line, and there is nothing to say that status does not say: another answer wakes the job."""


SeatVerdict = Seat | Waiting | Considered | Preparing | Rejection


def find_seat(
    spec: TrainingJobSpec,
    *,
    workload: Workload,
    since: str,
    choice: PoolChoice,
    placement: Placement | None,
    lost: TakeBack | None,
    ask: AskFor,
    volumes: tuple[Reach, ...] = (),
    told: Obstacle | None = None,
    queue: QueuePosition | None = None,
    priority: Priority = NO_CLASS,
    estimate: float | None = None,
) -> SeatVerdict:
    """Where the next attempt sits, or why it does not yet. ``spec`` is one that is accepted.

    ``placement`` is what status says the job holds: the seat of the last attempt, which is kept for the next one, or
    one that was granted and written down, and whose Job a crash kept from being made. ``volumes`` are those
    that the pods mount and that not every node can mount. ``told`` is what status says that the job waits for,
    ``queue`` where in line, and ``estimate`` how many seconds what is left of its work takes.
    """
    view = choice.view
    assert view is not None  # a missing pool is a rejection
    needed = replace(ask_of_job(spec, pool=view.pool), namespace=workload.namespace)
    if placement is not None and not _is_still_asked_for(placement, spec, needed, view):
        placement = None
    held = seats_of(placement)
    if placement is not None and placement.deadline is not None and held:
        if lost is not None:
            return Waiting(obstacle=Obstacle.WAITING_FOR_CAPACITY, message=loss_sentence(lost))
        return Seat(seats=held, need=needed.need, view=view, priority=priority.value)
    request = Request(
        workload=workload,
        pool=view.pool.name,
        least=needed.least,
        most=needed.most,
        need=needed.need,
        since=since,
        holding=held,
        held_need=_held_need(placement, needed),
        volumes=volumes,
        told=told,
        place=place_in_line(queue),
        priority=priority.value,
        preempts=priority.preempts,
        estimate=estimate,
        topology=spec.accelerators.topology,
    )
    return _answer(ask(request), needed, view, since=since, priority=priority.value)


def _held_need(placement: Placement | None, needed: Ask) -> Resources | None:
    """What pods of the seat that it holds count with, where that is not what pods of the next attempt ask for."""
    if placement is None or placement.requests is None:
        return None
    held = need_of(placement)
    return held if held != needed.need else None


def _is_still_asked_for(placement: Placement, spec: TrainingJobSpec, needed: Ask, view: PoolView) -> bool:
    """Whether the seat that status has is one that this spec asks for: the spec may have changed while the job was
    suspended, and the job was resumed before its last pods had ended."""
    return (
        placement.pool == view.pool.name
        and placement.per_pod == spec.accelerators.per_pod
        and needed.least <= placement.pods <= needed.most
    )


def _answer(verdict: Verdict | None, needed: Ask, view: PoolView, *, since: str, priority: int) -> SeatVerdict:
    match verdict:
        case Admit():
            return Seat(seats=verdict.seats, need=needed.need, view=view, priority=priority)
        case TakeBack():
            return Waiting(obstacle=Obstacle.WAITING_FOR_CAPACITY, message=loss_sentence(verdict))
        case None:
            return Considered()
    message = wait_sentence(view.pool, needed, verdict)
    would = ways_sentence(view.pool, needed, verdict.ways) if verdict.ways is not None else ""
    queue = queue_position(verdict, since=since, message=message, would_start=would)
    return Waiting(obstacle=verdict.obstacle, message=message, queue=queue)
