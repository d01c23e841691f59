"""A thin client for tests that look at what the API server itself answers: status codes, causes, headers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from patience import PATIENCE

from hostler.api.kinds import KINDS
from hostler.local.kubeapi import tls_context

Object = dict[str, Any]
T = TypeVar("T")

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PATHS = {kind.kind: kind for kind in KINDS}
_CORE = {"PersistentVolumeClaim": "persistentvolumeclaims", "Pod": "pods"}

OF_THE_CLUSTER = {
    "PriorityClass": "priorityclasses",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
"""Plurals of Kubernetes' own kinds without a namespace."""


class KubeClient:
    """Requests with the identity of a kubeconfig over one kept connection."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.http = httpx.Client(base_url=cluster["server"], verify=tls_context(cluster, user), timeout=PATIENCE)

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def create(self, manifest: Object, *, dry_run: bool = False) -> httpx.Response:
        """POST with strict field validation, as kubectl does."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self.http.post(collection(manifest), json=manifest, params=query)

    def replace(self, manifest: Object, *, dry_run: bool = False) -> httpx.Response:
        """PUT; without a resourceVersion the last writer wins."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self.http.put(item(manifest), json=manifest, params=query)

    def apply(self, path: str, manifest: Object) -> httpx.Response:
        """Server-side apply at a path that the caller knows."""
        headers = {"Content-Type": APPLY}
        return self.http.patch(path, json=manifest, headers=headers, params={"fieldManager": "tests", "force": "true"})

    def patch_status(self, manifest: Object, status: Object) -> httpx.Response:
        return self.http.patch(f"{item(manifest)}/status", json={"status": status}, headers={"Content-Type": MERGE})

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)


def collection(manifest: Object) -> str:
    """REST path of the collection that an object belongs to."""
    if manifest["apiVersion"] == "v1":
        return f"/api/v1/namespaces/{manifest['metadata']['namespace']}/{_CORE[manifest['kind']]}"
    if manifest["kind"] in OF_THE_CLUSTER:
        return f"/apis/{manifest['apiVersion']}/{OF_THE_CLUSTER[manifest['kind']]}"
    return _PATHS[manifest["kind"]].path(namespace=manifest["metadata"].get("namespace"))


def item(manifest: Object) -> str:
    """REST path of an object."""
    return f"{collection(manifest)}/{manifest['metadata']['name']}"


def eventually(check: Callable[[], T], *, what: str, timeout: float = PATIENCE) -> T:
    """The first true answer of a check; an ``AssertionError`` that says what was waited for."""
    deadline = time.monotonic() + timeout
    while not (answer := check()):
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        time.sleep(0.05)
    return answer
