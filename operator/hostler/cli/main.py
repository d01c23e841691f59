"""The root of the command line; subcommands are imported when they are called, so that `--help` is instant."""

from __future__ import annotations

import difflib
import importlib

import click

import hostler

# Where each subcommand lives: module and name of its click command.
COMMANDS: dict[str, tuple[str, str]] = {
    "accelerators": ("hostler.cli.pools", "list_accelerators"),
    "bench": ("hostler.cli.bench", "bench"),
    "cancel": ("hostler.cli.acting", "cancel"),
    "catalog": ("hostler.cli.catalog", "catalog"),
    "compare": ("hostler.cli.compare", "compare"),
    "completion": ("hostler.cli.completion", "completion"),
    "cost": ("hostler.cli.cost", "cost"),
    "data": ("hostler.cli.data", "data"),
    "demo": ("hostler.cli.demo", "demo"),
    "doctor": ("hostler.cli.doctor", "doctor"),
    "download": ("hostler.cli.download", "download"),
    "estimate": ("hostler.cli.estimate", "estimate"),
    "explain": ("hostler.cli.explain", "explain"),
    "get": ("hostler.cli.get", "get"),
    "local": ("hostler.cli.local", "local"),
    "logs": ("hostler.cli.logs", "logs"),
    "manifests": ("hostler.cli.manifests", "manifests"),
    "operator": ("hostler.operator.command", "operator"),
    "pools": ("hostler.cli.pools", "pools"),
    "queue": ("hostler.cli.queue", "queue"),
    "resume": ("hostler.cli.acting", "resume"),
    "submit": ("hostler.cli.submit", "submit"),
    "suspend": ("hostler.cli.acting", "suspend"),
    "tune": ("hostler.cli.catalog_begin", "tune"),
    "use": ("hostler.cli.catalog_begin", "use"),
}


class LazyGroup(click.Group):
    """A group that knows its subcommands by name and imports one when it is needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *COMMANDS})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return super().get_command(context, name)
        module, attribute = COMMANDS[name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As usual; a name that is nearly right is told the right one."""
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(context), n=1)
            if not near or "Did you mean" in error.message:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}: did you mean {near[0]}?", ctx=context) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hostler.__version__, prog_name="hostler")
def main() -> None:
    """Train and serve generative models on the accelerators you own."""


def kubectl_plugin() -> None:
    """The same as `kubectl hostler`, which is how kubectl finds a program called kubectl-hostler in the path."""
    main(prog_name="kubectl hostler")
