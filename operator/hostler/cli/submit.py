"""`hostler submit`: what a job would take, then the job, then how it goes."""

from __future__ import annotations

import asyncio
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from hostler.cli.access import FIELD_MANAGER, Access, ask_cluster, kubeconfig_option, namespace_option
from hostler.cli.estimate import REFUSED, told_on_pools
from hostler.cli.estimatesource import documents_of, read_source, spec_of
from hostler.cli.estimatetable import Told, show
from hostler.cli.following import Follower
from hostler.cli.jobview import End
from hostler.cli.tables import terminal
from hostler.cluster.errors import Conflict
from hostler.planning.estimate.result import Basis

Object = dict[str, Any]
_JOB = "TrainingJob"
_WITH_IT = ("ConfigMap", "Dataset", "Model")
"""What may stand beside the job in its file."""
_MONEY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Z]{3})\s*")
DEAR = 4
"""Exit status where it is expected to cost more than the caller allows, and nobody is there to ask."""
INTERRUPTED = 130


class Sum(click.ParamType[tuple[Decimal, str]]):
    """``20 EUR``."""

    name = "sum"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Decimal, str]:
        """Amount and currency. Fails with the value."""
        found = _MONEY.fullmatch(str(value))
        if found is None or not Decimal(found[1]):
            self.fail(f"{value!r} is no sum such as '20 EUR'", param, ctx)
        return Decimal(found[1]), found[2]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", metavar="FILE")
@namespace_option
@click.option("--max-cost", type=Sum(), envvar="HOSTLER_MAX_COST", help="Ask above it: '20 EUR'.  [$HOSTLER_MAX_COST]")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Let the API server check it, say what it takes, and create nothing.")
@click.option("--detach", is_flag=True, help="Do not wait for its end.")
@kubeconfig_option
def submit(
    *,
    file: str,
    namespace: str | None,
    max_cost: tuple[Decimal, str] | None,
    yes: bool,
    dry_run: bool,
    detach: bool,
    kubeconfig: Path | None,
) -> None:
    """Say what the TrainingJob of FILE takes, create it with the ConfigMaps, Datasets and Models beside it, and show
    how it goes. Exit status 1 where it fails, 3 where no pool would accept it, 4 where it costs too much and nobody can
    be asked. Ctrl-C ends the view, not the job."""
    documents = documents_of(file)
    job = _job_of(documents, file=file)
    place = namespace or job["metadata"].get("namespace")
    source = read_source(file, kubeconfig=kubeconfig, namespace=place, offline=False)
    here = place or (source.view.here if source.view is not None else "default")
    bodies = [_placed(each, here) for each in documents]
    ask_cluster(lambda access: _create(access, bodies, dry_run=True), kubeconfig=kubeconfig, namespace=here)
    spec = spec_of(job)
    told = told_on_pools(job["metadata"]["name"], spec, source)
    show(job["metadata"]["name"], spec, told)
    if all(each.refusal for each in told):
        click.echo("Nothing was created.", err=True)
        raise click.exceptions.Exit(REFUSED)
    if dry_run:
        click.echo("Nothing was created: --dry-run.")
        return
    _consent(told, max_cost, yes=yes)
    created = ask_cluster(lambda access: _create(access, bodies, dry_run=False), kubeconfig=kubeconfig, namespace=here)
    name = job["metadata"]["name"]
    click.echo(f"TrainingJob {here}/{name} is created.")
    if detach:
        click.echo(f"See it with: hostler explain {name} -n {here}")
        return
    _finish(_followed(created, kubeconfig=kubeconfig, namespace=here), name=name, namespace=here)


def _job_of(documents: list[Object], *, file: str) -> Object:
    jobs = [each for each in documents if each.get("kind") == _JOB]
    others = sorted({str(each.get("kind")) for each in documents} - {_JOB, *_WITH_IT})
    if others:
        known = f"a TrainingJob with {', '.join(_WITH_IT[:-1])} and {_WITH_IT[-1]}"
        raise click.ClickException(
            f"{file} has {', '.join(others)}: submit creates {known}; apply the rest with kubectl"
        )
    if len(jobs) != 1:
        raise click.ClickException(f"{file} has {len(jobs) or 'no'} TrainingJobs: give each a file of its own")
    return jobs[0]


def _placed(obj: Object, namespace: str) -> Object:
    """In this namespace. Raises ``click.ClickException`` where it says another one."""
    own = obj["metadata"].get("namespace")
    if own not in (None, namespace):
        raise click.ClickException(
            f"{obj['kind']} {obj['metadata']['name']} is of namespace {own}, and -n says {namespace}: leave one out"
        )
    return obj | {"metadata": {**obj["metadata"], "namespace": namespace}}


async def _create(access: Access, bodies: list[Object], *, dry_run: bool) -> Object:
    """All of it, the job last, so that it finds what it names. What exists beside it stays as it is."""
    job: Object = {}
    for body in sorted(bodies, key=lambda each: each["kind"] == _JOB):
        name = body["metadata"]["name"]
        try:
            found = await access.client.create(body, manager=FIELD_MANAGER, dry_run=dry_run)
        except Conflict as error:
            if body["kind"] == _JOB:
                raise click.ClickException(
                    f"there is a TrainingJob {name} already: choose another name, or `hostler cancel {name}` first"
                ) from error
            if dry_run:
                click.echo(f"{body['kind']} {name} is there already, and stays as it is.", err=True)
            continue
        if body["kind"] == _JOB:
            job = found
    return job


def _consent(told: list[Told], most: tuple[Decimal, str] | None, *, yes: bool) -> None:
    """Go on, or not. Raises ``click.exceptions.Exit``."""
    dear = _too_dear(told, most)
    if not dear or yes:
        return
    if not sys.stdin.isatty():
        click.echo(f"{dear} Nothing was created; --yes creates it all the same.", err=True)
        raise click.exceptions.Exit(DEAR)
    if not click.confirm(f"{dear} Create it all the same?"):
        click.echo("Nothing was created.", err=True)
        raise click.exceptions.Exit(DEAR)


def _too_dear(told: list[Told], most: tuple[Decimal, str] | None) -> str:
    """Why somebody is to be asked; empty where nobody is. The first pool is the one that it would most likely have."""
    if most is None:
        return ""
    amount, currency = most
    first = next(each for each in told if not each.refusal)
    price = first.estimate.price if first.estimate is not None else None
    if price is None or price.currency != currency:
        return f"Nobody knows what it costs in {currency} on pool {first.pool}, and {amount} {currency} is the most."
    expected = price.total[1]
    if expected <= amount:
        return ""
    measured = first.basis == Basis.MEASURED.value
    low = "" if measured else f" ({price.total[0]:.2f} to {price.total[2]:.2f})"
    return f"It is expected to cost {expected:.2f} {currency}{low}, and {amount} {currency} is the most."


def _followed(job: Object, *, kubeconfig: Path | None, namespace: str) -> End | None:
    """Its end; None where the view was interrupted."""

    async def question(access: Access) -> End:
        return await Follower(access, job, console=terminal()).end()

    try:
        return ask_cluster(question, kubeconfig=kubeconfig, namespace=namespace)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return None


def _finish(end: End | None, *, name: str, namespace: str) -> None:
    if end is None:
        click.echo(
            f"\nThe job goes on: hostler explain {name} -n {namespace}; hostler cancel {name} -n {namespace} ends it."
        )
        raise click.exceptions.Exit(INTERRUPTED)
    click.echo(end.message, err=not end.succeeded)
    if not end.succeeded:
        raise click.exceptions.Exit(1)
