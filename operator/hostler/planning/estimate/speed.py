"""How fast a run computes, by the nearest thing that is known, and which that is."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.accelerators import AcceleratorType
from hostler.planning.estimate.measurements import Measured
from hostler.planning.estimate.operations import causal_share, training_operations
from hostler.planning.estimate.priors import Kind, Priors
from hostler.planning.estimate.result import Basis, Range, Speed
from hostler.planning.estimate.shapes import Network, TrainingRun

_ASSUMED = Range(low=0.125, expected=0.25, high=0.36)
"""Utilization of networks of which too little is published: fine-tuning and small jobs have 0.15 to 0.25, and "AI and
Compute" (OpenAI, 2018) assumes 0.33 of well-tuned ones."""
_FIGURES = {
    "fp4": "fp4_tflops",
    "fp8": "fp8_tflops",
    "bf16": "bf16_tflops",
    "fp16": "fp16_tflops",
    "tf32": "tf32_tflops",
    "fp32": "fp32_tflops",
}


def peak_of(accelerator: AcceleratorType, precision: str | None) -> float | None:
    """Dense peak of one device at a precision in operations per second; None where the data sheet has none. A figure
    with structured sparsity, which advertisements show, is never in the registry."""
    name = _FIGURES.get(precision or "")
    tera = None if name is None else getattr(accelerator.peak_dense, name)
    return None if tera is None else float(tera) * 1e12


def balance_of(accelerator: AcceleratorType, precision: str | None) -> float | None:
    """Operations that the device could make for each byte that it reads; None where one of both is not known."""
    peak, bandwidth = peak_of(accelerator, precision), accelerator.memory_bandwidth_gbs
    return None if peak is None or bandwidth is None else peak / (bandwidth * 1e9)


_FALLS_BACK = {
    "auto": ("bf16", "fp32"),
    "fp4": ("fp4", "fp8", "bf16", "fp32"),
    "fp8": ("fp8", "bf16", "fp32"),
    "bf16": ("bf16", "fp32"),
    "fp16": ("fp16",),
    "tf32": ("tf32", "fp32"),
    "fp32": ("fp32",),
}


def precision_of(accelerator: AcceleratorType, asked: str) -> str | None:
    """The precision of the products as the trainer decides it, where the data sheet has a figure for it: ``auto`` is
    bf16 on a device that has it, and what a device lacks falls back to the next wider one. None where there is no
    figure for any of them."""
    return next((name for name in _FALLS_BACK.get(asked, ()) if peak_of(accelerator, name) is not None), None)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What decides the speed of a run, beside the device."""

    devices: int
    operations_per_unit: float | None
    """Model FLOPs; None where nobody knows them."""
    kind: Kind | None
    """None for networks of which too little is published."""
    precision: str | None
    """Of the products, as :func:`precision_of` has it; None where the device has no figure for it."""
    attention: float = 0.0
    """Share of causal attention in the operations, 0 to 1; 0 where nobody knows it."""


def load_of(network: Network, run: TrainingRun, accelerator: AcceleratorType) -> Load:
    """The load of a network whose sizes are known, in tokens, with attention by the mask that is really there."""
    adapter = Kind.DENSE if run.adapter is None else Kind.ADAPTER
    return Load(
        devices=run.devices,
        operations_per_unit=training_operations(network, run),
        kind=Kind.EXPERTS if network.experts else adapter,
        precision=precision_of(accelerator, run.precision),
        attention=causal_share(network, run),
    )


def speed_of(
    load: Load,
    accelerator: AcceleratorType,
    *,
    priors: Priors,
    measured: Measured | None = None,
    benchmark: Measured | None = None,
    utilization: float | None = None,
) -> Speed | None:
    """The speed of a run; None where nothing is known that it could follow from.

    ``utilization`` is what a person says, which goes before everything else. Raises ``ValueError`` where it is not
    between 0 and 1.
    """
    if utilization is not None:
        return _given(load, accelerator, utilization)
    if measured is not None:
        return _measured(load, accelerator, measured)
    if benchmark is not None:
        return _benchmarked(load, accelerator, benchmark)
    return _told(load, accelerator, priors)


def _given(load: Load, accelerator: AcceleratorType, utilization: float) -> Speed | None:
    if not 0 < utilization <= 1:
        raise ValueError(f"a utilization is above 0 and at most 1, not {utilization:g}")
    text = f"a utilization of {utilization:.0%} was given"
    return _of_peak(
        load, accelerator, Range(low=utilization, expected=utilization, high=utilization), Basis.GIVEN, text
    )


def _measured(load: Load, accelerator: AcceleratorType, measured: Measured) -> Speed:
    runs = f"{measured.runs} run{'s' if measured.runs > 1 else ''}"
    what = "of this shape" if measured.same_shape else "like it"
    return Speed(
        units_per_second=measured.units_per_second,
        basis=Basis.MEASURED,
        because=f"{runs} {what} on this pool, the newest of {measured.newest[:10]}",
        utilization=_utilization(load, accelerator, measured.units_per_second),
    )


def _benchmarked(load: Load, accelerator: AcceleratorType, found: Measured) -> Speed:
    which = "the standard load of this shape" if found.same_shape else "standard loads"
    return Speed(
        units_per_second=found.units_per_second,
        basis=Basis.BENCHMARK,
        because=f"what {which} reached on this pool, the newest of {found.newest[:10]} (hostler bench)",
        utilization=_utilization(load, accelerator, found.units_per_second),
    )


def _told(load: Load, accelerator: AcceleratorType, priors: Priors) -> Speed | None:
    balance = balance_of(accelerator, load.precision)
    small = load.operations_per_unit is not None and not priors.covers_network(load.operations_per_unit)
    if load.kind is None or balance is None or small:
        text = (
            f"the data sheet's dense peak in {load.precision} times a utilization of {_ASSUMED.expected:.0%}, assumed"
        )
        if small:
            text += ": no runs of networks as small as this are published"
        return _of_peak(load, accelerator, _ASSUMED, Basis.PEAK, text)
    wide = peak_of(accelerator, "bf16") or peak_of(accelerator, "fp16")
    narrowing = (peak_of(accelerator, load.precision) or 1.0) / wide if wide is not None else 1.0
    share = priors.utilization(kind=load.kind, balance=balance, narrowing=narrowing, attention=load.attention)
    found = Range(low=share * priors.low, expected=share, high=min(1.0, share * priors.high))
    if not priors.covers(balance):
        text = (
            f"{share:.0%} of the dense peak in {load.precision}, assumed: nobody has published runs on devices of "
            f"{balance:.0f} operations per byte, and this is the share of those that are nearest"
        )
        return _of_peak(load, accelerator, found, Basis.PEAK, text)
    text = (
        f"{share:.0%} of the dense peak in {load.precision}, as {priors.runs} published runs have it for devices of "
        f"{balance:.0f} operations per byte"
    )
    return _of_peak(load, accelerator, found, Basis.PUBLISHED, text)


def _of_peak(load: Load, accelerator: AcceleratorType, utilization: Range, basis: Basis, because: str) -> Speed | None:
    peak = peak_of(accelerator, load.precision)
    if peak is None or not load.operations_per_unit:
        return None
    units = utilization.scaled(load.devices * peak / load.operations_per_unit)
    return Speed(units_per_second=units, basis=basis, because=because, utilization=utilization)


def _utilization(load: Load, accelerator: AcceleratorType, units: Range) -> Range | None:
    peak = peak_of(accelerator, load.precision)
    if peak is None or not load.operations_per_unit:
        return None
    return units.scaled(load.operations_per_unit / (load.devices * peak))
