"""Whether the place that data is to come from is there at all."""

from __future__ import annotations

from hostler.api.common import Source
from hostler.controllers.ports import Reader


async def missing(reader: Reader, source: Source, *, path: str, namespace: str) -> str:
    """A sentence about the field that leads nowhere; empty where nothing is wrong, as far as the cluster knows."""
    if source.pvc is not None:
        claim = source.pvc.claim_name
        there = reader.get("PersistentVolumeClaim", namespace=namespace, name=claim)
        if there is None:
            text = f"there is no claim {claim} in namespace {namespace}: create it, or name another one."
            return f"{path}.pvc.claimName: {text}"
        if there["metadata"].get("deletionTimestamp"):
            text = f"claim {claim} is being deleted and takes no new pod: name another one, or create it anew."
            return f"{path}.pvc.claimName: {text}"
    if source.config_map is not None:
        name, key = source.config_map.name, source.config_map.key
        keys = await reader.config_map_keys(namespace=namespace, name=name, key=key)
        if keys is None:
            return f"{path}.configMap.name: there is no ConfigMap {name} in namespace {namespace}: create it."
        if key not in keys:
            listed = ", ".join(keys[:8]) or "none"
            return f"{path}.configMap.key: ConfigMap {name} has no key {key}; its keys: {listed}."
    return ""
