"""The Model that a ClusterModel becomes in a namespace that uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostler.api.schema import API_VERSION
from hostler.manifests.naming import Manifest, catalog_labels, catalog_name, metadata


def catalog_model(entry: Mapping[str, Any], *, namespace: str) -> Manifest:
    """The same spec. It has no owner: deleting an entry of the catalog must not delete what is being served."""
    name = entry["metadata"]["name"]
    return {
        "apiVersion": API_VERSION,
        "kind": "Model",
        "metadata": metadata(catalog_name(name), namespace=namespace, labels=catalog_labels(name), owner=None),
        "spec": entry["spec"],
    }
