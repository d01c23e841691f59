"""Hostler and Prometheus on a local cluster, from this source tree and the images built from it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostler.demo import checkout
from hostler.local.errors import StartError

NAMESPACE = "hostler-system"
RELEASE = "hostler"
IMAGE_VALUES = {
    "operator": "operator",
    "runtime-train": "runtimeTrain",
    "runtime-serve": "runtimeServe",
    "accelerator-exporter": "acceleratorExporter",
    "device-simulator": "deviceSimulator",
}
"""Our images by name, and the key of the chart's values that each belongs to."""

POOLS = ("gpu", "ipu")
"""Pools of the demo; examples/pools has a file for each."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs and the cluster that an installation needs."""

    kubectl: Path
    helm: Path
    kubeconfig: Path

    def kubectl_run(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl's output; its own sentence where it fails."""
        return _run([str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *arguments], stdin=stdin)

    def helm_run(self, *arguments: str) -> str:
        """helm's output; its own sentence where it fails."""
        return _run([str(self.helm), "--kubeconfig", str(self.kubeconfig), *arguments])


def values(images: Mapping[str, str]) -> dict[str, Any]:
    """Chart values for images that are already on the nodes (name -> reference) and simulated devices."""
    named: dict[str, dict[str, str]] = {}
    for name, key in IMAGE_VALUES.items():
        repository, _, tag = images[name].rpartition(":")
        named[key] = {"repository": repository, "tag": tag}
    return {
        "image": {"pullPolicy": "IfNotPresent"},
        "images": named,
        "simulator": {"enabled": True},
        "operator": {"progressInterval": 1},
    }


def install_hostler(tools: Tools, images: Mapping[str, str], *, more: Mapping[str, Any] | None = None) -> None:
    """`helm upgrade --install` from the source tree, wait until every pod of it is ready, then make the pools.
    ``more`` are further values of the chart."""
    root = checkout.root()
    tools.helm_run(
        *("upgrade", "--install", RELEASE, str(root / "helm" / "hostler")),
        *("--namespace", NAMESPACE, "--create-namespace"),
        *("--set-json", _set_json(values(images) | dict(more or {})), "--wait", "--timeout", "3m"),
    )
    for pool in POOLS:
        tools.kubectl_run("apply", "--server-side", "-f", str(root / "examples" / "pools" / f"{pool}.yaml"))


def install_prometheus(tools: Tools, *, image: str) -> None:
    """Apply the small Prometheus; does not wait for it."""
    text = (Path(__file__).parent / "prometheus.yaml").read_text().replace("${PROMETHEUS_IMAGE}", image)
    tools.kubectl_run("apply", "--server-side", "-f", "-", stdin=text)


def _set_json(tree: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={json.dumps(value)}" for key, value in tree.items())


def _run(command: list[str], *, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        what = " ".join([Path(command[0]).name, *command[3:5]])
        raise StartError(f"{what} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
