"""`hostler local`: a real Kubernetes cluster on this machine."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hostler.local import cluster, images, tools
from hostler.local.errors import LocalClusterError
from hostler.local.naming import DEFAULT_NAME
from hostler.local.outstanding import announce, native_work
from hostler.local.spec import load_spec
from hostler.local.stages import Stages


class _Group(click.Group):
    """Turns errors of the local cluster into one line and exit status 1, for every subcommand."""

    def invoke(self, context: click.Context) -> Any:
        # A plain `kill` must clean up as Ctrl-C does.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return super().invoke(context)
        except LocalClusterError as error:
            raise click.ClickException(str(error)) from error


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _name_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--name", default=DEFAULT_NAME, show_default=True, help="Name of the cluster.")(function)


@click.group(cls=_Group)
def local() -> None:
    """A real Kubernetes cluster on this machine: with Docker through kind, without it natively as root."""


@local.command()
@_name_option
@click.option("--provider", default="auto", show_default=True, help="native, kind or auto.")
@click.option("--config", type=click.Path(path_type=Path), help="YAML that describes the nodes.")
@click.option("--control-plane-only", is_flag=True, help="API server and controllers without any node (native).")
def up(name: str, *, provider: str, config: Path | None, control_plane_only: bool) -> None:
    """Bring the cluster up, or find it running."""
    stages = Stages()
    if cluster.choose_provider(provider) == "native":
        announce(stages, native_work(images=False))
    handle = cluster.up(
        name,
        spec=load_spec(config),
        provider=provider,
        control_plane_only=control_plane_only,
        stages=stages,
    )
    stages.console.print(stages.table())
    click.echo(f"cluster {name!r} is up: {len(handle.nodes)} nodes at {handle.api_url}")
    click.echo(f"export KUBECONFIG={handle.kubeconfig}")


@local.command()
@_name_option
@click.option("--purge", is_flag=True, help="Remove the nodes' image stores as well.")
def down(name: str, *, purge: bool) -> None:
    """Remove the cluster and all it left behind, whatever state it is in."""
    stages = Stages()
    with stages.stage(f"removing cluster {name}"):
        cluster.down(name, purge=purge)


@local.command()
@_name_option
def status(name: str) -> None:
    """Say whether the cluster runs, and what is left of a broken one. Exit status 1 unless it runs."""
    found = cluster.status(name)
    click.echo(f"cluster {name!r} ({found.provider}): {found.state} {found.api_url}".rstrip())
    for node, ready in found.nodes:
        click.echo(f"  node {node}: {'ready' if ready else 'not ready'}")
    for remain in found.remains:
        click.echo(f"  left: {remain}")
    if found.state != "running":
        raise SystemExit(1)


@local.command()
@_name_option
def kubeconfig(name: str) -> None:
    """Print the path of the cluster's kubeconfig."""
    click.echo(cluster.handle(name).kubeconfig)


@local.command()
@click.argument("names", nargs=-1)
@click.option(
    "--builder", type=click.Choice(["buildah", "docker"]), help="Default: docker where an engine answers, else buildah."
)
def build(names: tuple[str, ...], *, builder: images.Builder | None) -> None:
    """Build images whose inputs have changed: those named, or all of them. Prints their references."""
    chosen = builder or ("docker" if cluster.choose_provider("auto") == "kind" else "buildah")
    made = images.build(names or None, builder=chosen, stages=Stages())
    for reference in made.values():
        click.echo(reference)


@local.command()
@_name_option
@click.argument("what", nargs=-1)
def load(name: str, *, what: tuple[str, ...]) -> None:
    """Bring images into every node: names of ours (none: all of them), archives, or references that buildah has."""
    ours = [item for item in what if item in images.IMAGES]
    for item in what:
        if item not in ours:
            click.echo(f"{item} into {', '.join(images.load_foreign(name, item))}")
    if ours or not what:
        for reference in images.ensure_loaded(name, ours or None, stages=Stages()).values():
            click.echo(reference)


@local.command()
@click.argument("program")
def tool(program: str) -> None:
    """Print the path of a program that was built with the cluster: kubectl, helm, prometheus, promtool, ctr."""
    click.echo(_binaries().program(program))


def _binaries() -> tools.Binaries:
    with Console(stderr=True).status("programs"):
        return tools.ensure_binaries(lambda _: None)
