"""What commands print: tables for people, documents for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from hostler.manifests.yamltext import to_yaml

F = TypeVar("F", bound=Callable[..., Any])

TABLE, JSON, YAML = "table", "json", "yaml"
FORMATS = (TABLE, JSON, YAML)
_ASKED = "hostler.cli.output.json"


def output_options(function: F) -> F:
    """``--output table|json|yaml``, as the parameter ``output``, and ``--json`` for ``--output json``."""
    chosen = click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default=TABLE,
        show_default=True,
        callback=_chosen,
        help="For people, or one document for programs.",
    )
    alias = click.option(
        "--json", is_flag=True, expose_value=False, is_eager=True, callback=_alias, help="The same as --output json."
    )
    return chosen(alias(function))


def _alias(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
    context.meta[_ASKED] = bool(value)


def _chosen(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not context.meta.get(_ASKED):
        return value
    given = context.get_parameter_source(parameter.name or "") is not click.core.ParameterSource.DEFAULT
    if given and value != JSON:
        raise click.UsageError(f"--json and --output {value} ask for different things: give one of them")
    return JSON


def document(value: Mapping[str, Any] | Sequence[Any], *, output: str) -> str:
    """JSON or YAML of it."""
    if output == YAML:
        # Through JSON, so that what only this program knows (enumerations, tuples) is plain.
        return to_yaml(json.loads(json.dumps(value))).rstrip("\n")
    return json.dumps(value, indent=2)


def requested(arguments: Sequence[str]) -> str:
    """The format that these arguments ask for, before they are known to be right."""
    if "--json" in arguments:
        return JSON
    given = [*arguments, ""]
    for place, word in enumerate(given):
        value = given[place + 1] if word in ("-o", "--output") else word.removeprefix("--output=").removeprefix("-o")
        if word.partition("=")[0] in ("-o", "--output", "-ojson", "-oyaml") and value in (JSON, YAML):
            return value
    return TABLE
