"""Failures of a command that can print JSON: a program that asks for a document gets one, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from hostler_data.errors import DataError


class JsonCommand(click.Command):
    """A command whose failures, too, are one JSON document on standard output where ``--json`` is given: ``{"error":
    {"message": ...}}``, with the exit status that they have anyway."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """As usual; wrong arguments are a failure like others."""
        with _failures(as_json="--json" in args):
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As usual."""
        with _failures(as_json=ctx.params["as_json"]):
            return super().invoke(ctx)


@contextmanager
def _failures(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        if not as_json:
            raise
        said: dict[str, Any] = {"message": error.format_message()}
        if isinstance(cause := error.__cause__, DataError):
            said = {"message": cause.message, "file": cause.file}
        click.echo(json.dumps({"error": said}, indent=2))
        raise click.exceptions.Exit(error.exit_code) from error
