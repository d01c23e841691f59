"""The next attempt: refused, in line, or begun."""

from __future__ import annotations

from hostler.api.trainingjob import Placement
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import children, progress, sentences, wording
from hostler.controllers.trainingjob.decision import Decision
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.report import Report, plan_of
from hostler.controllers.trainingjob.seat import Seat
from hostler.manifests.naming import attempt_name
from hostler.planning.acceptance import ask_of_job
from hostler.planning.demand import Demand
from hostler.planning.placement import Waiting
from hostler.planning.rejection import Rejection


def rejected(seen: Observed, settings: Settings) -> Decision:
    """Say which field is in the way. Nothing is left half-made."""
    no = seen.verdict
    assert isinstance(no, Rejection)
    return _not_yet(seen, wording.rejected(no.reason, no.message), settings)


def waiting(seen: Observed, settings: Settings) -> Decision:
    """Say what is in use, and what would let it run."""
    no = seen.verdict
    assert isinstance(no, Waiting)
    return _not_yet(seen, wording.waiting(no.obstacle.value, no.message), settings)


def placed(seen: Observed, settings: Settings) -> Decision:
    """Write the attempt's children, the Job last, and promise its seat to nobody else."""
    seat, number = seen.verdict, seen.latest + 1
    assert isinstance(seat, Seat)
    wanted = children.attempt_children(seen, number=number, pods=seat.pods, view=seat.view, settings=settings)
    standing = wording.placed(sentences.placement(seen, count=seat.pods))
    # The same words as in the next look, which would else be a write of its own.
    text = f"{sentences.starting(number, running=0, size=seat.pods)}."
    report = Report(
        said=wording.starting(standing, text),
        attempt=number,
        blocked_since=None,
        placement=_placement(seen, seat),
        progress=progress.interrupted(seen.status.progress),
        start_time=seen.status.start_time or seen.now,
    )
    need = ask_of_job(seen.spec, resource=seat.view.pool.resource).need
    name = attempt_name(seen.name, number)
    demand = Demand(owner=f"{seen.namespace}/{name}", pool=seat.view.pool.name, pods=seat.pods, need=need)
    plan = plan_of(seen, report, apply=wanted, delete=seen.obsolete, requeue=settings.recheck_seconds)
    return Decision(plan=plan, promise=(name, demand))


def _not_yet(seen: Observed, said: wording.Wording, settings: Settings) -> Decision:
    report = Report(said=said, placement=None, progress=progress.interrupted(seen.status.progress))
    return Decision(plan=plan_of(seen, report, requeue=settings.recheck_seconds))


def _placement(seen: Observed, seat: Seat) -> Placement:
    accelerators = seen.spec.accelerators
    return Placement(
        pool=accelerators.pool,
        accelerator_type=seat.view.pool.spec.accelerator_type,
        pods=seat.pods,
        per_pod=accelerators.per_pod,
    )
