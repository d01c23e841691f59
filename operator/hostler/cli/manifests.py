"""`hostler manifests`: the chart as one file for `kubectl apply --server-side -f`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from hostler.demo import checkout
from hostler.demo.install import NAMESPACE, RELEASE
from hostler.local.errors import LocalClusterError
from hostler.local.tools import ensure_binaries

_NAMESPACE = f"""---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
"""
_HEADER = "# Written by `make manifests` from helm/hostler; install with kubectl apply --server-side -f.\n"


def rendered(helm: Path, *arguments: str) -> str:
    """Everything that the chart installs, with the namespace in front and without its test hooks."""
    chart = checkout.root() / "helm" / "hostler"
    command = [str(helm), "template", RELEASE, str(chart), "--namespace", NAMESPACE, "--kube-version", "1.34.0"]
    done = subprocess.run([*command, "--no-hooks", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"the chart cannot be rendered: {done.stderr.strip()}")
    return _HEADER + _NAMESPACE + done.stdout


@click.command()
@click.option("--output", type=click.Path(path_type=Path), help="File to write; standard output without it.")
@click.option("--set-json", "settings", multiple=True, help="Chart values, as `helm --set-json` takes them.")
def manifests(output: Path | None, settings: tuple[str, ...]) -> None:
    """Render the chart as one file for kubectl apply --server-side -f."""
    try:
        helm = ensure_binaries(lambda _: None).program("helm")
        text = rendered(helm, *(part for setting in settings for part in ("--set-json", setting)))
    except LocalClusterError as error:
        raise click.ClickException(str(error)) from error
    if output is None:
        click.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    click.echo(f"wrote {output}", err=True)
