"""From a reference in a spec to the model that it names, read from the caches."""

from __future__ import annotations

from hostler.api.common import ModelReference
from hostler.api.conditions import find
from hostler.api.model import ModelCondition, ModelSpec, ModelStatus
from hostler.controllers.ports import Object, Reader
from hostler.manifests.naming import CLUSTER_MODEL, catalog_name
from hostler.planning.imports import is_imported, resolved
from hostler.planning.models import NamedModel


def named_model(
    reader: Reader, reference: ModelReference, *, path: str, namespace: str, part: str | None = None
) -> NamedModel:
    """The model and its claim. Raises ``pydantic.ValidationError`` for a stored spec of another
    release."""
    where = namespace if reference.kind == "Model" else ""
    found = reader.get(reference.kind, namespace=where, name=reference.name)
    spec = ModelSpec.model_validate(found["spec"]) if found else None
    here = found
    if spec is not None and reference.kind == "ClusterModel" and is_imported(spec.artifacts.source):
        here = _became(reader, reference.name, namespace=namespace)
    status = ModelStatus.model_validate((here or {}).get("status") or {})
    model = resolved(spec, status) if spec is not None else None
    ready = find(status.conditions, ModelCondition.READY)
    source = model.artifacts.source.pvc if model else None
    claim = source and reader.get("PersistentVolumeClaim", namespace=namespace, name=source.claim_name)
    return NamedModel(
        path=path,
        reference=reference,
        model=model,
        part=part,
        claim=claim or None,
        namespace=namespace,
        going=any(each is not None and bool(each["metadata"].get("deletionTimestamp")) for each in (found, here)),
        said=ready.message if ready is not None else "",
    )


def _became(reader: Reader, entry: str, *, namespace: str) -> Object | None:
    """The Model that an entry of the catalog has become in a namespace. One that others made under its name is none."""
    found = reader.get("Model", namespace=namespace, name=catalog_name(entry))
    labels = found["metadata"].get("labels") or {} if found else {}
    return found if labels.get(CLUSTER_MODEL) == entry else None
