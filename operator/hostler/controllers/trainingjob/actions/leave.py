"""An attempt that ends for somebody else, or for its own size: nobody's fault, so it costs no restart and no
disruption."""

from __future__ import annotations

from hostler.api.placement import NodeSeats
from hostler.api.preempted import Beneficiary, Preempted
from hostler.controllers.plan import Plan
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import accounting, progress, sentences, wording
from hostler.controllers.trainingjob.actions.over import SOON_SECONDS, kept
from hostler.controllers.trainingjob.leaving import keeps
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.report import KEEP, Report, plan_of
from hostler.planning.verdicts import Seats


def preempted(seen: Observed, settings: Settings) -> Plan:
    """Write down for whom and why, and that the attempt is over at no cost. Only then may a pod be stopped: whoever
    reads this after a crash goes on, and nobody takes the end of the pods for a failure."""
    return _noted(seen, sentences.at_stake(seen))


def called_away(seen: Observed, settings: Settings) -> Plan:
    """The same where nothing runs: the seat that it has kept for its next attempt goes."""
    return _noted(seen, "None of its pods runs, so no work is lost.")


def _noted(seen: Observed, lost: str) -> Plan:
    assert seen.preemption is not None  # the policies' states have one
    told = seen.preemption
    text = f"{sentences.leaves_for(str(told.by), told.why.value)} {lost} {_after(told.keeps)}"
    before = seen.status.preempted
    note = Preempted(
        by=Beneficiary(kind=told.by.kind, namespace=told.by.namespace, name=told.by.name),
        why=told.why.value,
        at=seen.now,
        count=1 if before is None else before.count + 1,
        attempt=seen.latest,
        keeps=tuple(NodeSeats(name=name, pods=pods) for name, pods in sorted(told.keeps.items())),
    )
    return plan_of(seen, _closed(seen, said=wording.preempted(text), note=note), requeue=SOON_SECONDS)


def growing(seen: Observed, settings: Settings) -> Plan:
    """The attempt is over at no cost; what it holds stays for the next one, which takes what there is beside it."""
    text = (
        f"There is room for more pods, and nobody waits for it: the next attempt has them. {sentences.at_stake(seen)}"
    )
    return plan_of(seen, _closed(seen, said=wording.between(text)), requeue=SOON_SECONDS)


def giving_back(seen: Observed, settings: Settings) -> Plan:
    """The last pod has ended: what was to be left is anybody's, and the next attempt is asked for."""
    stays, placement = keeps(seen), seen.status.placement
    assert placement is not None  # the policy's state has one
    rest = None
    if stays:
        nodes = tuple(NodeSeats(name=name, pods=pods) for name, pods in sorted(stays.items()))
        rest = placement.model_copy(update={"nodes": nodes, "pods": sum(stays.values())})
    said = wording.preempted(f"{sentences.preempted_for(seen)} {_after(stays)}")
    return plan_of(seen, Report(said=said, placement=rest), requeue=SOON_SECONDS)


def _closed(seen: Observed, *, said: wording.Wording, note: Preempted | None = None) -> Report:
    return Report(
        said=said,
        attempt=seen.latest,
        retry=accounting.closed(seen, number=seen.latest),
        blocked_since=None,
        preempted=KEEP if note is None else note,
        # Pods that still end hold what they had: nobody may be promised it before.
        placement=kept(seen),
        progress=progress.interrupted(seen.status.progress),
    )


def _after(stays: Seats) -> str:
    pods = sum(stays.values())
    return f"It goes on with {sentences.pods(pods)}." if pods else "It is in line again, with its age."
