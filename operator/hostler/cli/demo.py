"""`hostler demo`: the whole story on a local cluster; exits with 0 only when every chapter was checked."""

from __future__ import annotations

import subprocess

import click
from rich.table import Table

from hostler.demo import install, story
from hostler.demo.forward import forward
from hostler.local import LocalClusterError, Stages, up
from hostler.local.cluster import choose_provider
from hostler.local.images import ensure_loaded, stale
from hostler.local.naming import DEFAULT_NAME
from hostler.local.outstanding import announce, native_work


@click.command()
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="Name of the local cluster.")
@click.option("--provider", default="auto", show_default=True, help="native, kind or auto.")
def demo(name: str, *, provider: str) -> None:
    """Bring up a cluster, train a model, serve it, ask it and read its metrics."""
    stages = Stages()
    try:
        _tell(name, provider=provider, stages=stages)
    except (LocalClusterError, OSError, subprocess.SubprocessError) as error:
        raise click.ClickException(
            f"{error}\nThe cluster stays up for a look; `hostler local down --name {name}` removes it."
        ) from error


def _tell(name: str, *, provider: str, stages: Stages) -> None:
    if choose_provider(provider) == "native":
        announce(stages, native_work(images=True, stale_images=stale))
    handle = up(name, provider=provider, stages=stages)
    images = ensure_loaded(name, stages=stages)
    tools = install.Tools(kubectl=handle.program("kubectl"), helm=handle.program("helm"), kubeconfig=handle.kubeconfig)
    with stages.stage("install Hostler and Prometheus"):
        install.install_prometheus(tools, image=images["prometheus"])
        install.install_hostler(tools, images)
        tools.kubectl_run("-n", "monitoring", "rollout", "status", "deployment/prometheus", "--timeout=120s")
    chapters = story.Story(tools=tools, stages=stages)
    chapters.pools()
    with forward(
        tools.kubectl, tools.kubeconfig, namespace="monitoring", target="service/prometheus", port=9090
    ) as url:
        chapters.train(url)
        chapters.serve()
        chapters.ask(url)
    _end(chapters)


def _end(chapters: story.Story) -> None:
    console = chapters.stages.console
    facts = Table("what was checked", "found")
    for what, found in chapters.facts.items():
        facts.add_row(what, found)
    console.print(facts)
    console.print(chapters.stages.table())
    console.print("\nGo on by hand:\n")
    click.echo(story.by_hand(chapters.tools.kubectl, chapters.tools.kubeconfig), err=True)
    click.echo("demo: ok")
