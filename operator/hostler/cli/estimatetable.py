"""Estimates for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from hostler.api.trainingjob import TrainingJobSpec
from hostler.cli.estimateview import estimate_sentences
from hostler.cli.tables import Column, show_table, terminal
from hostler.controllers.estimates import show_energy, told_estimate
from hostler.planning import moments
from hostler.planning.estimate.estimate import Subject
from hostler.planning.estimate.operations import ASSUMED_UTILIZATION, operations_of_devices, petaflop_days
from hostler.planning.estimate.result import Estimate, Range
from hostler.planning.estimate.speed import peak_of, precision_of
from hostler.planning.quantities import show_bytes

_COLUMNS = (
    Column(name="POOL"),
    Column(name="TYPE", leaves=1),
    Column(name="DEVICES", right=True),
    Column(name="TIME", right=True),
    Column(name="COST", right=True),
    Column(name="ENERGY", right=True, leaves=2),
    Column(name="MEMORY", right=True, leaves=3),
    Column(name="BASIS"),
)
_UNKNOWN = "?"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a job is expected to take on one pool."""

    name: str
    subject: Subject
    estimate: Estimate | None
    refusal: str = ""
    """Why the operator would not accept the job there; empty where it would."""

    @property
    def pool(self) -> str:
        """Its name."""
        return self.subject.view.pool.name

    @property
    def basis(self) -> str:
        """Of the speed."""
        speed = self.estimate.speed if self.estimate is not None else None
        return "unknown" if speed is None else speed.basis.value

    @property
    def by_device_time(self) -> float | None:
        """Petaflop/s-days by OpenAI's second method: the time of all devices at an assumed share of their peak."""
        kind = self.subject.view.pool.kind
        seconds = self.estimate.seconds if self.estimate is not None else None
        if kind is None or seconds is None:
            return None
        peak = peak_of(kind, precision_of(kind, self.subject.spec.training.precision.value))
        if peak is None:
            return None
        return petaflop_days(operations_of_devices(devices=self.subject.devices, seconds=seconds.expected, peak=peak))


def facts(told: Told) -> dict[str, Any]:
    """For programs. What nobody knows is absent."""
    found, subject = told.estimate, told.subject
    document: dict[str, Any] = {
        "kind": "TrainingJob",
        "name": told.name,
        "pool": told.pool,
        "acceleratorType": subject.view.pool.spec.accelerator_type,
        "pods": subject.count,
        "devices": subject.devices,
        "accepted": not told.refusal,
        "message": told.refusal,
        "basis": told.basis,
    }
    if found is None:
        return document
    speed, price = found.speed, found.price
    return _known(
        document
        | {
            "because": speed.because if speed else None,
            "parameters": found.parameters,
            "activeParameters": found.active_parameters,
            "units": found.units,
            "unit": found.unit,
            "operations": found.operations,
            "attentionOperations": found.attention or None,
            "petaflopDays": found.petaflop_days,
            "petaflopDaysByDeviceTime": told.by_device_time,
            "unitsPerSecond": _range(speed.units_per_second if speed else None),
            "utilization": _range(speed.utilization if speed else None),
            "seconds": _range(found.seconds),
            "kilowattHours": _range(found.kilowatt_hours),
            "carbonKilograms": _range(found.carbon_kilograms),
            "cost": None
            if price is None
            else {
                "currency": price.currency,
                "perMinute": float(price.per_minute),
                "perHour": float(price.per_hour),
                "total": dict(zip(("low", "expected", "high"), map(float, price.total), strict=True)),
            },
            "memory": None
            if found.memory is None
            else _known(
                {
                    "peakBytes": found.memory.peak,
                    "deviceBytes": found.memory.device,
                    "fits": found.memory.fits,
                    "largestRows": found.memory.largest_rows,
                    "measuredBytes": found.memory.measured,
                    "terms": dict(found.memory.terms),
                    "message": found.memory.note or None,
                }
            ),
        }
    )


def _known(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _range(found: Range | None) -> dict[str, float] | None:
    return None if found is None else asdict(found)


def show(job: str, spec: TrainingJobSpec, all_of: Sequence[Told]) -> None:
    """For people: one pool in sentences, several as a table."""
    out = terminal()
    _say(out, _heading(job, spec, all_of))
    if len(all_of) > 1:
        show_table(_COLUMNS, [_row(told) for told in all_of], to=out)
    for told in all_of:
        if told.refusal:
            _say(out, f"Pool {told.pool} would refuse it: {told.refusal}")
        elif told.estimate is not None and told.estimate.memory is not None and told.estimate.memory.note:
            note = told.estimate.memory.note
            if len(all_of) > 1:
                _say(out, f"Pool {told.pool}: {note}.")
    if len(all_of) == 1:
        for sentence in _sentences(all_of[0]):
            _say(out, sentence)


def _say(out: Console, text: str) -> None:
    out.print(text, markup=False, highlight=False)


def _heading(job: str, spec: TrainingJobSpec, all_of: Sequence[Told]) -> str:
    """What is the same on every pool."""
    parts = [f"TrainingJob {job} ({spec.family.value}, {spec.objective.value})"]
    found = next((told.estimate for told in all_of if told.estimate is not None), None)
    if found is None:
        return f"{parts[0]}: nobody knows how much it computes."
    if found.parameters is not None:
        active = found.active_parameters
        shown = f", {_count(active)} of them for each token" if active and active < 0.9 * found.parameters else ""
        parts.append(f"{_count(found.parameters)} weights{shown}")
    parts.append(f"{_count(found.units)} {found.unit}")
    if found.petaflop_days is not None:
        parts.append(f"{found.petaflop_days:.4g} petaflop/s-days")
    return f"{parts[0]}: {', '.join(parts[1:])}."


def _sentences(told: Told) -> list[str]:
    status = told_estimate(told.subject, told.estimate, generation=0)
    found = list(estimate_sentences({"status": {"estimate": status.model_dump(by_alias=True, exclude_none=True)}}))
    estimate = told.estimate
    if estimate is not None and estimate.price is not None:
        price = estimate.price
        found.append(
            f"{told.subject.devices} devices cost {price.per_minute:.4g} {price.currency} a minute and "
            f"{price.per_hour:.4g} {price.currency} an hour."
        )
    if estimate is not None and estimate.operations and estimate.attention:
        found.append(
            f"Of {estimate.operations:.3g} operations {estimate.attention / estimate.operations:.0%} are attention, "
            "which petaflop/s-days leave out."
        )
    if told.by_device_time is not None:
        found.append(
            f"By the time of the devices it is {told.by_device_time:.4g} petaflop/s-days, at {ASSUMED_UTILIZATION:.0%} "
            "of their peak (the second method of AI and Compute)."
        )
    return found


def _row(told: Told) -> tuple[str, ...]:
    found, pool = told.estimate, told.subject.view.pool
    seconds, price = (found.seconds, found.price) if found is not None else (None, None)
    energy, memory = (found.kilowatt_hours, found.memory) if found is not None else (None, None)
    return (
        told.pool,
        pool.spec.accelerator_type,
        str(told.subject.devices),
        _UNKNOWN if seconds is None else moments.duration(seconds.expected),
        _UNKNOWN if price is None else f"{price.total[1]:,.2f} {price.currency}",
        _UNKNOWN if energy is None else f"{show_energy(energy.expected)} kWh",
        _UNKNOWN if memory is None else show_bytes(memory.peak),
        "refused" if told.refusal else told.basis,
    )


def _count(number: float) -> str:
    """``174.6 billion``, ``8.03 million``, ``512``."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.4g} {word}"
    return f"{number:,.0f}"
