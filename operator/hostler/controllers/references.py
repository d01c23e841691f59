"""What an object refers to: the index by which a change of the one finds the other, without a look at all objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hostler.api.model import IMPORTED_SOURCES
from hostler.controllers.ports import Object
from hostler.manifests.naming import catalog_name, import_claim


def reference(kind: str, *, namespace: str = "", name: str) -> str:
    """The value under which objects that refer to this one are indexed."""
    return f"{kind}/{namespace}/{name}"


def priority_class(spec: Any) -> str:
    """The class that a spec names, or the cluster's default, which has no name of its own."""
    return reference("PriorityClass", name=_text(spec, "priorityClassName"))


def of_training_job(job: Object) -> Iterator[str]:
    """Pool, priority, data, models and the job that it starts from, claims; and what it makes, whose name somebody may
    have taken."""
    spec, namespace, name = job["spec"], job["metadata"]["namespace"], job["metadata"]["name"]
    yield reference("AcceleratorPool", name=_text(spec, "accelerators", "pool"))
    yield priority_class(spec)
    yield reference("PersistentVolumeClaim", namespace=namespace, name=name)
    yield reference("Model", namespace=namespace, name=_text(spec, "output", "name") or name)
    for claim in (_text(spec, "storage", "claimName"), _text(spec, "dataset", "source", "pvc", "claimName")):
        if claim:
            yield reference("PersistentVolumeClaim", namespace=namespace, name=claim)
    if dataset := _text(spec, "dataset", "ref", "name"):
        yield reference("Dataset", namespace=namespace, name=dataset)
    if other := _text(spec, "resumeFrom", "trainingJob"):
        yield reference("TrainingJob", namespace=namespace, name=other)
    for model in (spec.get("base"), *(spec.get("parts") or {}).values()):
        yield from _model(model, namespace)


def of_inference_service(service: Object) -> Iterator[str]:
    """Pool, priority, model, adapters."""
    spec, namespace = service["spec"], service["metadata"]["namespace"]
    yield reference("AcceleratorPool", name=_text(spec, "accelerators", "pool"))
    yield priority_class(spec)
    yield from _model(spec.get("modelRef"), namespace)
    for adapter in spec.get("adapters") or ():
        yield from _model(adapter.get("modelRef") or adapter.get("model"), namespace)


def of_model(model: Object) -> Iterator[str]:
    """The claim with its artifacts, which an import makes."""
    namespace, name = model["metadata"].get("namespace", ""), model["metadata"]["name"]
    if any(member in model["spec"]["artifacts"]["source"] for member in IMPORTED_SOURCES):
        yield reference("PersistentVolumeClaim", namespace=namespace, name=import_claim(name))
    if claim := _text(model["spec"], "artifacts", "source", "pvc", "claimName"):
        yield reference("PersistentVolumeClaim", namespace=model["metadata"].get("namespace", ""), name=claim)


def of_cluster_model(model: Object) -> Iterator[str]:
    """The claim that each namespace has under this name."""
    if claim := _text(model["spec"], "artifacts", "source", "pvc", "claimName"):
        yield reference("PersistentVolumeClaim", name=claim)


def of_dataset(dataset: Object) -> Iterator[str]:
    """The claim with its data."""
    if claim := _text(dataset["spec"], "source", "pvc", "claimName"):
        yield reference("PersistentVolumeClaim", namespace=dataset["metadata"]["namespace"], name=claim)


INDEXERS = {
    "TrainingJob": of_training_job,
    "InferenceService": of_inference_service,
    "Model": of_model,
    "ClusterModel": of_cluster_model,
    "Dataset": of_dataset,
}
"""By kind, for the store."""


def _model(found: Any, namespace: str) -> Iterator[str]:
    if not isinstance(found, dict) or not found.get("name"):
        return
    kind = found.get("kind", "Model")
    yield reference(kind, namespace=namespace if kind == "Model" else "", name=found["name"])
    if kind == "ClusterModel":
        # What it becomes here, whose files are mounted.
        yield reference("Model", namespace=namespace, name=catalog_name(found["name"]))


def _text(spec: Any, *path: str) -> str:
    """A field of a stored spec, which may be of another release; empty where it is not there."""
    for part in path:
        if not isinstance(spec, dict):
            return ""
        spec = spec.get(part)
    return spec if isinstance(spec, str) else ""
