"""`hostler queue`: who waits for a pool, who runs on it, and when the next ones are expected to start."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hostler.cli.access import kubeconfig_option
from hostler.cli.completing import NamesOf, complete_namespaces
from hostler.cli.failures import JsonCommand
from hostler.cli.lineview import (
    LineView,
    condition,
    in_time,
    pool_of,
    queue_of,
    read_view,
    seconds_left,
    shortly,
)
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.tables import Column, show_table, terminal
from hostler.planning import moments

Object = dict[str, Any]

_SHOWN = 50
"""Rows of a table; documents have all."""

_WAITING_COLUMNS = (
    Column(name="LINE", right=True),
    Column(name="JOB", wraps=True),
    Column(name="PRIORITY", leaves=4),
    Column(name="NEEDS", leaves=3),
    Column(name="AGE", right=True, leaves=1),
    Column(name="STARTS IN"),
    Column(name="WHY", leaves=2),
)
_RUNNING_COLUMNS = (
    Column(name="RUNS", wraps=True),
    Column(name="PRIORITY", leaves=1),
    Column(name="HOLDS", leaves=2),
    Column(name="ENDS IN", right=True),
    Column(name="STATE"),
)


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("pool", required=False, shell_complete=NamesOf("AcceleratorPool"))
@click.option(
    "-n",
    "--namespace",
    shell_complete=complete_namespaces,
    help="What you see if you may not see all.  [default: that of the kubeconfig's context]",
)
@kubeconfig_option
@output_options
def queue(*, pool: str | None, namespace: str | None, kubeconfig: Path | None, output: str) -> None:
    """Show the line of POOL, or of every pool: who waits, with the expected start; and who runs."""
    view = read_view(kubeconfig, namespace=namespace)
    names = sorted({*(p["metadata"]["name"] for p in view.pools), *map(pool_of, view.workloads)} - {""})
    if pool is not None:
        if pool not in names:
            raise click.ClickException(_no_such_pool(pool, names))
        names = [pool]
    if output != TABLE:
        click.echo(document([line_facts(view, name) for name in names], output=output))
        return
    if not names:
        click.echo("There are no AcceleratorPools. Describe your nodes with one: docs/concepts/pools.md")
    out = terminal()
    for place, name in enumerate(names):
        if place:
            out.print()
        print_line(out, line_facts(view, name))
    for sentence in view.unseen:
        click.echo(sentence, err=True)


def line_facts(view: LineView, name: str) -> Object:
    """A pool's line as plain figures; what is not known is null."""
    pool = view.pool(name)
    status = (pool or {}).get("status") or {}
    return {
        "pool": name,
        "exists": pool is not None,
        "acceleratorType": ((pool or {}).get("spec") or {}).get("acceleratorType"),
        "order": (((pool or {}).get("spec") or {}).get("queue") or {}).get("order", "fair"),
        **{field: status.get(field) for field in ("allocatable", "reserved", "largestFreeBlock")},
        "waiting": [_waiting_facts(obj, now=view.now) for obj in view.line(name)],
        "running": [_running_facts(obj, now=view.now) for obj in view.running(name)],
        "now": view.now,
    }


def _waiting_facts(obj: Object, *, now: str) -> Object:
    queue = queue_of(obj)
    fields = ("position", "waiting", "since", "expectedStart", "earliestStart", "latestStart", "message", "wouldStart")
    return {
        **_identity(obj),
        "pods": _pods(obj),
        **{field: queue.get(field) for field in fields},
        "ageSeconds": moments.elapsed(queue["since"], now=now) if queue.get("since") else None,
        "reason": condition(obj, "Admitted").get("reason"),
    }


def _running_facts(obj: Object, *, now: str) -> Object:
    placement = obj["status"]["placement"]
    left = seconds_left(obj, now=now) if obj["kind"] == "TrainingJob" else None
    return {
        **_identity(obj),
        "pods": placement.get("pods"),
        "nodes": [seat["name"] for seat in placement["nodes"]],
        "state": condition(obj, "Ready").get("reason"),
        "secondsLeft": left,
        "expectedEnd": moments.later(now, seconds=max(0.0, left)) if left is not None else None,
    }


def _identity(obj: Object) -> Object:
    spec = obj.get("spec") or {}
    return {
        "kind": obj["kind"],
        "namespace": obj["metadata"]["namespace"],
        "name": obj["metadata"]["name"],
        "priorityClassName": spec.get("priorityClassName"),
        "perPod": (spec.get("accelerators") or {}).get("perPod", 1),
    }


def _pods(obj: Object) -> str:
    pods = obj["spec"].get("pods") or {}
    least, most = pods.get("min", 1), pods.get("max", 1)
    return f"{least}" if least == most else f"{least}..{most}"


def print_line(out: Console, facts: Object) -> None:
    """Both tables of a pool, at most as wide as the terminal."""
    out.print(_headline(facts), markup=False, highlight=False)
    if facts["waiting"]:
        show_table(_WAITING_COLUMNS, [_waiting_row(r, now=facts["now"]) for r in facts["waiting"][:_SHOWN]], to=out)
        _print_rest(out, len(facts["waiting"]))
        out.print(_first_sentence(facts), markup=False, highlight=False)
    if facts["running"]:
        show_table(_RUNNING_COLUMNS, [_running_row(row) for row in facts["running"][:_SHOWN]], to=out)
        _print_rest(out, len(facts["running"]))


def _print_rest(out: Console, count: int) -> None:
    if count > _SHOWN:
        out.print(f"and {count - _SHOWN} more; --output json has all.", highlight=False)


def _headline(facts: Object) -> str:
    if not facts["exists"]:
        return f"Pool {facts['pool']}: not seen; {len(facts['waiting'])} waiting, {len(facts['running'])} running"
    held = f"{_figure(facts['reserved'])} of {_figure(facts['allocatable'])} reserved"
    free = f"at most {_figure(facts['largestFreeBlock'])} free on one node"
    return f"Pool {facts['pool']} ({facts['acceleratorType']}): {held}, {free}; {len(facts['waiting'])} waiting"


def _first_sentence(facts: Object) -> str:
    """What is kept for the first in line. Who waits for a quota has nothing kept: the devices may be free."""
    first = facts["waiting"][0]
    name = f"{first['namespace']}/{first['name']}"
    if not first["expectedStart"]:
        return f"Next is {name}. When it starts nobody can say: {first['message']}"
    when = in_time(first["expectedStart"], now=facts["now"])
    said = "due now" if when == "now" else f"expected in {when}"
    kept = "" if first["reason"] == "QuotaExceeded" else ": what it needs is kept for it"
    return f"Next is {name}, {said}{kept}. {first['message']}"


def _waiting_row(row: Object, *, now: str) -> tuple[str, ...]:
    fields = ("expectedStart", "earliestStart", "latestStart")
    expected, low, high = (in_time(row[field], now=now) for field in fields)
    position = row["position"]
    return (
        f"{'<=' if position > 10 else ''}{position}",
        _name(row),
        row["priorityClassName"] or "",
        f"{row['pods']} x {row['perPod']}",
        shortly(row["ageSeconds"]) if row["ageSeconds"] is not None else "",
        f"{expected} ({low}-{high})" if expected else "unknown",
        _SHORT.get(row["reason"], row["reason"] or ""),
    )


def _running_row(row: Object) -> tuple[str, ...]:
    ends = "" if row["kind"] == "InferenceService" else "unknown"
    if (left := row["secondsLeft"]) is not None:
        ends = shortly(left) if left > 0 else "overdue"
    return _name(row), row["priorityClassName"] or "", f"{row['pods']} x {row['perPod']}", ends, row["state"] or ""


def _name(row: Object) -> str:
    mark = " (service)" if row["kind"] == "InferenceService" else ""
    return f"{row['namespace']}/{row['name']}{mark}"


_SHORT = {
    "WaitingForCapacity": "capacity",
    "QuotaExceeded": "quota",
    "PoolNotReady": "pool not ready",
    "Preempting": "others leave",
    "Preempted": "preempted",
    "WaitingForNodes": "pool grows",
}


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _no_such_pool(pool: str, names: list[str]) -> str:
    alike = difflib.get_close_matches(pool, names, n=1)
    hint = f": did you mean {alike[0]}?" if alike else f"; there are {', '.join(names)}" if names else ""
    return f"there is no AcceleratorPool {pool}{hint}"
