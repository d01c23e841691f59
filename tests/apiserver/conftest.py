"""One API server for all tests of this level, with our CRDs in it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.manifests import by_kind
from apiserver.site import OpenSite, site
from builders import edited
from kubeclient import KubeClient, eventually, item

from hostler.local.tools import ensure_binaries

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
GIVEN = "HOSTLER_TEST_KUBECONFIG"
"""Names a kubeconfig of an API server that is running already, so that a developer starts none for each run."""

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def helm() -> Path:
    """The program that was built with the cluster."""
    return ensure_binaries(lambda _: None).program("helm")


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> Iterator[KubeClient]:
    """A client of an API server without kubelets."""
    given = os.environ.get(GIVEN)
    kubeconfig = Path(given) if given else request.getfixturevalue("control_plane").kubeconfig
    client = KubeClient(kubeconfig)
    yield client
    client.close()


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """How an operator finds that API server."""
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


@pytest.fixture(scope="session")
def crds(api: KubeClient) -> dict[str, dict]:
    """Our CRDs as the API server sees them, by name, established and served."""
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        answer = api.apply(f"{_CRDS}/{crd['metadata']['name']}", crd)
        assert answer.is_success, f"{path.name}: {answer.text}"
        assert "Warning" not in answer.headers, f"{path.name}: {answer.headers['Warning']}"
        eventually(lambda name=crd["metadata"]["name"]: _served(api, name), what=f"{path.name} to be established")
    found = api.get(_CRDS).json()["items"]
    return {crd["metadata"]["name"]: crd for crd in found if crd["spec"]["group"] == "hostler.dev"}


def _served(api: KubeClient, name: str) -> bool:
    conditions = api.get(f"{_CRDS}/{name}").json().get("status", {}).get("conditions") or []
    if not any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
        return False
    return api.get(f"/apis/hostler.dev/v1alpha1/{name.partition('.')[0]}").is_success


@pytest.fixture
def namespace(api: KubeClient) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    answer = api.http.post("/api/v1/namespaces", json=body)
    assert answer.is_success, answer.text
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def open_site(api: KubeClient, namespace: str, kubeconfig: Path) -> OpenSite:
    """Not an async fixture: at its end, kopf cancels every task that began after it, such as a fixture's teardown."""
    return lambda: site(api, namespace, kubeconfig)


@pytest.fixture
def stored(api: KubeClient, namespace: str) -> Iterator[Any]:
    """Stores objects, namespaced ones in the test's own namespace, and removes them afterwards."""
    kept: list[Object] = []

    def store(manifest: Object) -> Object:
        moved = edited(manifest, "metadata.namespace", namespace) if by_kind(manifest).namespaced else manifest
        answer = api.create(moved)
        assert answer.status_code == 201, answer.text
        kept.append(moved)
        return moved

    yield store
    for manifest in kept:
        api.delete(item(manifest))
