"""Valid manifests of our kinds as plain dicts, for tests of every level.

Each builder makes the smallest manifest that the API server accepts, with the defaults left to the server; keyword
arguments are fields of ``spec`` in wire names and replace what the builder would have written::

    make_training_job("tiny", pods={"min": 1, "max": 2}, suspend=True)

``edited`` and ``without`` change one field of a copy by its path, which makes tables of invalid manifests short.
"""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]

API_VERSION = "hostler.dev/v1alpha1"
NAMESPACE = "default"


def make_pool(name: str = "gpu", **spec: Any) -> Object:
    """An AcceleratorPool of simulated A100s, chosen by our own node label."""
    return _object(
        "AcceleratorPool",
        name,
        namespace=None,
        spec={"acceleratorType": "nvidia-a100-80", "nodeSelector": {"hostler.dev/pool": name}} | spec,
    )


def make_benchmark(load: str = "bert-small-packed", *, speed: float = 400.0, **fields: Any) -> Object:
    """An entry of a pool's ``status.benchmarks``: one device, real, of the present image."""
    shape = {"family": load.split("-")[0], "objective": "pretrain", "network": "a" * 12, "precision": "auto"}
    return {
        "load": load,
        "shape": shape | {"batch": 8, "length": 64, "packed": load.endswith("-packed"), "devices": 1},
        "run": f"uid-{load}",
        "at": "2026-11-30T12:00:00Z",
        "image": "registry/train:1",
        "acceleratorType": "nvidia-a100-80",
        "speed": {"value": f"{speed:g}", "unit": "tokens/s"},
        "unitsPerStep": "400",
        "operationsPerSecond": f"{speed * 1.1e6:g}",
    } | fields


def make_single_pool(name: str) -> Object:
    """The GPU nodes of a local cluster, of which one job at a time may use one device."""
    tolerations = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    return make_pool(name, nodeSelector={"hostler.dev/pool": "gpu"}, tolerations=tolerations, quota={"accelerators": 1})


def make_training_job(name: str = "tiny", *, namespace: str = NAMESPACE, **spec: Any) -> Object:
    """A chat model of two small layers, trained on one key of a ConfigMap."""
    return _object(
        "TrainingJob",
        name,
        namespace=namespace,
        spec={
            "family": "chat",
            "output": {"transformer": make_transformer()},
            "dataset": {"source": {"configMap": {"name": "text", "key": "text"}}},
            "training": {"steps": 20},
            "accelerators": {"pool": "gpu"},
        }
        | spec,
    )


def make_transformer(**sizes: int) -> Object:
    """Sizes of the smallest network that is still a transformer."""
    return {"layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 64, "vocabularySize": 512} | sizes


_ENCODER = {"layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 64, "vocabularySize": 512}
_SPEECH = {"encoderLayers": 2, "decoderLayers": 2, "hiddenSize": 64, "heads": 4}
FAMILY_SIZES: dict[str, Object] = {
    "chat": {"transformer": _ENCODER},
    "code": {"transformer": _ENCODER},
    "bert": {"encoder": _ENCODER},
    "text-to-image": {"diffusion": {"autoencoder": {"imageSize": 16}}},
    "text-to-video": {"video": {"imageSize": 8}},
    "speech-to-text": {"speech": _SPEECH},
    "gan": {"gan": {"imageSize": 16}},
    "vae": {"autoencoder": {"imageSize": 16}},
}
"""A small network of every family that the bundled runtime has."""
_FORMATS = {
    "text-to-image": "images",
    "text-to-video": "webdataset",
    "speech-to-text": "audio",
    "gan": "images",
    "vae": "images",
}


def make_family_job(family: str, name: str = "tiny", **spec: Any) -> Object:
    """A job of any family, on a claim with data in a format that the family reads."""
    data = {"source": {"pvc": {"claimName": "data"}}, "format": _FORMATS.get(family, "text")}
    return make_training_job(name, **{"family": family, "output": FAMILY_SIZES[family], "dataset": data} | spec)


def make_dataset(name: str = "books", *, namespace: str = NAMESPACE, **spec: Any) -> Object:
    """JSON lines on a claim of the same namespace, in a column of their own name."""
    data = {"source": {"pvc": {"claimName": "data", "path": "books"}}, "format": "jsonl", "columns": {"text": "body"}}
    return _object("Dataset", name, namespace=namespace, spec=data | spec)


def make_inference_service(name: str = "tiny", *, namespace: str = NAMESPACE, **spec: Any) -> Object:
    """One replica that serves the Model ``tiny``."""
    return _object(
        "InferenceService",
        name,
        namespace=namespace,
        spec={"modelRef": {"name": "tiny"}, "accelerators": {"pool": "ipu"}} | spec,
    )


def make_model(name: str = "tiny", *, namespace: str = NAMESPACE, **spec: Any) -> Object:
    """A chat model whose artifacts lie on a claim of the same namespace."""
    source = {"pvc": {"claimName": name, "path": "artifacts"}}
    return _object("Model", name, namespace=namespace, spec={"family": "chat", "artifacts": {"source": source}} | spec)


def make_imported_model(name: str = "tiny", *, namespace: str = NAMESPACE, **spec: Any) -> Object:
    """A model of the public hub, of which nothing else is said."""
    source = {"hf": {"repository": "acme/tiny"}}
    return _object("Model", name, namespace=namespace, spec={"artifacts": {"source": source}} | spec)


def make_cluster_model(name: str = "tiny", **spec: Any) -> Object:
    """A chat model of the cluster's catalog."""
    source = {"hf": {"repository": "example/tiny"}}
    return _object(
        "ClusterModel", name, namespace=None, spec={"family": "chat", "artifacts": {"source": source}} | spec
    )


def make_priority_class(name: str, value: int, **fields: Any) -> Object:
    """A PriorityClass of Kubernetes' own."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    } | fields


def edited(manifest: Object, path: str, value: Any) -> Object:
    """A copy in which the field at the dotted path has this value; missing parents are made."""
    result = copy.deepcopy(manifest)
    *parents, last = path.split(".")
    node = result
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    return result


def without(manifest: Object, path: str) -> Object:
    """A copy without the field at the dotted path; ``KeyError`` when it is not there."""
    result = copy.deepcopy(manifest)
    *parents, last = path.split(".")
    node = result
    for part in parents:
        node = node[part]
    del node[last]
    return result


def _object(kind: str, name: str, *, namespace: str | None, spec: Object) -> Object:
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(spec)}
