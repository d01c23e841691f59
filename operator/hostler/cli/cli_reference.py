"""The command line as Markdown, from what click knows of it: commands, arguments, options, exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from hostler.cli.main import main

_INTRO = """\
# The command line

Every command of `hostler`, which is also `kubectl hostler`. [The command line](../operations/command-line.md) says what
they are for.

| Exit code | Meaning |
| --- | --- |
| 0 | it is done, or there was nothing to do |
| 1 | it failed, or was refused; the last line on standard error says why, and what to do |
| 2 | the command was typed wrongly: an unknown option, command or kind, a value that is missing or out of range |

With `--output json`, `--output yaml` or `--json` a failure is a document on standard output,
`{"error": {"message": ...}}`, with the same exit code.
"""
_HELP = frozenset({"help"})


def render_reference() -> str:
    """The page."""
    context = click.Context(main, info_name="hostler")
    return "\n".join([_INTRO, *(_section(command, child) for command, child in _commands(main, context))])


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command that does something, in the order of the help."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        child = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, child)
        else:
            yield command, child


def _section(command: click.Command, context: click.Context) -> str:
    help_text = " ".join((command.help or "").split())
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## `{context.command_path}`", "", help_text, "", f"    {usage}", ""]
    rows = [
        f"| {names} | {_cell(meaning)} |"
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and parameter.name not in _HELP
        and (record := _record(parameter, context)) is not None
        for names, meaning in [record]
    ]
    if rows:
        lines += ["| Option | Meaning |", "| --- | --- |", *rows, ""]
    return "\n".join(lines)


def _record(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """Names with the kind of value, and meaning with the default, as the help shows them."""
    found: Any = parameter.get_help_record(context)
    if found is None:
        return None
    names, meaning = found
    return f"`{_cell(names)}`", meaning


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
