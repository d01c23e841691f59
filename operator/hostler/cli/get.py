"""`hostler get`: what there is, as a table or as the objects themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hostler.cli.access import Access, ask_cluster, kubeconfig_option, namespace_option
from hostler.cli.completing import complete_kinds, complete_of_kind
from hostler.cli.failures import JsonCommand
from hostler.cli.kindwords import WORDS, kind_of
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.pools import POOL_COLUMNS, pool_rows
from hostler.cli.rows import columns_of, rows_of
from hostler.cli.tables import show_table, terminal
from hostler.cli.targets import find_target
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
_SHOWN = 500
"""Rows of a table; documents have all."""
_OF_A_NAMESPACE = tuple(kind for kind in WORDS if kind != "AcceleratorPool")


@click.command(name="get", cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("kind", required=False, metavar="[KIND]", shell_complete=complete_kinds)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete_of_kind)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Of all namespaces that there are.")
@kubeconfig_option
@output_options
def get(
    *,
    kind: str | None,
    name: str | None,
    namespace: str | None,
    all_namespaces: bool,
    kubeconfig: Path | None,
    output: str,
) -> None:
    """List jobs, services, models, datasets or pools (KIND), or the one called NAME; without KIND everything."""
    if name is not None and all_namespaces:
        raise click.UsageError("a name is of one namespace: say which with -n, instead of -A")
    kinds = (kind_of(kind),) if kind is not None else _OF_A_NAMESPACE

    async def question(access: Access) -> tuple[list[Object], str]:
        if name is not None:
            return [await find_target(access, kinds[0], name, kinds=kinds)], access.namespace
        place = "" if all_namespaces else access.namespace
        found = [obj for each in kinds for obj in (await access.client.list(resource_of(each), namespace=place)).items]
        return found, access.namespace

    objects, place = ask_cluster(question, kubeconfig=kubeconfig, namespace=namespace)
    if output != TABLE:
        plain = [readable(obj) for obj in objects]
        whole = plain[0] if name is not None else {"apiVersion": "v1", "kind": "List", "items": plain}
        click.echo(document(whole, output=output))
        return
    show_objects(kinds, objects, namespaces=all_namespaces)
    if not objects:
        click.echo(nothing(kinds, namespace="" if all_namespaces else place), err=True)


def nothing(kinds: Sequence[str], *, namespace: str) -> str:
    """What is said where the list is empty."""
    if kinds == ("AcceleratorPool",):
        return "There are no AcceleratorPools. Describe your nodes with one: docs/concepts/pools.md"
    what = WORDS[kinds[0]] if len(kinds) == 1 else "jobs, services, models or datasets"
    return f"No {what} in namespace {namespace}; -A looks into all." if namespace else f"No {what} in any namespace."


def readable(obj: Object) -> Object:
    """Without the bookkeeping of field managers, as kubectl shows it too."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return obj | {"metadata": metadata}


def show_objects(kinds: Sequence[str], objects: Sequence[Object], *, namespaces: bool) -> None:
    """A table for each kind of which there is anything."""
    out = terminal()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = 0
    for kind in kinds:
        found = sorted((obj for obj in objects if obj["kind"] == kind), key=_by_name)
        if not found:
            continue
        if shown:
            out.print()
        shown += 1
        if len(kinds) > 1:
            out.print(WORDS[kind].upper(), style="bold", markup=False, highlight=False)
        if kind == "AcceleratorPool":
            show_table(POOL_COLUMNS, pool_rows(found[:_SHOWN]), to=out)
        else:
            columns = columns_of(kind, namespaces=namespaces)
            rows = rows_of(columns, found[:_SHOWN], now=now)
            show_table([each.column for each in columns], rows, to=out)
        if len(found) > _SHOWN:
            out.print(f"and {len(found) - _SHOWN} more; --output json has all.", highlight=False)


def _by_name(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
