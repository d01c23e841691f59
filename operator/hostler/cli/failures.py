"""Failures of a command that can print documents: a program that asks for one gets one, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from hostler.cli.output import JSON, TABLE, document, requested
from hostler_data.errors import DataError


class JsonCommand(click.Command):
    """A command whose failures, too, are one document on standard output where ``--json`` or ``--output json|yaml`` is
    given: ``{"error": {"message": ...}}``, with the exit status that they have anyway."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """As usual; wrong arguments are a failure like others."""
        with _failures(output=requested(args)):
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As usual."""
        as_json = JSON if ctx.params.get("as_json") else TABLE
        with _failures(output=ctx.params.get("output", as_json)):
            return super().invoke(ctx)


@contextmanager
def _failures(*, output: str) -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        if output == TABLE:
            raise
        said: dict[str, Any] = {"message": error.format_message()}
        if isinstance(cause := error.__cause__, DataError):
            said = {"message": cause.message, "file": cause.file}
        click.echo(document({"error": said}, output=output))
        raise click.exceptions.Exit(error.exit_code) from error
