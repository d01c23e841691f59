"""`hostler completion`: what a shell has to read to complete commands, options and names of objects."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that completes hostler in SHELL, for its start-up file: source <(hostler completion bash)."""
    kind = get_completion_class(shell)
    assert kind is not None  # click knows all three
    # Without the class's own source(), which asks the installed bash for its version: the script is for any machine.
    found = kind(context.find_root().command, {}, "hostler", "_HOSTLER_COMPLETE")
    click.echo(found.source_template % found.source_vars())
