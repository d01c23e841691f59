"""Published runs as the priors tell them that were fitted without their source, framework, network or device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fitting import fit
from published import Run
from scores import Told

from hostler.planning.estimate.priors import Priors
from hostler.planning.estimate.speed import Load, speed_of

GROUPS: Mapping[str, Callable[[Run], str]] = {
    "source": lambda run: run.source,
    "framework": lambda run: run.framework,
    "network": lambda run: run.model,
    "device": lambda run: run.accelerator.id,
}
"""What is left out of the fit together."""


def left_out(runs: Sequence[Run], group: Callable[[Run], str]) -> dict[str, list[Told]]:
    """By group, each of its runs beside what the others' priors say of it."""
    found = {}
    for name in sorted({group(run) for run in runs}):
        priors = fit([run for run in runs if group(run) != name])
        found[name] = [tell(priors, run) for run in runs if group(run) == name]
    return found


def tell(priors: Priors, run: Run) -> Told:
    """Units per second as the operator would say them, beside those that were measured."""
    load = Load(
        devices=run.devices,
        operations_per_unit=run.operations,
        kind=run.kind,
        precision=run.precision,
        attention=run.attention,
    )
    speed = speed_of(load, run.accelerator, priors=priors)
    assert speed is not None, run
    return Told(told=speed.units_per_second, measured=run.tokens * run.devices)
