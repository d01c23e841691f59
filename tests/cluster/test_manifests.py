"""`make manifests`: the rendered file alone, as those install it who do not use Helm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE
from stack import condition, wait

from hostler.cli.manifests import rendered
from hostler.demo.install import NAMESPACE, values
from hostler.local import ClusterHandle
from hostler.local.images import ensure_loaded

WAITING = f"--timeout={PATIENCE:.0f}s"
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def installed(cluster: ClusterHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file, applied; everything of it is removed at the end."""
    images = ensure_loaded(cluster.name, ["operator", "device-simulator", "accelerator-exporter"])
    # Nothing is trained here, so the runtime's images need no more than a name.
    named = values({"runtime-train": "none/train:0", "runtime-serve": "none/serve:0", **images})
    settings = [part for key, value in named.items() for part in ("--set-json", f"{key}={json.dumps(value)}")]
    file = tmp_path_factory.mktemp("manifests") / "hostler.yaml"
    file.write_text(rendered(cluster.program("helm"), *settings, "--set", "crds.keep=false"))
    cluster.kubectl("apply", "--server-side", "-f", str(file))
    try:
        yield file
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", str(file), "--wait=true", WAITING)


def test_the_operator_becomes_ready_and_counts_devices(cluster: ClusterHandle, installed: Path) -> None:
    for workload in ("deployment/hostler-operator", "daemonset/hostler-device-simulator"):
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", workload, WAITING)
    cluster.kubectl("apply", "--server-side", "-f", str(EXAMPLES / "pools" / "gpu.yaml"))

    def pool() -> dict[str, object]:
        found: dict[str, object] = json.loads(cluster.kubectl("get", "acceleratorpool", "gpu", "-o", "json"))
        return found

    wait(lambda: condition(pool(), "Ready").get("status") == "True", what="the pool is ready", why=pool)


def test_applying_it_again_changes_nothing(cluster: ClusterHandle, installed: Path) -> None:
    def versions() -> str:
        return cluster.kubectl("get", "-f", str(installed), "-o", "jsonpath={.items[*].metadata.generation}")

    before = versions()
    assert before
    cluster.kubectl("apply", "--server-side", "-f", str(installed))
    assert versions() == before
