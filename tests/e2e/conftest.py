"""One cluster with everything on it, shared by all tests of this level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from helptopics import help_topics
from patience import PATIENCE
from stack import Stack

from hostler.demo import install
from hostler.demo.forward import forward
from hostler.local import ClusterHandle
from hostler.local.images import ensure_loaded

ALLOWED_HUB = "http://hub.imports.svc:8000"
"""A hub in the cluster that Models may name."""
REGISTRY = "hub.imports.svc:5000"
"""A registry beside it."""


# The gate of image volumes is on in the local cluster, whose release has it off by itself.
VALUES: dict[str, Any] = {
    "allowedEndpoints": [ALLOWED_HUB, f"http://{REGISTRY}"],
    "imports": {"imageVolumes": True},
}
"""Of the chart, beside what the local cluster needs."""


@contextmanager
def installed(cluster: ClusterHandle, *, values: dict[str, Any]) -> Iterator[Stack]:
    """Hostler by its chart, pools on simulated devices, Prometheus scraping every two seconds."""
    images = ensure_loaded(cluster.name)
    tools = install.Tools(
        kubectl=cluster.program("kubectl"), helm=cluster.program("helm"), kubeconfig=cluster.kubeconfig
    )
    install.install_prometheus(tools, image=images["prometheus"])
    install.install_hostler(tools, images, more=values)
    tools.kubectl_run("-n", "monitoring", "rollout", "status", "deployment/prometheus", f"--timeout={PATIENCE:.0f}s")
    target = forward(tools.kubectl, tools.kubeconfig, namespace="monitoring", target="service/prometheus", port=9090)
    with target as url:
        yield Stack(cluster=cluster.name, tools=tools, images=images, values=values, prometheus_url=url)


@pytest.fixture(scope="session")
def stack(cluster: ClusterHandle) -> Iterator[Stack]:
    """The cluster that all tests of this level share."""
    with installed(cluster, values=VALUES) as found:
        yield found


@pytest.fixture(scope="session")
def namespace(stack: Stack) -> Callable[[str], str]:
    """Makes a namespace that enforces Pod Security restricted, with the demo's text in it."""

    def make(name: str) -> str:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        stack.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "text", "namespace": name},
                "data": {"text": help_topics(limit=200_000)},
            },
        )
        return name

    return make
