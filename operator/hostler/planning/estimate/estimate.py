"""A whole estimate of a TrainingJob on a pool. Pure: the same spec, pool and measurements give the same figures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hostler.accelerators import AcceleratorType
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning import quantities
from hostler.planning.devicememory import weights_of
from hostler.planning.estimate.bybenchmark import predict_by_benchmark
from hostler.planning.estimate.jobs import kind_of, operations_of_unit, shape_of, sized, units_of_step
from hostler.planning.estimate.measurements import Measured, Measurements, Shape, predict
from hostler.planning.estimate.money import carbon_of, energy_of, price_of
from hostler.planning.estimate.operations import attention_share
from hostler.planning.estimate.priors import Priors, published
from hostler.planning.estimate.result import Estimate, Memory, Range
from hostler.planning.estimate.runs import memory_of_job, network_of, run_of
from hostler.planning.estimate.shapes import Network, TrainingRun
from hostler.planning.estimate.speed import Load, load_of, precision_of, speed_of
from hostler.planning.jobacceptance import ask_of_job
from hostler.planning.models import NamedModel
from hostler.planning.pools import PoolView

_OVERHEAD = Range(low=20.0, expected=60.0, high=300.0)
"""Seconds of an attempt in which no steps are made (to start, open the data, evaluate and save), where no run has
shown them: they matter for short jobs only, and those are measured soon."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is estimated: a job, on a pool, with what is known of both."""

    spec: TrainingJobSpec
    """Accepted on this pool, with the data in place of a reference to it."""
    view: PoolView
    base: NamedModel | None = None
    pods: int | None = None
    """Pods that it has; None where it has none yet, and as many count as the pool could give it."""
    known: Measurements | None = None
    """What runs on this pool have measured."""
    benchmarks: Measurements | None = None
    """What standard loads have reached on this pool, of those that still hold."""
    utilization: float | None = None
    """What a person says."""
    units: float | None = None
    """What is computed in all, where a person says it; None means what the steps are."""

    @property
    def count(self) -> int:
        """Pods that are counted with."""
        if self.pods is not None:
            return self.pods
        ask = ask_of_job(self.spec, pool=self.view.pool)
        return min(ask.most, max(ask.least, self.view.largest_grown(ask.need)))

    @property
    def devices(self) -> int:
        """What they hold, in the pool's unit."""
        per_pod = self.spec.accelerators.per_pod
        return self.count * (per_pod if self.view.pool.resource else quantities.cores(self.spec.resources.cpu))

    @property
    def processes(self) -> int:
        """Of which each has one device, or the cores of a pod."""
        return self.devices if self.view.pool.resource else self.count

    @property
    def shape(self) -> Shape:
        """Under which this run is remembered."""
        return shape_of(self.spec, base=self.base, devices=self.devices)


def estimate_job(subject: Subject, *, priors: Priors | None = None) -> Estimate | None:
    """How much a job computes, how long that takes and what it costs; None where nobody knows anything of it.

    Simulated devices compute on the machine's cores, so what a data sheet says of the real ones says nothing of them:
    only what ran on them does. Raises ``ValueError`` where ``utilization`` is not between 0 and 1.
    """
    spec, view = subject.spec, subject.view
    if view.pool.kind is None or (spec.training.steps == 0 and subject.units is None):
        return None
    network = network_of(spec, subject.base)
    run = None
    if network is not None:
        run = run_of(spec, network, base=subject.base, view=view, processes=subject.processes)
    load = _load(subject, view.pool.kind, network=network, run=run)
    operations = load.operations_per_unit
    measured = predict(subject.known or {}, subject.shape, operations_per_unit=operations)
    benchmark = None
    if measured is None and subject.benchmarks:
        benchmark = predict_by_benchmark(subject.benchmarks, subject.shape, operations_per_unit=operations)
    units = _units(subject, measured or benchmark)
    if units is None:
        return None
    speed = None
    if measured is not None or benchmark is not None or not view.simulated:
        speed = speed_of(
            load,
            view.pool.kind,
            priors=priors or published(),
            measured=measured,
            benchmark=benchmark,
            utilization=subject.utilization,
        )
    seconds = None if speed is None else _seconds(units, speed.units_per_second, measured)
    energy = None if seconds is None else energy_of(view, seconds, devices=subject.devices)
    return Estimate(
        operations=None if operations is None else operations * units,
        attention=0.0 if operations is None else operations * units * _attention(network, run),
        parameters=_parameters(spec, subject.base) if network is None else network.parameters,
        active_parameters=None if network is None else network.active_parameters,
        units=units,
        unit=family(spec.family.value).unit,
        speed=speed,
        seconds=seconds,
        memory=_memory(subject, measured),
        kilowatt_hours=None if energy is None else energy.kilowatt_hours,
        carbon_kilograms=None if energy is None else carbon_of(view, energy.kilowatt_hours),
        price=None if seconds is None else price_of(view, seconds, devices=subject.devices),
    )


def _units(subject: Subject, measured: Measured | None) -> float | None:
    """As a person says, else all steps of as much as earlier runs had in one, or of what fits into one."""
    if subject.units is not None:
        return subject.units
    of_step = measured.units_per_step if measured is not None else None
    if of_step is None:
        of_step = units_of_step(subject.spec, base=subject.base)
    return None if of_step is None else of_step * subject.spec.training.steps


def _attention(network: Network | None, run: TrainingRun | None) -> float:
    return 0.0 if network is None or run is None else attention_share(network, run)


def _parameters(spec: TrainingJobSpec, base: NamedModel | None) -> int | None:
    if base is not None:
        return weights_of(base.model)
    return family(spec.family.value).parameters(sized(spec))


def _load(subject: Subject, kind: AcceleratorType, *, network: Network | None, run: TrainingRun | None) -> Load:
    """By the network's sizes where they are known, else by its number of weights."""
    spec, base = subject.spec, subject.base
    if network is not None and run is not None:
        return replace(load_of(network, run, kind), devices=subject.devices)
    return Load(
        devices=subject.devices,
        operations_per_unit=operations_of_unit(spec, base=base),
        kind=kind_of(spec),
        precision=precision_of(kind, spec.training.precision.value),
    )


def _memory(subject: Subject, measured: Measured | None) -> Memory | None:
    found = memory_of_job(subject.spec, base=subject.base, view=subject.view, processes=subject.processes)
    if found is None or measured is None:
        return found
    return replace(found, measured=measured.memory_bytes)


def _seconds(units: float, speed: Range, measured: Measured | None) -> Range:
    overhead = _OVERHEAD
    if measured is not None and measured.overhead_seconds is not None:
        spread = speed.high / speed.expected
        known = measured.overhead_seconds
        overhead = Range(low=known / spread, expected=known, high=known * spread)
    return Range(
        low=overhead.low + units / speed.high,
        expected=overhead.expected + units / speed.expected,
        high=overhead.high + units / speed.low,
    )
