"""From a reference in a spec to the model that it names, read from the caches."""

from __future__ import annotations

from hostler.api.common import ModelReference
from hostler.api.conditions import find
from hostler.api.model import ModelCondition, ModelSpec, ModelStatus
from hostler.controllers.ports import Reader
from hostler.planning.imports import resolved
from hostler.planning.models import NamedModel


def named_model(
    reader: Reader, reference: ModelReference, *, path: str, namespace: str, part: str | None = None
) -> NamedModel:
    """The model and its claim. Raises ``pydantic.ValidationError`` for a stored spec of another
    release."""
    where = namespace if reference.kind == "Model" else ""
    found = reader.get(reference.kind, namespace=where, name=reference.name)
    status = ModelStatus.model_validate((found or {}).get("status") or {})
    model = resolved(ModelSpec.model_validate(found["spec"]), status) if found else None
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
        going=found is not None and bool(found["metadata"].get("deletionTimestamp")),
        said=ready.message if ready is not None else "",
    )
