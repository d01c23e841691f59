"""`hostler pools` and `hostler accelerators`: what there is, and what could be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hostler.accelerators import AcceleratorType, Verb, accelerators, compatibility
from hostler.cli.access import Access, ask_cluster, kubeconfig_option
from hostler.cli.benchview import short
from hostler.cli.failures import JsonCommand
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.tables import Column, show_table
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
    Column(name="BENCHMARKS", leaves=0),
    Column(name="NOTE", wraps=True),
)


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@kubeconfig_option
@output_options
def pools(*, kubeconfig: Path | None, output: str) -> None:
    """Show every AcceleratorPool: what it has, what is in use, promised, and free in one piece; what it costs, and what
    standard loads have reached there."""
    found = ask_cluster(_list_pools, kubeconfig=kubeconfig)
    if output != TABLE:
        click.echo(document([pool_facts(pool) for pool in found], output=output))
    elif not found:
        click.echo("There are no AcceleratorPools. Describe your nodes with one: docs/concepts/pools.md")
    else:
        show_table(POOL_COLUMNS, pool_rows(found))


@click.command(name="accelerators", cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--family", default="chat", show_default=True, help="Family whose verdicts are shown.")
@output_options
def list_accelerators(*, family: str, output: str) -> None:
    """List the accelerator types that pools can name, and what a family can do on each."""
    if family not in families():
        raise click.BadParameter(f"{family!r} is none of {', '.join(families())}", param_hint="--family")
    if output != TABLE:
        facts = [accelerator_facts(kind, family) for kind in accelerators().values()]
        click.echo(document(facts, output=output))
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
        "benchmarks": status.get("benchmarks") or [],
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
            short(facts["benchmarks"]),
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


async def _list_pools(access: Access) -> list[Object]:
    return (await access.client.list(resource_of("AcceleratorPool"))).items


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _price(price: Object | None) -> str:
    return f"{price['amount']} {price['currency']}/h" if price else ""


def _note(facts: Object) -> str:
    said = [] if facts["ready"] == "True" else [facts["message"] or "not looked at yet: is the operator running?"]
    return " ".join([*(["simulated."] if facts["simulated"] else []), *said])
