"""Services: the names under which trainers find each other, and clients find replicas."""

from __future__ import annotations

from hostler.manifests.naming import (
    RENDEZVOUS_PORT,
    Manifest,
    attempt_labels,
    attempt_name,
    attempt_selector,
    metadata,
    server_labels,
    server_selector,
)


def attempt_service(job: str, attempt: int, *, namespace: str, pool: str, owner: Manifest) -> Manifest:
    """Headless: gives every pod of an attempt a name before it is ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(
            attempt_name(job, attempt),
            namespace=namespace,
            labels=attempt_labels(job, attempt=attempt, pool=pool),
            owner=owner,
        ),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": attempt_selector(job, attempt),
            "ports": [{"name": "rendezvous", "port": RENDEZVOUS_PORT, "targetPort": RENDEZVOUS_PORT}],
        },
    }


def inference_service(name: str, *, namespace: str, pool: str, owner: Manifest) -> Manifest:
    """Where clients reach the replicas that are ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace=namespace, labels=server_labels(name, pool=pool), owner=owner),
        # What the server would fill in is said, so that another value is seen to be somebody else's.
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "publishNotReadyAddresses": False,
            "selector": server_selector(name),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def inference_url(name: str, *, namespace: str) -> str:
    """What goes into status; clients add /v1. Port 80 needs no mention."""
    return f"http://{name}.{namespace}.svc"
