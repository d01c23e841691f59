"""Between statuses and estimates: what pools have measured, what a job is told, what it measured in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from hostler.api.benchmark import PoolBenchmark
from hostler.api.estimate import (
    ActualRun,
    EstimatedCost,
    EstimatedDuration,
    EstimatedMemory,
    JobEstimate,
    MemoryTerm,
    PoolMeasurement,
    PoolRun,
    RunShape,
)
from hostler.api.measures import Measurement
from hostler.controllers.ports import JudgedEstimate, Object, Reader
from hostler.planning import moments
from hostler.planning.benchmarks.records import as_measurements
from hostler.planning.estimate.estimate import Subject
from hostler.planning.estimate.measurements import MeasuredRun, Measurements, Shape, merge
from hostler.planning.estimate.result import Estimate, Memory, Price, Range

UNKNOWN = "Unknown"
"""Basis where nobody knows."""
FreshRuns = list[tuple[Shape, tuple[MeasuredRun, ...]]]
_AWAITING = 256
"""Runs that are merged at once, when a process sees every job that has ever ended."""


def benchmarks_of(pool: Object | None) -> Measurements:
    """The benchmarks in a pool's status that still hold, as estimates use them."""
    return as_measurements(_benchmarks(((pool or {}).get("status") or {}).get("benchmarks") or ()))


def measurements_of(pool: Object | None) -> Measurements:
    """Those in a pool's status; empty where there is no such pool."""
    return merge(_readable(((pool or {}).get("status") or {}).get("measurements") or ()))


class KnownMeasurements:
    """What pools have measured, read anew only when a pool's status has changed: every job that waits asks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._read: dict[tuple[str, str], tuple[Any, Measurements]] = {}

    def of(self, pool: str) -> Measurements:
        """The measurements in a pool's status."""
        return self._known(pool, "measurements", measurements_of)

    def benchmarks(self, pool: str) -> Measurements:
        """The benchmarks in a pool's status that still hold."""
        return self._known(pool, "benchmarks", benchmarks_of)

    def _known(self, pool: str, field: str, read: Callable[[Object | None], Measurements]) -> Measurements:
        found = self._reader.get("AcceleratorPool", name=pool)
        written = ((found or {}).get("status") or {}).get(field) or ()
        before = self._read.get((pool, field))
        if before is not None and (before[0] is written or before[0] == written):
            return before[1]
        known = read(found)
        self._read[pool, field] = (written, known)
        return known


class RunsOfPools:
    """Runs that jobs have told and pools have not written down yet."""

    def __init__(self) -> None:
        self._fresh: dict[str, FreshRuns] = {}

    def put(self, pool: str, shape: Shape, run: MeasuredRun) -> None:
        """A job has succeeded."""
        waiting = self._fresh.setdefault(pool, [])
        waiting.append((shape, (run,)))
        if len(waiting) >= _AWAITING:
            self._fresh[pool] = list(merge(waiting).items())

    def take(self, pool: str) -> FreshRuns:
        """Those that a pool's status is to have next. Whoever cannot write it gives them back."""
        return self._fresh.pop(pool, [])

    def give_back(self, pool: str, runs: FreshRuns) -> None:
        """The status was not written. Others may have come meanwhile."""
        self._fresh.setdefault(pool, []).extend(runs)


def merged(before: Iterable[PoolMeasurement], runs: FreshRuns, *, now: str) -> tuple[PoolMeasurement, ...]:
    """What a pool's status is to say. A run that is in it already counts once. One that ended in the future, by a clock
    that was wrong, ended now: else no later run would ever be newer."""
    before = tuple(before)
    if not runs:
        return before
    parts = (_until(now, part) for part in (_readable(before), runs))
    return tuple(map(_written, merge(*parts).items()))


def _until(
    now: str, part: Iterable[tuple[Shape, Iterable[MeasuredRun]]]
) -> Iterator[tuple[Shape, tuple[MeasuredRun, ...]]]:
    for shape, runs in part:
        yield shape, tuple(replace(r, at=now) if moments.elapsed(r.at, now=now) < 0 else r for r in runs)


def run_of(job: Object) -> tuple[str, Shape, MeasuredRun] | None:
    """What a stored job has measured, with its pool; None where it has not."""
    status = job.get("status") or {}
    if "actual" not in (status.get("estimate") or {}) or not status.get("completionTime"):
        return None
    try:
        told = JobEstimate.model_validate(status["estimate"])
    except ValidationError:
        return None  # Of another release.
    if told.actual is None or told.shape is None:
        return None
    try:
        run = _measured_by(job, told, told.actual, devices=told.shape.devices)
    except ValueError:
        return None  # Figures by somebody's hand.
    return told.pool, Shape(**told.shape.model_dump()), run


def _measured_by(job: Object, told: JobEstimate, actual: ActualRun, *, devices: int) -> MeasuredRun:
    operations = None if told.operations_per_unit is None else float(told.operations_per_unit)
    speed = float(actual.speed.value)
    return MeasuredRun(
        run=str(job["metadata"].get("uid") or job["metadata"]["name"])[:64],
        at=str(job["status"]["completionTime"]),
        units_per_second=speed,
        units_per_step=float(actual.units_per_step),
        operations_per_second=None if operations is None else operations * speed / devices,
        overhead_seconds=None if actual.overhead_seconds is None else float(actual.overhead_seconds),
        memory_bytes=actual.memory_bytes,
    )


def judged_now(before: Object, job: Object) -> JudgedEstimate | None:
    """What an estimate was worth, when a job has just told what it took. What ended before this process watched is not
    told again: a restart would make old errors look like new ones."""
    estimate = (job.get("status") or {}).get("estimate") or {}
    actual, duration = estimate.get("actual") or {}, estimate.get("duration") or {}
    if not actual.get("ratio") or "actual" in ((before.get("status") or {}).get("estimate") or {}):
        return None
    times = (actual["duration"], duration.get("low"), duration.get("high"))
    took, low, high = (moments.seconds_of(str(each)) for each in times)
    if took is None or low is None or high is None:
        return None
    try:
        ratio = float(actual["ratio"])
    except ValueError:
        return None  # By somebody's hand.
    return JudgedEstimate(basis=str(estimate["basis"]), ratio=ratio, covered=low <= took <= high)


def told_estimate(subject: Subject, found: Estimate | None, *, generation: int) -> JobEstimate:
    """An estimate as status has it."""
    speed = None if found is None else found.speed
    told = JobEstimate(
        generation=generation,
        pool=subject.view.pool.name,
        pods=subject.count,
        basis=UNKNOWN if speed is None else speed.basis.value.capitalize(),
        message=_unknown(subject) if speed is None else f"{speed.because[:1].upper()}{speed.because[1:]}.",
        shape=RunShape(**vars(subject.shape)),
    )
    if found is None:
        return told
    return told.model_copy(
        update={
            "duration": None if found.seconds is None else _duration(found.seconds),
            "speed": None if speed is None else _speed(speed.units_per_second.expected, found.unit),
            "utilization": None if speed is None or speed.utilization is None else f"{speed.utilization.expected:.2g}",
            "operations_per_unit": None if found.operations is None else f"{found.operations / found.units:.4g}",
            "petaflop_days": None if found.petaflop_days is None else f"{found.petaflop_days:.4g}",
            "memory": None if found.memory is None else _memory(found.memory),
            "cost": None if found.price is None else _cost(found.price),
            "energy": None if found.kilowatt_hours is None else _energy(found.kilowatt_hours.expected),
            "carbon": None if found.carbon_kilograms is None else _carbon(found.carbon_kilograms.expected),
        }
    )


def _unknown(subject: Subject) -> str:
    pool = subject.view.pool
    if subject.view.simulated:
        return f"Nothing like it has been run on pool {pool.name} yet, and of simulated devices no data sheet tells."
    text = f"Nothing like it has been run on pool {pool.name} yet, and published figures do not tell"
    return f"{text}: set spec.estimatedDuration where you know."


def _duration(seconds: Range) -> EstimatedDuration:
    low, expected, high = (moments.duration(each) for each in (seconds.low, seconds.expected, seconds.high))
    return EstimatedDuration(low=low, expected=expected, high=high)


def _speed(value: float, unit: str) -> Measurement:
    return Measurement(value=f"{value:.4g}", unit=f"{unit}/s")


def _cost(price: Price) -> EstimatedCost:
    low, expected, high = (f"{each:.2f}" if each >= 1 else f"{float(each):.3g}" for each in price.total)
    return EstimatedCost(low=low, expected=expected, high=high, currency=price.currency)


def _memory(found: Memory) -> EstimatedMemory:
    note = f"{found.note[:1].upper()}{found.note[1:]}." if found.note else ""
    return EstimatedMemory(
        peak_bytes=found.peak,
        device_bytes=found.device,
        terms=tuple(MemoryTerm(name=name, bytes=size) for name, size in found.terms),
        largest_rows=found.largest_rows,
        measured_bytes=found.measured,
        message=note,
    )


def _energy(kilowatt_hours: float) -> Measurement:
    return Measurement(value=show_energy(kilowatt_hours), unit="kWh")


def _carbon(kilograms: float) -> Measurement:
    return Measurement(value=show_energy(kilograms), unit="kgCO2e")


def show_energy(kilowatt_hours: float) -> str:
    """Three figures, and never an exponent for much; kilograms likewise."""
    return f"{kilowatt_hours:.0f}" if kilowatt_hours >= 100 else f"{kilowatt_hours:.3g}"


def _benchmarks(written: Iterable[Any]) -> Iterator[PoolBenchmark]:
    for each in written:
        try:
            yield PoolBenchmark.model_validate(each)
        except ValueError:
            continue


def _readable(written: Iterable[Any]) -> Iterator[tuple[Shape, tuple[MeasuredRun, ...]]]:
    for each in written:
        try:
            yield _measurement(PoolMeasurement.model_validate(each))
        except ValueError:
            continue  # Of another release, or by somebody's hand: it is measured again.


def _measurement(told: PoolMeasurement) -> tuple[Shape, tuple[MeasuredRun, ...]]:
    return Shape(**told.shape.model_dump()), tuple(map(_run, told.runs))


def _run(told: PoolRun) -> MeasuredRun:
    return MeasuredRun(
        run=told.run,
        at=told.at,
        units_per_second=float(told.units_per_second),
        units_per_step=float(told.units_per_step),
        operations_per_second=None if told.operations_per_second is None else float(told.operations_per_second),
        overhead_seconds=None if told.overhead_seconds is None else float(told.overhead_seconds),
        memory_bytes=told.memory_bytes,
    )


def _written(item: tuple[Shape, tuple[MeasuredRun, ...]]) -> PoolMeasurement:
    shape, runs = item
    return PoolMeasurement(
        shape=RunShape(**vars(shape)),
        runs=tuple(
            PoolRun(
                run=each.run,
                at=each.at,
                units_per_second=f"{each.units_per_second:.5g}",
                units_per_step=f"{each.units_per_step:.6g}",
                operations_per_second=None
                if each.operations_per_second is None
                else f"{each.operations_per_second:.5g}",
                overhead_seconds=None if each.overhead_seconds is None else f"{each.overhead_seconds:.1f}",
                memory_bytes=each.memory_bytes,
            )
            for each in runs
        ),
    )
