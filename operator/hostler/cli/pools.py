"""`hostler pools` and `hostler accelerators`: what there is, and what could be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hostler.accelerators import AcceleratorType, Verb, accelerators, compatibility
from hostler.cli.failures import JsonCommand
from hostler.cli.tables import Column, show_table
from hostler.cluster.client import Client
from hostler.cluster.connection import ConnectionSetupError, connect
from hostler.cluster.errors import ApiError, NotFound
from hostler.cluster.resources import resource_of
from hostler.families import families

Object = dict[str, Any]

POOL_COLUMNS = (
    Column(name="POOL"),
    Column(name="TYPE"),
    Column(name="READY"),
    Column(name="CAPACITY", right=True),
    Column(name="IN USE", right=True),
    Column(name="RESERVED", right=True),
    Column(name="UNHEALTHY", right=True, leaves=4),
    Column(name="LARGEST FREE", right=True, leaves=3),
    Column(name="QUOTA", right=True, leaves=2),
    Column(name="PRICE", leaves=1),
    Column(name="NOTE", wraps=True),
)


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead of $KUBECONFIG and ~/.kube/config.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def pools(*, kubeconfig: Path | None, as_json: bool) -> None:
    """Show every AcceleratorPool: what it has, what is in use, promised, and free in one piece; what it costs."""
    try:
        found = asyncio.run(_list_pools(kubeconfig))
    except NotFound as error:
        raise click.ClickException("this cluster has no AcceleratorPools: install Hostler's CRDs first") from error
    except (ApiError, ConnectionSetupError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([pool_facts(pool) for pool in found], indent=2))
    elif not found:
        click.echo("There are no AcceleratorPools. Describe your nodes with one: docs/concepts/pools.md")
    else:
        show_table(POOL_COLUMNS, pool_rows(found))


@click.command(name="accelerators", cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--family", default="chat", show_default=True, help="Family whose verdicts are shown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def list_accelerators(*, family: str, as_json: bool) -> None:
    """List the accelerator types that pools can name, and what a family can do on each."""
    if family not in families():
        raise click.BadParameter(f"{family!r} is none of {', '.join(families())}", param_hint="--family")
    if as_json:
        facts = [accelerator_facts(kind, family) for kind in accelerators().values()]
        click.echo(json.dumps(facts, indent=2))
    else:
        show_table(accelerator_columns(family), accelerator_rows(family))


def pool_facts(pool: Object) -> Object:
    """A pool as plain figures; what is not known is null."""
    spec, status = pool["spec"], pool.get("status") or {}
    ready: Object = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    figures = ("nodes", "capacity", "allocatable", "inUse", "reserved", "unhealthy", "largestFreeBlock")
    return {
        "name": pool["metadata"]["name"],
        "acceleratorType": spec["acceleratorType"],
        "ready": ready.get("status"),
        "reason": ready.get("reason"),
        "message": ready.get("message"),
        **{name: status.get(name) for name in (*figures, "simulated", "resourceName")},
        "price": spec.get("price"),
        "quota": (spec.get("quota") or {}).get("accelerators"),
    }


def pool_rows(found: Sequence[Object]) -> list[tuple[str, ...]]:
    """Pools for people; the sentence of a pool that is not ready stands in its row."""
    figures = ("capacity", "inUse", "reserved", "unhealthy", "largestFreeBlock", "quota")
    return [
        (
            facts["name"],
            facts["acceleratorType"],
            facts["ready"] or "Unknown",
            *(_figure(facts[name]) for name in figures),
            _price(facts["price"]),
            _note(facts),
        )
        for facts in map(pool_facts, found)
    ]


def accelerator_facts(kind: AcceleratorType, family: str) -> Object:
    """A type as plain figures, with both verdicts."""
    verdicts = {verb: compatibility(family=family, accelerator=kind, verb=verb) for verb in Verb}
    return {
        "id": kind.id,
        "vendor": kind.vendor,
        "model": kind.model,
        "kind": kind.kind,
        "resourceName": kind.resource_name,
        "unit": kind.unit,
        "memoryGib": kind.memory_gib,
        "watts": kind.watts,
        "allowedCounts": list(kind.allowed_counts) or None,
        "confidence": kind.confidence.value,
        **{
            verb.value: {"verdict": found.verdict.value, "variant": found.variant, "reason": found.reason}
            for verb, found in verdicts.items()
        },
    }


def accelerator_columns(family: str) -> tuple[Column, ...]:
    """Of the table of types."""
    return (
        Column(name="TYPE"),
        Column(name="VENDOR", leaves=4),
        Column(name="MODEL", leaves=3),
        Column(name="RESOURCE", leaves=1),
        Column(name="MEMORY GiB", right=True),
        Column(name="WATTS", right=True, leaves=5),
        Column(name=f"TRAIN {family}"),
        Column(name=f"SERVE {family}"),
        Column(name="IMAGE", leaves=2),
    )


def accelerator_rows(family: str) -> list[tuple[str, ...]]:
    """Types for people."""
    return [
        (
            kind.id,
            kind.vendor,
            kind.model,
            kind.resource_name or ("named by the pool" if kind.resource_name_pattern else ""),
            _figure(kind.memory_gib),
            _figure(kind.watts),
            facts["train"]["verdict"],
            facts["serve"]["verdict"],
            facts["serve"]["variant"],
        )
        for kind in accelerators().values()
        for facts in [accelerator_facts(kind, family)]
    ]


async def _list_pools(kubeconfig: Path | None) -> list[Object]:
    client = Client(await connect(kubeconfig))
    try:
        return (await client.list(resource_of("AcceleratorPool"))).items
    finally:
        await client.close()


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _price(price: Object | None) -> str:
    return f"{price['amount']} {price['currency']}/h" if price else ""


def _note(facts: Object) -> str:
    said = [] if facts["ready"] == "True" else [facts["message"] or "not looked at yet: is the operator running?"]
    return " ".join([*(["simulated."] if facts["simulated"] else []), *said])
