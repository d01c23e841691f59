"""What a job is expected to take, and what it took."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hostler.api.benchmark import LABEL
from hostler.api.estimate import ActualRun, JobEstimate, RunShape
from hostler.api.measures import Measurement
from hostler.controllers.estimates import UNKNOWN, told_estimate
from hostler.controllers.trainingjob import accounting
from hostler.controllers.trainingjob.figures import sensible
from hostler.controllers.trainingjob.observed import Observed
from hostler.planning import moments
from hostler.planning import pods as read
from hostler.planning.estimate.bybenchmark import predict_by_benchmark
from hostler.planning.estimate.estimate import Subject, estimate_job
from hostler.planning.estimate.measurements import Measurements, predict
from hostler.planning.estimate.result import Basis
from hostler.planning.limits import Expected
from hostler.planning.models import NamedModel
from hostler.planning.pools import PoolView
from hostler_contract import Result
from hostler_contract.result import Pace

_CLOCKS_DIFFER = 2.0
"""Seconds: times of the cluster are whole ones."""
_MEASURED = Basis.MEASURED.value.capitalize()
_BENCHMARK = Basis.BENCHMARK.value.capitalize()


def estimated(seen: Observed, *, view: PoolView, known: Measurements, benchmarks: Measurements) -> JobEstimate:
    """What is to be told of an accepted job that has not begun. What was told of this spec stays, unless it was not
    measured and now could be, or follows from a benchmark now: everybody in line is looked at again and again."""
    told, subject = seen.status.estimate, _subject(seen, view, known)
    subject = replace(subject, benchmarks=benchmarks)
    stands = told is not None and told.generation == seen.generation and told.pool == view.pool.name
    if told is not None and stands and not _improves(told, subject):
        return told
    return told_estimate(subject, estimate_job(subject), generation=seen.generation)


def expected(told: JobEstimate | None) -> Expected:
    """The figures of an estimate that limits are compared with."""
    if told is None:
        return Expected()
    measured = told.basis == _MEASURED
    which = "expected" if measured else "low"
    seconds = None if told.duration is None else moments.seconds_of(getattr(told.duration, which))
    cost = None if told.cost is None else Decimal(getattr(told.cost, which))
    return Expected(seconds=seconds, cost=cost, measured=measured)


def _improves(told: JobEstimate, subject: Subject) -> bool:
    if told.basis == _MEASURED:
        return False
    if subject.known and predict(subject.known, subject.shape) is not None:
        return True
    if not subject.benchmarks or told.basis == _BENCHMARK:
        return False
    operations = None if told.operations_per_unit is None else float(told.operations_per_unit)
    return predict_by_benchmark(subject.benchmarks, subject.shape, operations_per_unit=operations) is not None


def with_actual(seen: Observed, result: Result) -> JobEstimate | None:
    """The estimate with what the job took beside it; None where there is neither."""
    pace, view, placement = result.pace, seen.pool.view, seen.status.placement
    told, seconds = seen.status.estimate, accounting.active_seconds(seen)
    if pace is None or view is None or placement is None or not _is_plausible(pace, within=seconds):
        return told
    subject = _subject(seen, view, None, pods=placement.pods)
    if told is None:
        told = JobEstimate(generation=seen.generation, pool=view.pool.name, pods=placement.pods, basis=UNKNOWN)
    alone = seen.retry.after < 0
    expected = None if told.duration is None else moments.seconds_of(told.duration.expected)
    actual = ActualRun(
        duration=moments.duration(seconds),
        steps=pace.steps,
        step_seconds=f"{pace.seconds / pace.steps:.4g}",
        units_per_step=f"{pace.units / pace.steps:.6g}",
        speed=Measurement(value=f"{pace.units / pace.seconds:.5g}", unit=f"{pace.unit[:24]}/s"),
        precision=pace.precision,
        overhead_seconds=f"{max(0.0, seconds - pace.seconds):.1f}" if alone else None,
        memory_bytes=pace.memory_bytes,
        ratio=f"{seconds / expected:.3g}" if expected else None,
        **_of_benchmark(seen, result),
    )
    return told.model_copy(update={"shape": RunShape(**vars(subject.shape)), "actual": actual})


def _of_benchmark(seen: Observed, result: Result) -> dict[str, str | None]:
    """What only a benchmark is asked for: the data and the image that it really had."""
    if LABEL not in (seen.job["metadata"].get("labels") or {}) or result.dataset is None or seen.newest is None:
        return {}
    first = next((pod for pod in seen.newest.pods if read.index(pod) == 0), None)
    if first is None:
        return {}
    # As the Job asks for it: a webhook may send the pod to a mirror, and the installation's image is still that one.
    template = seen.newest.job["spec"]["template"]
    return {
        "data_sha256": result.dataset.sha256[:64],
        "image": read.own_image(template),
        "image_id": read.own_image_id(first),
    }


def _is_plausible(pace: Pace, *, within: float) -> bool:
    """A pod may run anybody's code, and what it says would be told to others: no steps were made in more time than the
    job has held its accelerators."""
    figures = (pace.seconds, pace.units, pace.units / pace.seconds)
    return pace.units > 0 and all(map(sensible, figures)) and pace.seconds <= within + _CLOCKS_DIFFER


def _subject(seen: Observed, view: PoolView, known: Measurements | None, *, pods: int | None = None) -> Subject:
    return Subject(spec=seen.spec, view=view, base=_base(seen), pods=pods, known=known)


def _base(seen: Observed) -> NamedModel | None:
    return next((each for each in seen.inputs if each.part is None), None)
