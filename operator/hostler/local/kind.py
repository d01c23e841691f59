"""The kind provider: the same nodes as containers, where Docker is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from hostler.local.errors import PreflightError, StartError
from hostler.local.naming import Names
from hostler.local.native.node import restricted
from hostler.local.spec import ClusterSpec, NodeSpec
from hostler.local.stages import Stages

Json = dict[str, Any]
Run = Callable[[Sequence[str]], str]

NODE_IMAGE = "kindest/node:v1.34.4"
_CONFIG = "kind.yaml"


def config(names: Names, spec: ClusterSpec, *, volumes: Path) -> Json:
    """A kind configuration with a control plane beside the described nodes, which are workers."""
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": names.cluster,
        "networking": {"podSubnet": str(names.pods), "serviceSubnet": str(names.services)},
        "nodes": [
            {"role": "control-plane", "image": NODE_IMAGE},
            *(_worker(node, volumes=volumes) for node in spec.nodes),
        ],
    }


def _worker(node: NodeSpec, *, volumes: Path) -> Json:
    registration: Json = {"name": node.name}
    if node.taints:
        registration["taints"] = [taint.model_dump() for taint in node.taints]
    patch = {"kind": "JoinConfiguration", "nodeRegistration": registration}
    return {
        "role": "worker",
        "image": NODE_IMAGE,
        "labels": {key: value for key, value in sorted(node.all_labels().items()) if not restricted(key)},
        "extraMounts": [{"hostPath": str(volumes), "containerPath": "/var/local-path-provisioner"}],
        "kubeadmConfigPatches": [yaml.safe_dump(patch, sort_keys=False)],
    }


def create_command(names: Names, *, config_file: Path) -> list[str]:
    return [
        "kind", "create", "cluster", "--name", names.cluster, "--config", str(config_file),
        "--kubeconfig", str(names.kubeconfig), "--wait", "120s",
    ]  # fmt: skip


def delete_command(names: Names) -> list[str]:
    return ["kind", "delete", "cluster", "--name", names.cluster, "--kubeconfig", str(names.kubeconfig)]


def load_archive_command(names: Names, archive: Path) -> list[str]:
    return ["kind", "load", "image-archive", str(archive), "--name", names.cluster]


def load_image_command(names: Names, reference: str) -> list[str]:
    return ["kind", "load", "docker-image", reference, "--name", names.cluster]


def is_ours(names: Names) -> bool:
    """Whether kind made the cluster of this name."""
    return (names.state / _CONFIG).exists()


def _execute(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"`{' '.join(argv)}` failed: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout


class KindCluster:
    """Runs kind for one cluster."""

    def __init__(self, names: Names, *, run: Run = _execute, find: Callable[[str], str | None] = shutil.which) -> None:
        self._names = names
        self._run = run
        self._find = find

    def _require(self, program: str, *, way_out: str) -> None:
        if self._find(program) is None:
            raise PreflightError(f"{program} is not installed", way_out=way_out)

    def up(self, spec: ClusterSpec, *, stages: Stages) -> None:
        self._require("docker", way_out="install Docker, or use --provider native as root")
        self._require("kind", way_out="run `go install sigs.k8s.io/kind@v0.33.0`, or use --provider native as root")
        if self._names.cluster in self._run(["kind", "get", "clusters"]).split() and self._names.kubeconfig.exists():
            return
        file = self._names.state / _CONFIG
        volumes = self._names.state / "volumes"
        volumes.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(config(self._names, spec, volumes=volumes), sort_keys=False))
        try:
            with stages.stage("kind create cluster"):
                self._run(create_command(self._names, config_file=file))
            with stages.stage("node labels"):
                self._label(spec)
        except BaseException:
            self.down()
            raise

    def _label(self, spec: ClusterSpec) -> None:
        """What kind's own labels cannot say: annotations, and labels a kubelet may not give itself."""
        for node in spec.nodes:
            for verb, pairs in (("label", node.all_labels()), ("annotate", node.annotations())):
                if pairs:
                    values = [f"{key}={value}" for key, value in sorted(pairs.items())]
                    config_option = ["--kubeconfig", str(self._names.kubeconfig)]
                    self._run(["kubectl", *config_option, verb, "--overwrite", "node", node.name, *values])

    def load_archive(self, archive: Path) -> list[str]:
        self._run(load_archive_command(self._names, archive))
        return [self._names.cluster]

    def load_image(self, reference: str) -> list[str]:
        """kind compares with what its nodes have, so a second call costs little."""
        self._run(load_image_command(self._names, reference))
        return [self._names.cluster]

    def down(self) -> None:
        self._run(delete_command(self._names))
        shutil.rmtree(self._names.state, ignore_errors=True)
