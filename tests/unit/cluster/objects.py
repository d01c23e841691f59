"""Small objects for the tests of the cluster layer."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def make(
    kind: str = "Job",
    name: str = "a",
    *,
    namespace: str = "default",
    version: int = 1,
    uid: str = "",
    labels: dict[str, str] | None = None,
    **fields: Any,
) -> Object:
    """An object as the API server would give it."""
    metadata: Object = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, **fields}
