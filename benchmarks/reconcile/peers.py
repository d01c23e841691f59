"""Kubeflow Trainer and JobSet as processes of this machine: their manifests, configuration and certificates.

Their admission webhooks stay, because they are part of what it costs to run a job with them: the API server calls
them at a URL of this machine in place of a Service of the cluster.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from client import Api, BenchError
from plane import ControlPlane
from processes import free_ports
from programs import JOBSET, TRAINER, Peer, source

Object = dict[str, Any]

_PATHS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "ClusterTrainingRuntime": "/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes",
}
_MANIFESTS = {
    JOBSET.name: ("config/components/crd", "config/components/webhook"),
    TRAINER.name: (
        "manifests/base/crds", "manifests/base/webhook", "manifests/base/runtimes/torch_distributed.yaml",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A peer whose kinds the API server knows, and how its controller is started."""

    peer: Peer
    argv: list[str | Path]
    webhooks: list[Object]


async def install(peer: Peer, program: Path, *, go: str, plane: ControlPlane, api: Api) -> Installed:
    """Make the API server know a peer's kinds; its webhooks follow with :func:`hook`, once somebody answers them."""
    hooks_port, probes_port = free_ports(2)
    config = plane.directory / f"{peer.name}-config.yaml"
    config.write_text(yaml.safe_dump(_configuration(peer, plane=plane, hooks=hooks_port, probes=probes_port)))
    authority = base64.b64encode((plane.pki / "ca.crt").read_bytes()).decode()
    webhooks = []
    for manifest in _manifests(source(peer, go=go), peer=peer, kubectl=plane.kubernetes / "kubectl"):
        if manifest["kind"] not in _PATHS:
            continue
        moved = at_url(manifest, port=hooks_port, authority=authority, prefix=peer.name)
        if moved["kind"].endswith("WebhookConfiguration"):
            webhooks.append(moved)
        else:
            await _apply_when_known(api, moved)
    return Installed(peer=peer, argv=[program, f"--config={config}", "--zap-log-level=error"], webhooks=webhooks)


async def hook(installed: Installed, api: Api) -> None:
    """Let the API server ask this peer, whose controller runs."""
    for manifest in installed.webhooks:
        await api.apply(_path(manifest), manifest)


async def unhook(installed: Installed, api: Api) -> None:
    """Let nobody ask this peer: its controller is about to stop."""
    for manifest in installed.webhooks:
        await api.delete(_path(manifest))


def at_url(manifest: Object, *, port: int, authority: str, prefix: str) -> Object:
    """The manifest with webhooks at a port of this machine; its name is made the peer's own."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "namespace"}
    found = {**manifest, "metadata": metadata}
    if manifest["kind"].endswith("WebhookConfiguration"):
        found["metadata"] = metadata | {"name": f"{prefix}-{metadata['name']}"}
        found["webhooks"] = [
            hook | {"clientConfig": _moved(hook["clientConfig"], port=port, authority=authority)}
            for hook in manifest["webhooks"]
        ]
    elif webhook := (manifest.get("spec", {}).get("conversion") or {}).get("webhook"):
        client = _moved(webhook["clientConfig"], port=port, authority=authority)
        conversion = manifest["spec"]["conversion"] | {"webhook": webhook | {"clientConfig": client}}
        found["spec"] = manifest["spec"] | {"conversion": conversion}
    return found


def _moved(client: Object, *, port: int, authority: str) -> Object:
    path = client["service"].get("path", "/convert")
    return {"url": f"https://127.0.0.1:{port}{path}", "caBundle": authority}


async def _apply_when_known(api: Api, manifest: Object) -> None:
    """Store it, and wait until a kind that it defines is served, which is a moment later."""
    await api.until(lambda: api.exists(_PATHS[manifest["kind"]]), what=manifest["kind"])
    await api.apply(_path(manifest), manifest)
    if manifest["kind"] == "CustomResourceDefinition":
        spec = manifest["spec"]
        stored = next(version["name"] for version in spec["versions"] if version["storage"])
        collection = f"/apis/{spec['group']}/{stored}/{spec['names']['plural']}"
        await api.until(lambda: api.exists(collection), what=collection)


def _path(manifest: Object) -> str:
    return f"{_PATHS[manifest['kind']]}/{manifest['metadata']['name']}"


def _manifests(folder: Path, *, peer: Peer, kubectl: Path) -> Iterator[Object]:
    for part in _MANIFESTS[peer.name]:
        path = folder / part
        text = path.read_text() if path.is_file() else _kustomized(path, kubectl)
        yield from filter(None, yaml.safe_load_all(text))


def _kustomized(folder: Path, kubectl: Path) -> str:
    argv = [kubectl, "kustomize", "--load-restrictor=LoadRestrictionsNone", folder]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"kubectl kustomize {folder}: {' '.join(done.stderr.split())[-300:]}")
    return done.stdout


def _configuration(peer: Peer, *, plane: ControlPlane, hooks: int, probes: int) -> Object:
    """As shipped, but for addresses, certificates and one replica's need of no election."""
    certificates = _certificates(peer, plane)
    common: Object = {"leaderElection": {"leaderElect": False}}
    if peer is JOBSET:
        return common | {
            "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
            "kind": "Configuration",
            "internalCertManagement": {"enable": False},
            "metrics": {"bindAddress": "0"},
            "health": {"healthProbeBindAddress": f"127.0.0.1:{probes}"},
            "webhook": {"port": hooks, "host": "127.0.0.1", "certDir": str(certificates)},
        }
    groups = {"TrainJob": 5, "TrainingRuntime": 1, "ClusterTrainingRuntime": 1}
    return common | {
        "apiVersion": "config.trainer.kubeflow.org/v1alpha1",
        "kind": "Configuration",
        "certManagement": {"enable": False},
        "metrics": {"bindAddress": "0", "secureServing": True},
        "health": {
            "healthProbeBindAddress": f"127.0.0.1:{probes}",
            "readinessEndpointName": "readyz",
            "livenessEndpointName": "healthz",
        },
        "webhook": {"port": hooks, "host": "127.0.0.1"},
        "controller": {"groupKindConcurrency": {f"{kind}.trainer.kubeflow.org": n for kind, n in groups.items()}},
        "clientConnection": {"qps": 50, "burst": 100},
    }


def _certificates(peer: Peer, plane: ControlPlane) -> Path:
    """Where controller-runtime looks for a webhook's certificate when it is told nothing: below $TMPDIR."""
    folder = temporary(peer, plane) / "k8s-webhook-server" / "serving-certs"
    folder.mkdir(parents=True)
    for ending in ("crt", "key"):
        shutil.copy(plane.pki / f"server.{ending}", folder / f"tls.{ending}")
    return folder


def temporary(peer: Peer, plane: ControlPlane) -> Path:
    """The peer's own $TMPDIR."""
    return plane.directory / f"{peer.name}-tmp"
