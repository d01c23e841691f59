"""The seats of a service: what it is given, what it has to wait for, and what of it its status is to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hostler.api.conditions import find
from hostler.api.placement import Placement
from hostler.api.queueposition import QueuePosition
from hostler.controllers.inferenceservice.observed import Observed
from hostler.controllers.workloads import (
    need_of,
    place_in_line,
    placement_with,
    queue_position,
    seats_of,
    told_obstacle,
)
from hostler.planning import moments
from hostler.planning import pods as read
from hostler.planning.placement import loss_sentence, wait_sentence, ways_sentence
from hostler.planning.pools import PoolView
from hostler.planning.resources import Resources
from hostler.planning.seats import gated, occupied, together
from hostler.planning.serviceacceptance import ask_of_service
from hostler.planning.serviceseats import Holding, Wish, settled, wish
from hostler.planning.verdicts import Admit, Obstacle, Request, Seats, TakeBack, Verdict, Wait, Workload

AskFor = Callable[[Request], Verdict | None]


@dataclass(frozen=True, kw_only=True)
class Seating:
    """The answer of admission, in terms of this service."""

    seats: Seats = field(default_factory=dict)
    """What is reserved for it now."""
    need: Resources = field(default_factory=dict)
    """Of each pod."""
    enough: bool = False
    """Whether every replica has a seat."""
    surge: bool = False
    """Whether there is a seat for one more, while replicas are replaced."""
    answered: bool = True
    """Whether admission has looked at what was asked."""
    obstacle: Obstacle | None = None
    waits: str = ""
    """Why a replica has no seat, as a sentence."""
    said: bool = False
    """Whether this is the sentence that the status has, which stands until there is an answer."""
    queue: QueuePosition | None = None
    """Where it stands in line for one."""


def workload_of(seen: Observed) -> Workload:
    """The name under which a service asks."""
    return Workload("InferenceService", seen.namespace, seen.name)


def find_seats(
    seen: Observed, *, view: PoolView, replacing: bool, lost: TakeBack | None, ask: AskFor
) -> tuple[Seating, bool]:
    """Where the replicas sit, and whether anything was asked for. ``replacing`` is whether a rollout is under way or is
    about to begin."""
    replicas = seen.spec.pods.max
    needed = replace(ask_of_service(seen.spec, pool=view.pool), namespace=seen.namespace)
    holding = _holding(seen, lost)
    wanted = wish(
        holding,
        need=needed.need,
        replicas=replicas,
        usable={node.name for node in view.nodes if not node.obstacle},
        growing=seen.rollout is None or seen.rollout.wanted < replicas,
        replacing=replacing,
    )
    need = needed.need if wanted.again or not holding.seats else holding.need
    if wanted.nothing:
        arrived = seen.rollout is not None and seen.rollout.complete and not replacing
        seats = settled(wanted.seats, occupied=holding.occupied, replicas=replicas) if arrived else wanted.seats
        return _seating(seats, need=need, replicas=replicas), False
    # What it has it keeps meanwhile, though it may not be what it needs.
    kept = holding.seats or holding.occupied
    short = max(sum(kept.values()), sum(wanted.seats.values())) < replicas
    standing = told_obstacle(seen.status.conditions, generation=seen.generation)
    request = _request(seen, wanted, view=view, need=needed.need, holding=holding, told=standing)
    verdict, queue, said = ask(request), None, False
    match verdict:
        case Admit():
            beside = {} if wanted.again else wanted.seats
            seats = together(beside, verdict.seats, verdict.surge)
            return _seating(seats, need=need, replicas=replicas), True
        case Wait():
            text, obstacle = wait_sentence(view.pool, needed, verdict), verdict.obstacle
            would = ways_sentence(view.pool, needed, verdict.ways) if verdict.ways is not None else ""
            queue = queue_position(verdict, since=request.since, message=text, would_start=would)
        case TakeBack():
            text, obstacle = loss_sentence(verdict), Obstacle.WAITING_FOR_CAPACITY
        case None if standing is not None and short:
            # A process that has just started: what an earlier one has said still holds.
            text, obstacle, said, queue = _admitted_sentence(seen), standing, True, seen.status.queue
        case None:
            return replace(_seating(wanted.seats, need=need, replicas=replicas), answered=False), True
    enough = sum(wanted.seats.values()) >= replicas
    waiting = Seating(seats=kept, need=need, enough=enough, obstacle=obstacle, waits=text, said=said, queue=queue)
    return waiting, True


def _admitted_sentence(seen: Observed) -> str:
    admitted = find(seen.status.conditions, "Admitted")
    return admitted.message if admitted is not None else ""


def _seating(seats: Seats, *, need: Resources, replicas: int) -> Seating:
    total = sum(seats.values())
    return Seating(seats=seats, need=need, enough=total >= replicas, surge=total > replicas)


def _holding(seen: Observed, lost: TakeBack | None) -> Holding:
    placement = seen.status.placement
    where = occupied(seen.pods)
    seats = seats_of(placement)
    if lost is not None:
        # Only what was awaited is lost: where pods sit, they stay.
        seats = {node: min(pods, where.get(node, 0)) for node, pods in seats.items() if where.get(node, 0)}
    return Holding(
        seats=seats,
        need=need_of(placement) if placement is not None else {},
        occupied=where,
        gated=sum(1 for pod in seen.pods if gated(pod) and not read.is_terminating(pod)),
    )


def _request(
    seen: Observed, wanted: Wish, *, view: PoolView, need: Resources, holding: Holding, told: Obstacle | None
) -> Request:
    count = seen.spec.pods.max if wanted.again else wanted.missing
    return Request(
        workload=workload_of(seen),
        pool=view.pool.name,
        least=count,
        most=count,
        need=need,
        since=str(seen.service["metadata"].get("creationTimestamp") or ""),
        holding=wanted.seats if wanted.again else {},
        held_need=holding.need if wanted.again else None,
        beside={} if wanted.again else wanted.seats,
        surge=wanted.surge,
        spread=seen.spec.availability.spread,
        volumes=seen.volumes,
        priority=seen.priority.value,
        preempts=seen.priority.preempts,
        topology=seen.spec.accelerators.topology,
        told=told,
        place=place_in_line(seen.status.queue),
    )


def placement_of(seen: Observed, seating: Seating, view: PoolView, *, now: str, grace: float) -> Placement | None:
    """What status says is reserved. It is the same as before, deadline and all, where the seats are."""
    before, priority = seen.status.placement, seen.priority.value or None
    if not seating.seats:
        return None
    rollout = seen.rollout
    arrived = rollout is not None and rollout.complete
    if before is not None and seats_of(before) == dict(seating.seats) and need_of(before) == seating.need:
        return before.model_copy(update={"priority": priority} | ({"deadline": None} if arrived else {}))
    had = seats_of(before)
    grows = any(pods > had.get(node, 0) for node, pods in seating.seats.items())
    return placement_with(
        seating.seats,
        need=seating.need,
        pool=view.pool.name,
        accelerator_type=view.pool.spec.accelerator_type,
        per_pod=seen.spec.accelerators.per_pod,
        priority=seen.priority.value,
        deadline=None if arrived and not grows else moments.later(now, seconds=grace),
    )
