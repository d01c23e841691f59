"""What is compared: the object that a user creates, what says that it has ended, and the controllers behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from client import Api
from plane import ControlPlane
from processes import free_ports
from stages import DEVICE, NODE_LABEL

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
NAMESPACE = "default"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
MODELS = f"/apis/hostler.dev/v1alpha1/namespaces/{NAMESPACE}/models"
POOL = "bench"
_CLAIM = "work"
_IMAGE = "trainer:1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, kw_only=True)
class System:
    """One way to run a training job."""

    name: str
    collection: str
    """Path of the objects that a user creates."""
    pod_label: str
    """Label of a pod that names its object."""
    done: str
    """Condition of an object that has ended well."""
    manifest: Callable[[str], Object]
    """The object of a name: one pod with one device."""
    controllers: tuple[str, ...] = ()
    """Programs beside the control plane, by their user name in the audit log."""

    def has_ended(self, obj: Object) -> bool:
        conditions = (obj.get("status") or {}).get("conditions") or ()
        return any(each["type"] == self.done and each["status"] == "True" for each in conditions)


def _pod_spec() -> Object:
    container = {"name": "node", "image": _IMAGE, "command": ["train"], "resources": {"limits": {DEVICE: "1"}}}
    return {"restartPolicy": "Never", "containers": [container]}


def _job(name: str) -> Object:
    spec = {
        "completions": 1, "parallelism": 1, "completionMode": "Indexed", "backoffLimit": 3,
        "template": {"spec": _pod_spec()},
    }  # fmt: skip
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def _train_job(name: str) -> Object:
    trainer = {"numNodes": 1, "image": _IMAGE, "command": ["train"], "resourcesPerNode": {"limits": {DEVICE: "1"}}}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer},
    }


def training_job(name: str, *, devices: int = 1) -> Object:
    """A small chat model on so many devices of one pod."""
    transformer = {
        "architecture": "llama", "layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 128,
        "vocabularySize": 512,
    }  # fmt: skip
    spec = {
        "family": "chat",
        "output": {"license": "CC0-1.0", "transformer": transformer},
        "dataset": {"source": {"configMap": {"name": "text", "key": "text.txt"}}, "format": "text"},
        "training": {"steps": 10, "batchSize": 8},
        "accelerators": {"pool": POOL, "perPod": devices},
        "pods": {"min": 1, "max": 1},
        "resources": {"cpu": "100m", "memory": "256Mi"},
        "storage": {"claimName": _CLAIM},
    }
    return {"apiVersion": "hostler.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name}, "spec": spec}


JOB = System(
    name="job",
    collection=f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
    pod_label="batch.kubernetes.io/job-name",
    done="Complete",
    manifest=_job,
)
TRAINER = System(
    name="trainer",
    collection=f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs",
    pod_label="jobset.sigs.k8s.io/jobset-name",
    done="Complete",
    manifest=_train_job,
    controllers=("jobset", "trainer"),
)
HOSTLER = System(
    name="hostler",
    collection=f"/apis/hostler.dev/v1alpha1/namespaces/{NAMESPACE}/trainingjobs",
    pod_label="hostler.dev/training-job",
    done="Succeeded",
    manifest=training_job,
    controllers=("hostler",),
)
SYSTEMS = {system.name: system for system in (JOB, TRAINER, HOSTLER)}
COLLECTIONS = (
    HOSTLER.collection,
    TRAINER.collection,
    f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{NAMESPACE}/jobsets",
    JOB.collection,
    MODELS,
    PODS,
)
"""Everything that a run may leave, owners first."""


async def prepare_hostler(api: Api) -> None:
    """Our kinds, a pool over all nodes, some words to learn from, and a claim that is bound."""
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        await api.apply(f"{_CRDS}/{crd['metadata']['name']}", crd)
        plural = crd["spec"]["names"]["plural"]
        await api.until(lambda plural=plural: api.exists(f"/apis/hostler.dev/v1alpha1/{plural}"), what=plural)
    await prepare_namespace(api, NAMESPACE)
    pool = {
        "apiVersion": "hostler.dev/v1alpha1",
        "kind": "AcceleratorPool",
        "metadata": {"name": POOL},
        "spec": {"acceleratorType": "nvidia-a100-80", "nodeSelector": {NODE_LABEL[0]: NODE_LABEL[1]}},
    }
    await api.create("/apis/hostler.dev/v1alpha1/acceleratorpools", pool)


async def prepare_namespace(api: Api, namespace: str) -> None:
    """Some words to learn from, and a claim that is bound."""
    text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text"}, "data": {"text.txt": "some words"}}
    await api.create(f"/api/v1/namespaces/{namespace}/configmaps", text)
    await _bound_claim(api, namespace)


async def _bound_claim(api: Api, namespace: str) -> None:
    size = {"storage": "1Ti"}
    modes = ["ReadWriteMany"]
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace},
        "spec": {
            "capacity": size, "accessModes": modes, "storageClassName": "none", "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": namespace, "name": _CLAIM},
        },
    }  # fmt: skip
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": _CLAIM},
        "spec": {
            "accessModes": modes, "storageClassName": "none", "volumeName": namespace, "resources": {"requests": size},
        },
    }  # fmt: skip
    await api.create("/api/v1/persistentvolumes", volume)
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    await api.create(claims, claim)

    async def bound() -> bool:
        found = await api.get(f"{claims}/{_CLAIM}")
        return bool(found.get("status", {}).get("phase") == "Bound")

    await api.until(bound, what="the claim")


def operator_argv(
    plane: ControlPlane, *, metrics: int = 0, kubeconfig: Path | None = None, log_level: str = "warning"
) -> list[str | Path]:
    """The operator of this checkout, as a process of this machine; its metrics on any free port unless one is given."""
    free, probes = free_ports(2)
    credentials = kubeconfig or plane.kubeconfig("hostler")
    return [
        Path(sys.executable).parent / "hostler", "operator", "run", f"--kubeconfig={credentials}",
        f"--namespace={NAMESPACE}", f"--train-image={_IMAGE}", f"--serve-image={_IMAGE}", "--default-variant=cuda",
        f"--metrics-port={metrics or free}", f"--probes-port={probes}", f"--log-level={log_level}",
    ]  # fmt: skip
