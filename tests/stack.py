"""A cluster with Hostler and Prometheus on it, as the tests of the fourth level see it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from patience import PATIENCE

from hostler.demo import prometheus
from hostler.demo.install import Tools
from hostler.local.kubeapi import ApiError, KubeApi

API = "/apis/hostler.dev/v1alpha1"
Object = dict[str, Any]


def wait(condition: Callable[[], Any], *, what: str, timeout: float = PATIENCE, why: Callable[[], object] = str) -> Any:
    """The first truthy value of a condition; fails with the sentence and the last state."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} within {timeout:.0f} s: {why()}")
        time.sleep(0.25)
    return value


def condition(found: Object | None, kind: str) -> Object:
    """One condition of an object, empty where it has none."""
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


@dataclass(kw_only=True)
class Stack:
    """Clients and names."""

    cluster: str
    tools: Tools
    images: dict[str, str]
    values: dict[str, Any]
    """Of the chart, beside those that every installation here has."""
    prometheus_url: str

    def __post_init__(self) -> None:
        self.api = KubeApi(self.tools.kubeconfig)

    def apply(self, *objects: Object, namespace: str | None = None) -> None:
        """kubectl apply --server-side, as a user would."""
        scope = () if namespace is None else ("-n", namespace)
        text = "\n---\n".join(json.dumps(one) for one in objects)
        self.tools.kubectl_run("apply", "--server-side", *scope, "-f", "-", stdin=text)

    def get(self, plural: str, name: str, *, namespace: str | None = None) -> Object | None:
        """One object of ours, or None."""
        scope = "" if namespace is None else f"/namespaces/{namespace}"
        return self._get(f"{API}{scope}/{plural}/{name}")

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """Pods of a namespace by label selector."""
        query = f"?labelSelector={selector}" if selector else ""
        found: list[Object] = self.api.get(f"/api/v1/namespaces/{namespace}/pods{query}")["items"]
        return found

    def wait_condition(
        self, plural: str, name: str, kind: str, status: str, *, namespace: str | None = None, timeout: float = PATIENCE
    ) -> Object:
        """The object as soon as a condition has this status for the current generation."""

        def current() -> Object | None:
            found = self.get(plural, name, namespace=namespace)
            if found is None or found.get("status", {}).get("observedGeneration") != found["metadata"]["generation"]:
                return None
            return found if condition(found, kind).get("status") == status else None

        def why() -> object:
            return (self.get(plural, name, namespace=namespace) or {}).get("status", "not there")

        found: Object = wait(current, what=f"{name} {kind}={status}", timeout=timeout, why=why)
        return found

    def ask(self, expression: str, *, timeout: float = PATIENCE) -> list[prometheus.Sample]:
        """Prometheus' answer to a query, as soon as it has one."""
        found: list[prometheus.Sample] = wait(
            lambda: prometheus.query(self.prometheus_url, expression),
            what=f"an answer to {expression}",
            timeout=timeout,
        )
        return found

    def _get(self, path: str) -> Object | None:
        try:
            return self.api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
