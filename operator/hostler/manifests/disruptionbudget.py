"""How many replicas of a service may be taken away at the same time."""

from __future__ import annotations

from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.manifests.naming import Manifest, metadata, server_labels, server_selector


def disruption_budget(
    spec: InferenceServiceSpec, name: str, *, namespace: str, pool: str, owner: Manifest
) -> Manifest | None:
    """The PodDisruptionBudget of a service, named like it; None for a single replica, which needs to be movable.

    ``maxUnavailable`` and not ``minAvailable``: it stays right while the number of replicas changes.
    """
    if spec.pods.max < 2:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace=namespace, labels=server_labels(name, pool=pool), owner=owner),
        "spec": {
            "maxUnavailable": spec.availability.max_unavailable,
            "selector": {"matchLabels": server_selector(name)},
            # A replica that is not ready serves nobody: it may go, so that a broken rollout does not hold up a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
