"""`hostler data`: look at a dataset before a job does, with the trainer's own eyes."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hostler.cli.failures import JsonCommand
from hostler_contract.dataset import DatasetReport, LengthFacts, PackingFacts
from hostler_contract.job import DataFormat
from hostler_data.checks import ROLES, clips_are_decoded
from hostler_data.describe import describe as describe_records
from hostler_data.errors import DataError, MissingLibraryError
from hostler_data.files import files_below
from hostler_data.formats import guess_format
from hostler_data.pack import main as pack_command
from hostler_data.records import Records, open_records
from hostler_data.uses import FAMILIES
from hostler_data.words import counted

_BAR = 40
"""Characters of the longest bar of a histogram."""
_WIDE = 200
"""Columns of a terminal that is none, so that a pipe gets whole lines."""
_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def data() -> None:
    """Check and describe data before a TrainingJob meets it."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What both subcommands take."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text."),
        click.option(
            "--errors", "most_errors", type=click.IntRange(1, 1000), default=10, show_default=True, help="Errors shown."
        ),
        click.option(
            "--max-length",
            type=click.IntRange(1),
            default=512,
            show_default=True,
            help="Tokens of a sequence: how many rows are longer, and the packing factor.",
        ),
        click.option(
            "--family",
            type=click.Choice(sorted(FAMILIES)),
            help="Family that is to learn from it; any that can use all rows if absent.",
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="ROLE=NAME",
            help="Column that plays a role, such as text=body.",
        ),
        click.option(
            "--format", type=click.Choice(get_args(DataFormat)), help="Guessed from the files' names if absent."
        ),
        click.argument("path", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@data.command(cls=JsonCommand)
@_options
def validate(*, as_json: bool, **options: Any) -> None:
    """Read everything, and say what is wrong by file and row. Exit status 1 where anything is."""
    report = _report(**options)
    if as_json:
        _print_json(report)
    else:
        console = _console()
        _print_errors(console, report)
        state = "valid" if report.valid else counted(report.error_count, "error")
        console.print(f"{_figures(report)}: {state}", highlight=False)
        _print_notes(console, report)
    _leave(report)


@data.command(cls=JsonCommand)
@_options
def describe(*, as_json: bool, **options: Any) -> None:
    """Show counts, lengths and the packing factor to expect. Exit status 1 where anything is wrong with the data."""
    report = _report(**options)
    if as_json:
        _print_json(report)
    else:
        console = _console()
        console.print(_facts(report, options["path"]))
        if report.lengths is not None:
            console.print(histogram(report.lengths))
        if report.packing is not None:
            console.print(packing_sentence(report.packing), highlight=False)
            if report.packing.longer:
                console.print(longer_sentence(report.packing, rows=report.rows), highlight=False)
        _print_errors(console, report)
        _print_notes(console, report)
    _leave(report)


@data.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def pack(arguments: tuple[str, ...]) -> None:
    """Say how well a histogram of lengths packs; --help shows how."""
    raise click.exceptions.Exit(pack_command(arguments, program="hostler data pack"))


def histogram(lengths: LengthFacts) -> Table:
    """Rows by length, as bars."""
    table = Table(box=None, padding=(0, 1), title=f"rows by {lengths.unit}", title_justify="left", title_style="bold")
    for name in ("up to", "rows"):
        table.add_column(name, justify="right")
    table.add_column("")
    most = max(bucket.rows for bucket in lengths.buckets)
    for bucket in lengths.buckets:
        # A bucket with anything in it has a bar, however short.
        bar = "█" * max(round(_BAR * bucket.rows / most), 1 if bucket.rows else 0)
        table.add_row(f"{bucket.up_to:,}", f"{bucket.rows:,}", Text(bar, style="cyan"))
    return table


def packing_sentence(packing: PackingFacts) -> str:
    """What packing is expected to gain."""
    return (
        f"Packed to {counted(packing.max_length, 'token')}: {packing.factor:.2f} times fewer rows, "
        f"{packing.efficiency:.1%} of positions used instead of {packing.unpacked_efficiency:.1%}."
    )


def longer_sentence(packing: PackingFacts, *, rows: int) -> str:
    """What does not fit, and what becomes of it."""
    longer = counted(packing.longer, "row")
    return (
        f"{longer} of {rows:,} {'is' if packing.longer == 1 else 'are'} longer than that by the estimate: documents "
        "are cut into pieces, conversations truncated, dropped or refused as training.overlong says."
    )


def _report(
    *,
    path: Path,
    format: DataFormat | None,
    columns: Sequence[str],
    max_length: int,
    most_errors: int,
    family: str | None,
) -> DatasetReport:
    try:
        records = _opened(path, format=format, columns=columns)
        report = describe_records(records, max_length=max_length, most_errors=most_errors, family=family)
    except (DataError, MissingLibraryError) as error:
        raise click.ClickException(str(error)) from error
    # The operator guesses nothing: what was guessed here has to be said there.
    said = f"Read as {records.format}: in a Dataset or a job write `format: {records.format}`."
    guessed = [] if format or records.format == "text" else [said]
    return report.model_copy(update={"notes": [*guessed, *report.notes]})


def checked(
    path: Path, *, format: DataFormat | None, columns: Sequence[str], family: str
) -> tuple[DatasetReport, DataFormat]:
    """What `hostler data validate` finds for a family, and the format that was read. Raises ``ClickException``."""
    try:
        records = _opened(path, format=format, columns=columns)
        return describe_records(records, family=family), records.format
    except (DataError, MissingLibraryError) as error:
        raise click.ClickException(str(error)) from error


def roles_of(columns: Sequence[str]) -> dict[str, str]:
    """Role to column, from what was typed as ROLE=NAME. Raises ``BadParameter``."""
    roles: dict[str, str] = {}
    for column in columns:
        role, _, name = column.partition("=")
        if not role or not name:
            raise click.BadParameter(f"{column!r} is not of the form ROLE=NAME", param_hint="--column")
        if role not in ROLES:
            near = difflib.get_close_matches(role, ROLES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the roles are: {', '.join(sorted(ROLES))}"
            raise click.BadParameter(f"{role!r} is no role; {hint}", param_hint="--column")
        roles[role] = name
    return roles


def _opened(path: Path, *, format: DataFormat | None, columns: Sequence[str]) -> Records:
    files = files_below(path)
    return open_records(files, root=path, format=format or guess_format(files), columns=roles_of(columns))


def _facts(report: DatasetReport, path: Path) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_row("data", str(path))
    table.add_row("rows", f"{report.rows:,}")
    table.add_row("files", f"{report.files:,}")
    table.add_row("size", size_of(report.size_bytes))
    table.add_row("sha256", report.sha256)
    table.add_row("columns", ", ".join(report.roles))
    if (lengths := report.lengths) is not None:
        estimated = " (estimated at four bytes each)" if lengths.unit == "tokens" else ""
        table.add_row(lengths.unit, f"{lengths.total:,}{estimated}")
        ends = f"{lengths.shortest:,} to {lengths.longest:,}, half of them up to {lengths.median:,}"
        table.add_row(f"{lengths.unit} per row", ends)
    table.add_row("errors", f"{report.error_count:,}")
    return table


def size_of(size: int) -> str:
    """Bytes for people."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


def _figures(report: DatasetReport) -> str:
    return f"{counted(report.rows, 'row')} in {counted(report.files, 'file')}, {size_of(report.size_bytes)}"


def _print_errors(console: Console, report: DatasetReport) -> None:
    for error in report.errors:
        console.print(Text(str(error), style="red"), soft_wrap=True)
    if (more := report.error_count - len(report.errors)) > 0:
        console.print(f"and {more:,} more", highlight=False)


def _print_notes(console: Console, report: DatasetReport) -> None:
    for note in _notes(report):
        console.print(Text(note, style="yellow"), soft_wrap=True)


def _notes(report: DatasetReport) -> list[str]:
    """What is worth knowing, and what was not looked at."""
    if "video" not in report.roles or clips_are_decoded():
        return report.notes
    return [*report.notes, "Clips were not decoded, because av is not installed: pip install hostler[data]"]


def _print_json(report: DatasetReport) -> None:
    click.echo(json.dumps({"valid": report.valid, **report.to_dict(), "notes": _notes(report)}, indent=2))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def _leave(report: DatasetReport) -> None:
    if not report.valid:
        raise click.exceptions.Exit(1)
