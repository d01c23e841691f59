"""`hostler compare`: pools by what they compute for their price, as a table, as Markdown and as a chart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hostler.cli.access import Access, ask_cluster, kubeconfig_option
from hostler.cli.benchview import number
from hostler.cli.charts import Bar, Section, bar_chart
from hostler.cli.comparison import (
    COST,
    DEVICE,
    WATT,
    ComparisonError,
    Group,
    Row,
    Wish,
    compared,
    currency_of,
    read_rates,
)
from hostler.cli.failures import JsonCommand
from hostler.cli.output import JSON, TABLE, YAML, document
from hostler.cli.tables import Column, show_table
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
MARKDOWN = "markdown"


@click.command(name="compare", cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--family", help="Only loads of this family.")
@click.option("--load", help="Only this load, such as bert-base-packed.")
@click.option(
    "--per",
    type=click.Choice((COST, WATT, DEVICE)),
    help="By what pools are ranked: for a unit of the currency, for a joule, or for a device and second.  [default: "
    "cost where a pool has a price, else device]",
)
@click.option("--currency", metavar="CODE", help="Currency to show, such as EUR.  [default: the one that has no rate]")
@click.option("--rate", "rates", multiple=True, metavar="CODE=AMOUNT[@DAY]", help="What 1 of another one is worth.")
@click.option(
    "--chart", type=click.Path(path_type=Path, dir_okay=False), help="SVG file to write the comparison to as bars."
)
@kubeconfig_option
@click.option(
    "-o",
    "--output",
    type=click.Choice((TABLE, JSON, YAML, MARKDOWN)),
    default=TABLE,
    show_default=True,
    help="For people, for programs, or for a page.",
)
def compare(
    *,
    family: str | None,
    load: str | None,
    per: str | None,
    currency: str | None,
    rates: tuple[str, ...],
    chart: Path | None,
    kubeconfig: Path | None,
    output: str,
) -> None:
    """Compare pools by their benchmarks (hostler bench): units per second, per watt and per unit of the currency.

    Each load is compared by itself, best pool first. Figures of another image than the present one, and of simulated
    devices beside real ones, are shown and not ranked.
    """
    pools = ask_cluster(_pools, kubeconfig=kubeconfig)
    try:
        known = read_rates(rates, today=datetime.now(UTC).date().isoformat())
        wish = Wish(family=family, load=load, currency=currency, rates=known)
        money = currency_of(pools, wish)
        wish = dataclasses.replace(wish, per=per or (COST if money else DEVICE))
        groups = compared(pools, wish)
    except ComparisonError as error:
        raise click.ClickException(str(error)) from error
    if not groups:
        raise click.ClickException(nothing(pools, wish))
    if chart is not None:
        _write(chart, drawn(groups, per=wish.per, currency=money))
    if output in (JSON, YAML):
        click.echo(document(facts(groups, per=wish.per, currency=money), output=output))
    elif output == MARKDOWN:
        click.echo(markdown(groups, per=wish.per, currency=money))
    else:
        for place, group in enumerate(groups):
            click.echo(("\n" if place else "") + heading(group, per=wish.per, currency=money))
            show_table(columns(group, currency=money), [cells(row) for row in group.rows])


async def _pools(access: Access) -> list[Object]:
    return (await access.client.list(resource_of("AcceleratorPool"))).items


def nothing(pools: Sequence[Object], wish: Wish) -> str:
    """What is said where nothing matches."""
    there = sorted({each["load"] for pool in pools for each in (pool.get("status") or {}).get("benchmarks") or ()})
    asked = wish.load or wish.family
    if there and asked:
        return f"no pool has a benchmark of {asked}; there are {', '.join(there)}"
    return "no pool has a benchmark yet: hostler bench runs the standard loads"


def _write(chart: Path, text: str) -> None:
    try:
        chart.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{chart} cannot be written: {error.strerror}") from error


def measure(unit: str, *, per: str, currency: str) -> str:
    """What the rows of a group are ranked by, in words."""
    return {COST: f"{unit} per {currency}", WATT: f"{unit} per joule", DEVICE: f"{unit} per second and device"}[per]


def heading(group: Group, *, per: str, currency: str) -> str:
    """Of a table."""
    return f"{group.load}, by {measure(group.unit, per=per, currency=currency)}"


def columns(group: Group, *, currency: str) -> list[Column]:
    """Of a table."""
    return [
        Column(name="POOL"),
        Column(name="TYPE", leaves=3),
        Column(name="DEVICES", right=True, leaves=2),
        Column(name=f"{group.unit}/s/device", right=True),
        Column(name=f"{group.unit}/J", right=True, leaves=4),
        Column(name=f"{group.unit}/{currency or 'currency'}", right=True),
        Column(name="RELATIVE", right=True),
        Column(name="DATE", leaves=1),
        Column(name="NOTE", wraps=True),
    ]


def cells(row: Row) -> tuple[str, ...]:
    """One row for people."""
    power = ("rated power",) if row.per_watt is not None and row.power == "Rated" else ()
    return (
        row.pool,
        row.accelerator_type,
        str(row.devices),
        number(row.per_device),
        _figure(row.per_watt),
        _figure(row.per_currency),
        "" if row.relative is None else f"{row.relative:.0%}",
        row.at[:10],
        ", ".join((*row.notes, *power)),
    )


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)


def markdown(groups: Sequence[Group], *, per: str, currency: str) -> str:
    """A heading and a table for each load."""
    parts = []
    for group in groups:
        head = columns(group, currency=currency)
        lines = [
            f"### {heading(group, per=per, currency=currency)}",
            "",
            "| " + " | ".join(column.name for column in head) + " |",
            "|" + "|".join(" ---: " if column.right else " --- " for column in head) + "|",
            *("| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in group.rows),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def facts(groups: Sequence[Group], *, per: str, currency: str) -> Object:
    """For programs."""
    return {
        "per": per,
        "currency": currency or None,
        "loads": [
            {
                "load": group.load,
                "unit": group.unit,
                "pools": [
                    {
                        "pool": row.pool,
                        "acceleratorType": row.accelerator_type,
                        "devices": row.devices,
                        "perSecondAndDevice": row.per_device,
                        "perJoule": row.per_watt,
                        "perCurrency": row.per_currency,
                        "relative": row.relative,
                        "power": row.power,
                        "at": row.at,
                        "image": row.image,
                        "simulated": row.simulated,
                        "outdated": row.outdated,
                        "notes": list(row.notes),
                    }
                    for row in group.rows
                ],
            }
            for group in groups
        ],
    }


def drawn(groups: Sequence[Group], *, per: str, currency: str) -> str:
    """As bars: what does not compare is grey, what has no figure is left out."""
    sections = [
        Section(
            heading=heading(group, per=per, currency=currency),
            bars=[_bar(row, per) for row in group.rows if row.value(per)],
        )
        for group in groups
    ]
    days = sorted({row.at[:10] for group in groups for row in group.rows})
    span = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    note = f"Measured by hostler bench, {span}. " + _aside(groups)
    return bar_chart(title="Accelerator pools by benchmark", sections=sections, note=note)


def _bar(row: Row, per: str) -> Bar:
    value = row.value(per) or 0.0
    aside = ", ".join(note for note in row.notes if note in ("outdated", "simulated"))
    text = number(value) + (f" ({row.relative:.0%})" if row.relative is not None else "")
    return Bar(
        label=f"{row.pool} ({row.accelerator_type})",
        value=value,
        text=f"{text} {aside}".strip(),
        best=row.relative == 1,
        muted=row.relative is None,
    )


def _aside(groups: Sequence[Group]) -> str:
    """Rates and sources of power that the figures rest on."""
    rows = [row for group in groups for row in group.rows]
    rates = sorted({note for row in rows for note in row.notes if "=" in note})
    power = ["Watts are rated ones."] if any(row.power == "Rated" for row in rows) else []
    return " ".join([*(f"{each}, as given." for each in rates), *power])
