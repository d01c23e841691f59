"""Which pool a job has that says what it needs instead of naming one. From the choice on, its spec has that pool in it,
and everything after this works as if a person had named it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hostler.api.choice import MOST_RANKED, PoolDecision, RankedPool
from hostler.api.measures import Measurement, Money
from hostler.api.trainingjob import TrainingJobSpec, TrainingJobStatus, TrainingReason
from hostler.controllers.estimates import KnownMeasurements, told_estimate
from hostler.controllers.ports import Admission, Reader
from hostler.controllers.trainingjob.estimating import expected
from hostler.controllers.trainingjob.observed import Observed
from hostler.planning import moments
from hostler.planning.choice import Candidate, Ranked, better, rank, unsuited
from hostler.planning.estimate.estimate import Subject, estimate_job
from hostler.planning.jobacceptance import ask_of_job
from hostler.planning.limits import reject_limits
from hostler.planning.pools import PoolView
from hostler.planning.priorities import Priority
from hostler.planning.rejection import Rejection
from hostler.planning.verdicts import Request, Workload
from hostler.planning.volumes import Reach

_PATH = "spec.accelerators.choose"
_SHOWN = 4
"""Pools that a sentence names with the reason for which each cannot hold the job."""

Reject = Callable[[Observed], Rejection | None]


def assigned_pool(spec: TrainingJobSpec, status: TrainingJobStatus) -> str:
    """The pool that a job has by its spec, by what it holds, or by an earlier choice; empty before any."""
    if spec.accelerators.pool is not None:
        return spec.accelerators.pool
    if status.placement is not None and status.placement.nodes:
        return status.placement.pool
    return "" if status.choice is None else status.choice.pool


def on_pool(spec: TrainingJobSpec, pool: str) -> TrainingJobSpec:
    """The same with this pool in it."""
    if spec.accelerators.pool == pool or not pool:
        return spec
    return spec.model_copy(update={"accelerators": spec.accelerators.model_copy(update={"pool": pool})})


class Chooser:
    """Ranks all pools for one job. While it waits, it goes over to another pool where that is worth it; from its first
    attempt on it stays, because its checkpoints lie on a volume that other nodes may not mount."""

    def __init__(
        self, reader: Reader, admission: Admission, *, measurements: KnownMeasurements, reject: Reject
    ) -> None:
        self._reader = reader
        self._admission = admission
        self._measurements = measurements
        self._reject = reject

    def chosen(self, seen: Observed, *, priority: Priority, volumes: tuple[Reach, ...]) -> Observed | Rejection:
        """What was gathered, with the pool of the choice; a rejection where no pool can hold the job."""
        choose, before = seen.spec.accelerators.choose, seen.status.choice
        if choose is None or _is_settled(seen):
            return seen
        looks = {view.pool.name: self._on(seen, view) for view in self._views()}
        candidates = [
            self._candidate(look, priority=priority, volumes=volumes, unfit=unsuited(choose, look.pool.view.pool.kind))
            for look in looks.values()
            if look.pool.view is not None and look.pool.view.pool.kind is not None
        ]
        ranking = rank(candidates, choose)
        if not ranking or ranking[0].rejected:
            return _none_fits(ranking)
        current = before.pool if before is not None and before.pool in looks else None
        move = ranking[0] if current is None else better(ranking, than=current)
        if move is None:
            return looks[current] if current is not None else seen
        pool = move.candidate.pool
        decision = PoolDecision(
            pool=pool,
            optimize=choose.optimize.value,
            at=seen.now,
            ranking=tuple(map(_told, ranking[:MOST_RANKED])),
        )
        return replace(looks[pool], choice=decision)

    def _views(self) -> Iterator[PoolView]:
        for pool in self._reader.list("AcceleratorPool"):
            view = self._admission.pool(pool["metadata"]["name"]).view
            if view is not None:
                yield view

    def _on(self, seen: Observed, view: PoolView) -> Observed:
        name = view.pool.name
        return replace(seen, spec=on_pool(seen.spec, name), pool=self._admission.pool(name))

    def _candidate(self, look: Observed, *, priority: Priority, volumes: tuple[Reach, ...], unfit: str) -> Candidate:
        view = look.pool.view
        assert view is not None
        assert view.pool.kind is not None
        if unfit:
            return Candidate(pool=view.pool.name, kind=view.pool.kind, rejected=f"Rejected: {unfit}.")
        rejection = self._reject(look)
        if rejection is not None:
            return Candidate(pool=view.pool.name, kind=view.pool.kind, rejected=f"Rejected: {rejection.message}")
        base = next((each for each in look.inputs if each.part is None), None)
        name, spec = view.pool.name, look.spec
        known, benchmarks = self._measurements.of(name), self._measurements.benchmarks(name)
        subject = Subject(spec=spec, view=view, base=base, known=known, benchmarks=benchmarks)
        estimate = estimate_job(subject)
        told = None if estimate is None else told_estimate(subject, estimate, generation=0)
        beyond = reject_limits(spec, view=view, expected=expected(told))
        if beyond is not None:
            return Candidate(pool=name, kind=view.pool.kind, rejected=f"Rejected: {beyond.message}")
        seconds = None if estimate is None or estimate.seconds is None else estimate.seconds.expected
        request = _request(look, view, priority=priority, volumes=volumes, estimate=seconds)
        wait = self._admission.outlook(request)
        return Candidate(pool=view.pool.name, kind=view.pool.kind, wait=wait, estimate=estimate)


def _is_settled(seen: Observed) -> bool:
    """Whether the pool stays: the job holds seats of it, or has run there."""
    placement = seen.status.placement
    holds = placement is not None and bool(placement.nodes)
    return seen.pool.view is not None and (holds or seen.latest >= 0)


def _request(
    look: Observed, view: PoolView, *, priority: Priority, volumes: tuple[Reach, ...], estimate: float | None
) -> Request:
    ask = ask_of_job(look.spec, pool=view.pool)
    return Request(
        workload=Workload("TrainingJob", look.namespace, look.name),
        pool=view.pool.name,
        least=ask.least,
        most=ask.most,
        need=ask.need,
        since=str(look.job["metadata"].get("creationTimestamp") or look.now),
        volumes=volumes,
        priority=priority.value,
        preempts=priority.preempts,
        estimate=estimate,
    )


def _none_fits(ranking: list[Ranked]) -> Rejection:
    """Of all pools, why not; the same reason of all of them is one of the job."""
    if not ranking:
        text = f"{_PATH}: there is no AcceleratorPool to choose from: create one."
        return Rejection(reason=TrainingReason.NO_POOL_FITS.value, message=text)
    reasons = {each.candidate.pool: each.message.removeprefix("Rejected: ") for each in ranking}
    if len(ranking) > 1 and len(set(reasons.values())) == 1:
        return Rejection(reason=TrainingReason.NO_POOL_FITS.value, message=next(iter(reasons.values())))
    named = "; ".join(f"{pool}: {why.rstrip('.')}" for pool, why in list(reasons.items())[:_SHOWN])
    more = len(reasons) - _SHOWN
    rest = f"; and {more} more" if more > 0 else ""
    return Rejection(
        reason=TrainingReason.NO_POOL_FITS.value, message=f"{_PATH}: no pool can hold the job. {named}{rest}."
    )


def _told(ranked: Ranked) -> RankedPool:
    each, found = ranked.candidate, ranked.candidate.estimate
    seconds = None if found is None else found.seconds
    price = None if found is None else found.price
    energy = None if found is None else found.kilowatt_hours
    return RankedPool(
        pool=each.pool,
        accelerator_type=each.kind.id,
        message=ranked.message[:1024],
        rejected=ranked.rejected,
        starts_in=None if each.wait is None else moments.duration(each.wait),
        duration=None if seconds is None else moments.duration(seconds.expected),
        cost=None if price is None else Money(amount=f"{float(price.total[1]):.4g}", currency=price.currency),
        energy=None if energy is None else Measurement(value=f"{energy.expected:.3g}", unit="kWh"),
    )
