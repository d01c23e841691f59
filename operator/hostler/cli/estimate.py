"""`hostler estimate`: what a job takes before it is applied, on pools of a cluster or on devices that nobody has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hostler.accelerators import UnknownAcceleratorError
from hostler.api.trainingjob import TrainingJobSpec
from hostler.cli.access import kubeconfig_option, namespace_option
from hostler.cli.completing import NamesOf
from hostler.cli.estimatesource import Source, inputs_of, pool_views, read_source, spec_of, subject_of
from hostler.cli.estimatetable import Told, facts, show
from hostler.cli.failures import JsonCommand
from hostler.cli.output import TABLE, document, output_options
from hostler.families import family
from hostler.planning.acceptance import PoolChoice
from hostler.planning.endpoints import read_patterns
from hostler.planning.estimate.estimate import Subject, estimate_job
from hostler.planning.estimate.given import Work
from hostler.planning.estimate.imagined import imagined_pool
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.pools import PoolView

_PRICE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Z]{3})\s*")
REFUSED = 3
"""Exit status where no pool would accept some job."""


class Figure(click.ParamType[float]):
    """A number above 0, also as ``300e9``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As a number. Fails with the value."""
        try:
            found = float(str(value).replace("_", "").replace(",", ""))
        except ValueError:
            self.fail(f"{value!r} is no number such as 300e9", param, ctx)
        if not 0 < found < float("inf"):
            self.fail(f"{value} is no number above 0", param, ctx)
        return found


class HourlyPrice(click.ParamType[dict[str, str]]):
    """``2.79 EUR``."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """As the price of a pool. Fails with the value."""
        found = _PRICE.fullmatch(str(value))
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is no price of a device for an hour such as '2.79 EUR'", param, ctx)
        return {
            "amount": found[1],
            "currency": found[2],
            "source": "--price",
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        }


_FIGURE = Figure()
_ANY_ENDPOINT = read_patterns(["*"])


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target", metavar="FILE|NAME", shell_complete=NamesOf("TrainingJob"))
@click.option("--pool", "pools", multiple=True, help="On this pool; may be given several times.  [default: the job's]")
@click.option("--all", "every", is_flag=True, help="On every pool.")
@click.option("--type", "kinds", multiple=True, help="On devices of this type, without a cluster.")
@click.option("--devices", type=click.IntRange(min=1), help="With --type: on so many of them.  [default: the job's]")
@click.option("--price", type=HourlyPrice(), help="With --type: of one device for an hour, such as '2.79 EUR'.")
@click.option("--utilization", type=_FIGURE, help="Share of the dense peak that is reached, as you know it: 0.4.")
@click.option("--tokens", type=_FIGURE, help="Tokens to learn from, such as 300e9, instead of the steps.")
@click.option("--gigabytes", type=_FIGURE, help="The same as plain text, at 4 bytes a token.")
@click.option("--images", type=_FIGURE, help="Images or clips to learn from.")
@click.option("--hours-of-audio", type=_FIGURE, help="Recordings to learn from.")
@click.option("--epochs", type=_FIGURE, help="How often all of that is seen.  [default: 1]")
@namespace_option
@kubeconfig_option
@output_options
def estimate(
    *,
    target: str,
    pools: tuple[str, ...],
    every: bool,
    kinds: tuple[str, ...],
    devices: int | None,
    price: dict[str, str] | None,
    utilization: float | None,
    namespace: str | None,
    kubeconfig: Path | None,
    output: str,
    **work: float | None,
) -> None:
    """Say what each TrainingJob of FILE, or the one of NAME, takes: time, money, energy, arithmetic, memory, and what
    the figures were made of. Exit status 3 where no pool would accept a job."""
    _check(pools, kinds=kinds, devices=devices, price=price, utilization=utilization)
    source = read_source(target, kubeconfig=kubeconfig, namespace=namespace, offline=bool(kinds))
    everything: list[Told] = []
    refused = False
    for job in source.jobs:
        spec = spec_of(job)
        units = _units(Work(**work), spec)
        views = (
            [_imagined(kind, spec, devices=devices, price=price) for kind in kinds]
            if kinds
            else pool_views(spec, source, named=pools, every=every)
        )
        if devices is not None:
            spec = _with_devices(spec, devices)
        subjects = [subject_of(spec, view, source, units=units, utilization=utilization) for view in views]
        all_of = _ranked(job["metadata"]["name"], subjects, source)
        refused |= all(told.refusal for told in all_of)
        everything += all_of
        if output == TABLE:
            show(job["metadata"]["name"], spec, all_of)
    if output != TABLE:
        click.echo(document([facts(told) for told in everything], output=output))
    if refused:
        raise click.exceptions.Exit(REFUSED)


def told_on_pools(name: str, spec: TrainingJobSpec, source: Source) -> list[Told]:
    """A job on the pool that it names, or on all that it could choose: those first that would take it."""
    views = pool_views(spec, source, named=(), every=False)
    subjects = [subject_of(spec, view, source, units=None, utilization=None) for view in views]
    return _ranked(name, subjects, source)


def _ranked(name: str, subjects: Iterable[Subject], source: Source) -> list[Told]:
    return sorted((_told(name, each, source) for each in subjects), key=_order)


def _check(
    pools: tuple[str, ...],
    *,
    kinds: tuple[str, ...],
    devices: int | None,
    price: dict[str, str] | None,
    utilization: float | None,
) -> None:
    if kinds and pools:
        raise click.UsageError("--type asks about devices without a cluster, and --pool about a pool of one: give one")
    if not kinds and (devices is not None or price is not None):
        raise click.UsageError("--devices and --price go with --type: a pool has its own")
    if utilization is not None and utilization > 1:
        raise click.UsageError(f"--utilization is a share, above 0 and at most 1, not {utilization:g}")


def _units(work: Work, spec: TrainingJobSpec) -> float | None:
    try:
        return work.units(family(spec.family.value).unit)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _imagined(kind: str, spec: TrainingJobSpec, *, devices: int | None, price: dict[str, str] | None) -> PoolView:
    per_pod = spec.accelerators.per_pod
    wanted = per_pod * spec.pods.max if devices is None else devices
    try:
        return imagined_pool(kind, devices=wanted, per_node=min(per_pod, wanted), price=price)
    except (UnknownAcceleratorError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _with_devices(spec: TrainingJobSpec, devices: int) -> TrainingJobSpec:
    """The same job on so many devices."""
    per_pod = min(spec.accelerators.per_pod, devices)
    count = devices // per_pod
    return spec.model_copy(
        update={
            "accelerators": spec.accelerators.model_copy(update={"per_pod": per_pod}),
            "pods": spec.pods.model_copy(update={"min": count, "max": count}),
        }
    )


def _told(name: str, subject: Subject, source: Source) -> Told:
    rejection = reject_job(
        subject.spec,
        choice=PoolChoice(view=subject.view),
        facts=TrainingFacts(inputs=inputs_of(subject.spec, source)),
        # What an administrator allows and which images there are, only the operator knows.
        has_image=lambda verb, variant: True,
        allowed_endpoints=_ANY_ENDPOINT,
    )
    refusal = "" if rejection is None else rejection.message
    return Told(name=name, subject=subject, estimate=estimate_job(subject), refusal=refusal)


def _order(told: Told) -> tuple[bool, bool, float, float, str]:
    """Those that would take it first, the cheapest of them, then the fastest."""
    found = told.estimate
    price = found.price if found is not None else None
    seconds = found.seconds if found is not None else None
    cost = float("inf") if price is None else float(price.total[1])
    return bool(told.refusal), price is None, cost, float("inf") if seconds is None else seconds.expected, told.pool
