"""The kind provider: the same nodes as containers, where Docker is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from hostler.local import tools
from hostler.local.errors import ConfigError, PreflightError, StartError
from hostler.local.naming import Names
from hostler.local.native.node import restricted
from hostler.local.spec import ClusterSpec, NodeSpec
from hostler.local.stages import Stages

Json = dict[str, Any]
Run = Callable[[Sequence[str]], str]
Find = Callable[[str], str | None]

_CONFIG = "kind.yaml"
_SHARED = "/var/local-path-provisioner"


def config(names: Names, spec: ClusterSpec, *, volumes: Path) -> Json:
    """A kind configuration with a control plane beside the described nodes, which are workers."""
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": names.cluster,
        # Models that are images; on by itself from 1.35.
        "featureGates": {"ImageVolume": True},
        "networking": {"podSubnet": str(names.pods), "serviceSubnet": str(names.services)},
        "nodes": [
            {"role": "control-plane", "extraMounts": _mounts(volumes)},
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
        "labels": {key: value for key, value in sorted(node.all_labels().items()) if not restricted(key)},
        "extraMounts": _mounts(volumes),
        "kubeadmConfigPatches": [yaml.safe_dump(patch, sort_keys=False)],
    }


def _mounts(volumes: Path) -> list[Json]:
    """One directory of the machine in every node, so that a volume is the same wherever a pod runs."""
    return [{"hostPath": str(volumes), "containerPath": _SHARED}]


def storage_commands(names: Names) -> list[list[str]]:
    """Tell kind's provisioner that its directory is shared: only then it grants ReadWriteMany."""
    settings = json.dumps({"nodePathMap": [], "sharedFileSystemPath": _SHARED})
    patch = json.dumps({"data": {"config.json": settings}})
    kubectl = ["kubectl", "--kubeconfig", str(names.kubeconfig), "--namespace", "local-path-storage"]
    return [
        [*kubectl, "patch", "configmap", "local-path-config", "--type", "merge", "--patch", patch],
        [*kubectl, "rollout", "restart", "deployment", "local-path-provisioner"],
    ]


def label_commands(names: Names, spec: ClusterSpec) -> list[list[str]]:
    """What kind's own labels cannot say: annotations, and labels a kubelet may not give itself."""
    commands = []
    for node in spec.nodes:
        for verb, pairs in (("label", node.all_labels()), ("annotate", node.annotations())):
            if pairs:
                values = [f"{key}={value}" for key, value in sorted(pairs.items())]
                kubectl = ["kubectl", "--kubeconfig", str(names.kubeconfig)]
                commands.append([*kubectl, verb, "--overwrite", "node", node.name, *values])
    return commands


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
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode != 0:
        raise StartError(f"`{' '.join(argv)}` failed: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """The user's own kind and kubectl first, else those that were built here."""
    built = (tools.kind_directory(), tools.binary_directory(tools.KUBERNETES))
    return {**os.environ, "PATH": os.pathsep.join([os.environ.get("PATH", ""), *map(str, built)])}


class KindCluster:
    """Runs kind for one cluster."""

    def __init__(
        self,
        names: Names,
        *,
        run: Run = _execute,
        find: Find = tools.which,
        engine: Callable[[], bool] = tools.docker_engine,
    ) -> None:
        self._names = names
        self._run = run
        self._find = find
        self._engine = engine

    def up(self, spec: ClusterSpec, *, stages: Stages, control_plane_only: bool = False) -> None:
        """Create the cluster, or keep the one that is there."""
        if control_plane_only:
            raise ConfigError("kind has no control plane without nodes", way_out="use --provider native as root")
        if not self._engine():
            raise PreflightError("no Docker engine answers", way_out="start it, or use --provider native as root")
        with stages.stage("programs") as note:
            if self._find("kind") is None:
                tools.ensure_kind(note)
            if self._find("kubectl") is None:
                tools.ensure_binaries(note)
        if self._names.kubeconfig.exists() and self._names.cluster in self._run(["kind", "get", "clusters"]).split():
            return
        file = self._names.state / _CONFIG
        volumes = self._names.state / "volumes"
        volumes.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(config(self._names, spec, volumes=volumes), sort_keys=False))
        try:
            self._create(spec, file, stages=stages)
        except BaseException:
            self.down()
            raise

    def _create(self, spec: ClusterSpec, file: Path, *, stages: Stages) -> None:
        with stages.stage("kind create cluster"):
            self._run(create_command(self._names, config_file=file))
        with stages.stage("node labels and storage"):
            for command in [*label_commands(self._names, spec), *storage_commands(self._names)]:
                self._run(command)

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
