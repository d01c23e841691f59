"""`hostler cost`: what was spent, from the ledgers, which outlive the jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from hostler.cli.access import Access, ask_cluster, kubeconfig_option
from hostler.cli.failures import JsonCommand
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.tables import Column, show_table
from hostler.cluster.errors import Forbidden
from hostler.cluster.resources import resource_of
from hostler.controllers.costing import show_money
from hostler.controllers.costledger import spent_of
from hostler.manifests.costledger import LEDGER_LABEL, NAMESPACE_ANNOTATION, read_ledger
from hostler.planning.costledger import Line, month_of, months_since, totals, written

Object = dict[str, Any]
WAYS = ("namespace", "pool", "job", "service", "model")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_COLUMNS = (
    Column(name="", wraps=True),
    Column(name="DEVICE HOURS", right=True),
    Column(name="LOST", right=True, leaves=1),
    Column(name="COST", right=True),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of a ledger, and whose."""

    namespace: str
    month: str
    line: Line


@dataclass(frozen=True, kw_only=True)
class Read:
    """What could be read."""

    entries: tuple[Entry, ...]
    pools: tuple[Object, ...] = ()
    notes: tuple[str, ...] = ()


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--by", type=click.Choice(WAYS), default="namespace", show_default=True, help="What is added up.")
@click.option("--since", help="First month, such as 2026-10.  [default: this month]")
@click.option("-n", "--namespace", help="Of this namespace alone.  [default: all]")
@click.option("--operator-namespace", default="hostler-system", show_default=True, help="Where the ledgers are.")
@kubeconfig_option
@output_options
def cost(
    *,
    by: str,
    since: str | None,
    namespace: str | None,
    operator_namespace: str,
    kubeconfig: Path | None,
    output: str,
) -> None:
    """Say what jobs and services have cost, those that were deleted included, by whole months (UTC)."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = month_of(now) if since is None else since
    if not _MONTH.fullmatch(first):
        raise click.UsageError(f"--since is a month such as 2026-10, not {first}")
    if first > month_of(now):
        raise click.UsageError(f"--since {first} is in the future")

    async def question(access: Access) -> Read:
        return await read(access, months=months_since(first, until=now), place=operator_namespace, now=now)

    found = ask_cluster(question, kubeconfig=kubeconfig)
    entries = [each for each in found.entries if namespace in (None, each.namespace)]
    rows = grouped(entries, by=by)
    if by == "pool" and namespace is None and first == month_of(now):
        rows |= idle(found.pools, entries, now=now)
    if output != TABLE:
        click.echo(document([facts(name, lines, by=by) for name, lines in rows.items()], output=output))
        return
    for note in found.notes:
        click.echo(note, err=True)
    columns = (Column(name=by.upper(), wraps=True), *_COLUMNS[1:])
    everything = [line for lines in rows.values() for line in lines if not line.uid.startswith("idle/")]
    table = [_row(name, lines) for name, lines in rows.items()]
    show_table(columns, [*table, _row("all", everything)] if len(rows) > 1 else table)


async def read(access: Access, *, months: Iterable[str], place: str, now: str) -> Read:
    """Ledgers, and pools. Who may not read ledgers gets what there is of the jobs that still exist."""
    client, wanted = access.client, set(months)
    notes: list[str] = []
    try:
        pools = tuple((await client.list(resource_of("AcceleratorPool"))).items)
    except Forbidden:
        pools = ()
    try:
        listed = await client.list(resource_of("ConfigMap"), namespace=place, selector=LEDGER_LABEL)
    except Forbidden:
        notes.append(
            f"You may not read ConfigMaps of namespace {place}: these are the jobs and services that still exist in "
            f"namespace {access.namespace}, each with all that it has cost."
        )
        found: list[Entry] = []
        for kind in ("TrainingJob", "InferenceService"):
            objects = (await client.list(resource_of(kind), namespace=access.namespace)).items
            found += _of_objects(kind, objects, now=now)
        return Read(entries=tuple(found), pools=pools, notes=tuple(notes))
    entries: list[Entry] = []
    for each in listed.items:
        month = (each["metadata"].get("labels") or {}).get(LEDGER_LABEL, "")
        if month not in wanted:
            continue
        namespace = (each["metadata"].get("annotations") or {}).get(NAMESPACE_ANNOTATION, "?")
        try:
            lines = read_ledger(each)
        except ValueError as error:
            notes.append(f"{error}: it is left out.")
            continue
        entries += [Entry(namespace=namespace, month=month, line=line) for line in lines.values()]
    return Read(entries=tuple(entries), pools=pools, notes=tuple(notes))


def _of_objects(kind: str, objects: Iterable[Object], *, now: str) -> Iterable[Entry]:
    for obj in objects:
        spent = spent_of(kind, obj, now=now)
        if spent is not None:
            for line in written({}, {}, spent).values():
                yield Entry(namespace=obj["metadata"]["namespace"], month=month_of(now), line=line)


def grouped(entries: Iterable[Entry], *, by: str) -> dict[str, list[Line]]:
    """Lines by what they are added up to, the dearest first."""
    found: dict[str, list[Line]] = {}
    kind = {"job": "TrainingJob", "service": "InferenceService"}.get(by)
    for each in entries:
        if kind is not None and each.line.kind not in (kind, ""):
            continue
        name = {
            "namespace": each.namespace,
            "pool": each.line.pool,
            "job": f"{each.namespace}/{each.line.name}",
            "service": f"{each.namespace}/{each.line.name}",
            "model": f"{each.namespace}/{each.line.model}" if each.line.model else "(no model)",
        }[by]
        found.setdefault(name, []).append(each.line)
    return dict(sorted(found.items(), key=lambda item: (-_most(item[1]), item[0])))


def idle(pools: Iterable[Object], entries: Iterable[Entry], *, now: str) -> dict[str, list[Line]]:
    """What each pool has not been used for since the month began or it was made, with as many devices as it has now."""
    month = f"{month_of(now)}-01T00:00:00Z"
    used: dict[str, int] = {}
    for each in entries:
        used[each.line.pool] = used.get(each.line.pool, 0) + each.line.device_seconds
    found: dict[str, list[Line]] = {}
    for pool in pools:
        name = pool["metadata"]["name"]
        devices = (pool.get("status") or {}).get("allocatable") or 0
        begun = max(month, pool["metadata"].get("creationTimestamp") or month)
        seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(begun)).total_seconds()
        rest = max(0, int(devices * seconds) - used.get(name, 0))
        price = pool["spec"].get("price")
        money = {price["currency"]: Decimal(str(price["amount"])) * rest / 3600} if price else {}
        if rest:
            uid = f"idle/{name}"
            line = Line(uid=uid, kind="", name="idle", pool=name, device_seconds=rest, money=money, until=now)
            found[f"{name} (idle, with its {devices} devices of now)"] = [line]
    return found


def facts(name: str, lines: list[Line], *, by: str) -> Object:
    """For programs."""
    seconds, money = totals(lines)
    return {
        by: name,
        "deviceSeconds": seconds,
        "lostSeconds": sum(line.lost_seconds for line in lines),
        "cost": {currency: str(amount) for currency, amount in sorted(money.items())},
    }


def _row(name: str, lines: list[Line]) -> tuple[str, ...]:
    seconds, money = totals(lines)
    lost = sum(line.lost_seconds for line in lines)
    return name, f"{seconds / 3600:,.1f}", f"{lost / seconds:.0%}" if seconds else "", _sums(money)


def _sums(money: Mapping[str, Decimal]) -> str:
    return " + ".join(f"{show_money(amount)} {currency}" for currency, amount in sorted(money.items())) or "no price"


def _most(lines: list[Line]) -> Decimal:
    return max(totals(lines)[1].values(), default=Decimal(0))
