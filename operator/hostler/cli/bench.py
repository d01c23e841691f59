"""`hostler bench`: run the standard loads of families on pools, and see what they reach for their price."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hostler.cli.access import Access, ask_cluster, kubeconfig_option, namespace_option
from hostler.cli.benchplan import LeftOut, Planned, Wish, planned
from hostler.cli.benchrun import Outcome, Terms, check, run_all
from hostler.cli.benchview import facts, figure
from hostler.cli.completing import NamesOf
from hostler.cli.failures import JsonCommand
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.tables import Column, show_table
from hostler.cluster.resources import resource_of
from hostler.planning.benchmarks.loads import BASE, PACKED, SMALL, UNPACKED, benchmarked_families

Object = dict[str, Any]
_BOTH = "both"
_COLUMNS = (
    Column(name="POOL"),
    Column(name="LOAD"),
    Column(name="SPEED", right=True),
    Column(name="PER WATT", right=True, leaves=1),
    Column(name="PER CURRENCY", right=True),
    Column(name="NOTE", wraps=True),
)


@click.command(name="bench", cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--family",
    "families",
    multiple=True,
    help="Family whose load is run; may be repeated.  [default: all that have one]",
)
@click.option(
    "--pool",
    "pools",
    multiple=True,
    shell_complete=NamesOf("AcceleratorPool"),
    help="Pool to run on; may be repeated.  [default: all that can hold it]",
)
@click.option(
    "--size",
    type=click.Choice((SMALL, BASE)),
    help="Size of the network.  [default: base, and small on cores and simulated devices]",
)
@click.option(
    "--packing",
    type=click.Choice((_BOTH, PACKED, UNPACKED)),
    default=_BOTH,
    show_default=True,
    help="Of families with sequences: several in a row, or padded.",
)
@click.option("--storage-class", help="StorageClass of the jobs' claims.  [default: the cluster's]")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=3600.0, show_default=True, help="Seconds that one load may take."
)
@click.option("--keep", is_flag=True, help="Leave jobs and their models; the jobs go after an hour by themselves.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, let the API server check it, and change nothing.")
@namespace_option
@kubeconfig_option
@output_options
def bench(
    *,
    families: tuple[str, ...],
    pools: tuple[str, ...],
    size: str | None,
    packing: str,
    storage_class: str | None,
    timeout: float,
    keep: bool,
    dry_run: bool,
    namespace: str | None,
    kubeconfig: Path | None,
    output: str,
) -> None:
    """Train the standard load of families on pools; status.benchmarks of each pool has the figures then.

    The loads are ordinary TrainingJobs in the namespace: they wait in line, cost what their accelerators cost, and are
    deleted with their models afterwards.
    """
    wish = Wish(families=_known(families), size=size, variants=() if packing == _BOTH else (packing,))
    board = _Board(live=output == TABLE and sys.stderr.isatty())
    terms = Terms(keep=keep, storage_class=storage_class, timeout=timeout, tell=board.tell)

    async def question(access: Access) -> tuple[list[Planned], list[LeftOut], list[Outcome]]:
        there = (await access.client.list(resource_of("AcceleratorPool"))).items
        run, left = planned(chosen(there, pools), wish)
        if not run:
            return run, left, []
        if dry_run:
            await check(access, run, terms)
            return run, left, []
        board.begin(run)
        return run, left, await run_all(access, run, terms)

    try:
        run, left, outcomes = ask_cluster(question, kubeconfig=kubeconfig, namespace=namespace)
    except KeyboardInterrupt:
        raise click.ClickException(
            "stopped waiting: the jobs go on, and the same command waits for them again; hostler cancel ends one"
        ) from None
    finally:
        board.end()
    _show(run, left, outcomes, dry_run=dry_run, output=output)
    if not run or any(each.benchmark is None for each in outcomes):
        raise click.exceptions.Exit(1)


def _known(families: Sequence[str]) -> tuple[str, ...]:
    known = benchmarked_families()
    for each in families:
        if each not in known:
            raise click.BadParameter(
                f"{each!r} has no standard load; there are {', '.join(known)}", param_hint="--family"
            )
    return tuple(dict.fromkeys(families)) or known


def chosen(there: Sequence[Object], names: Sequence[str]) -> list[Object]:
    """The pools that are named, or all. Raises ``click.ClickException``."""
    by_name = {pool["metadata"]["name"]: pool for pool in there}
    for name in names:
        if name not in by_name:
            raise click.ClickException(f"there is no pool {name}; there are {', '.join(sorted(by_name)) or 'none'}")
    if not by_name:
        raise click.ClickException(
            "there are no AcceleratorPools; describe your nodes with one: docs/concepts/pools.md"
        )
    return [by_name[name] for name in dict.fromkeys(names)] or [by_name[name] for name in sorted(by_name)]


class _Board:
    """What goes on: one line that changes at a terminal, else a line for each change that matters."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._told: dict[str, str] = {}
        self._count = 0
        self._width = 0

    def begin(self, run: Sequence[Planned]) -> None:
        self._count = len(run)

    def tell(self, each: Planned, text: str) -> None:
        name = f"{each.pool}/{each.load.name}"
        if self._told.get(name) == text:
            return
        before, self._told[name] = self._told.get(name, ""), text
        if self._live:
            # Each pool's newest, because one load at a time runs there.
            newest = {key.partition("/")[0]: f"{key}: {value}" for key, value in self._told.items()}
            line = f"{len(self._told)} of {self._count}  " + "  |  ".join(newest.values())
            line = line[: max(20, shutil.get_terminal_size().columns - 1)]
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width = len(line)
        elif not (text.startswith("step ") and before.startswith("step ")):
            click.echo(f"{name}: {text}", err=True)

    def end(self) -> None:
        if self._live and self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)


def _show(
    run: Sequence[Planned], left: Sequence[LeftOut], outcomes: Sequence[Outcome], *, dry_run: bool, output: str
) -> None:
    if output != TABLE:
        click.echo(document(_document(run, left, outcomes, dry_run=dry_run), output=output))
        return
    for each in left:
        click.echo(f"{each.pool}: {each.family} is not run: {each.why.rstrip('.')}.", err=True)
    if not run:
        click.echo("No pool can hold any of the loads.", err=True)
    elif dry_run:
        for planned_ in run:
            click.echo(f"would run {planned_.load.name} on pool {planned_.pool} as TrainingJob {planned_.name}")
        click.echo("(dry run: nothing was changed)")
    else:
        show_table(_COLUMNS, [_row(each) for each in outcomes])


def _row(each: Outcome) -> tuple[str, ...]:
    if each.benchmark is None:
        return each.planned.pool, each.planned.load.name, "", "", "", each.why
    found = facts(each.planned.pool, each.benchmark)
    figures = (figure(found["speed"]), figure(found["perWatt"]), figure(found["perCurrency"]))
    return each.planned.pool, each.planned.load.name, *figures, found["note"]


def _document(run: Sequence[Planned], left: Sequence[LeftOut], outcomes: Sequence[Outcome], *, dry_run: bool) -> Object:
    ended = {each.planned.name: each for each in outcomes}
    return {
        "dryRun": dry_run,
        "loads": [
            {
                "pool": each.pool,
                "load": each.load.name,
                "job": each.name,
                "benchmark": ended[each.name].benchmark if each.name in ended else None,
                "message": ended[each.name].why if each.name in ended else "",
            }
            for each in run
        ],
        "leftOut": [{"pool": each.pool, "family": each.family, "message": each.why} for each in left],
    }
