"""What the real API server makes of our children, and what becomes of what others do to them."""

from __future__ import annotations

import copy
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.conftest import GIVEN, ROOT
from kubeclient import KubeClient

from hostler.cluster.client import Client
from hostler.cluster.connection import connect
from hostler.cluster.drift import ROOTS, drift
from hostler.cluster.errors import Conflict
from hostler.cluster.events import EventRecorder
from hostler.cluster.matching import contains, satisfied, stamped
from hostler.cluster.resources import TABLE, resource_of
from hostler.cluster.store import Store
from hostler.cluster.writer import ApiWriter

Object = dict[str, Any]
GOLDEN = ROOT / "tests/unit/manifests/golden"
JSON_PATCH = "application/json-patch+json"


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    client = Client(await connect(kubeconfig))
    yield client
    await client.close()


def wanted(path: Path, namespace: str) -> Object:
    """A child as a controller builds it, in a namespace of the test's own, with nobody who could collect it."""
    obj: Object = yaml.safe_load(path.read_text(encoding="utf-8"))
    metadata = {name: value for name, value in obj["metadata"].items() if name != "ownerReferences"}
    return {**obj, "metadata": {**metadata, "namespace": namespace}}


def of_kinds(*kinds: str) -> list[Path]:
    found = [path for path in sorted(GOLDEN.glob("*.yaml")) if yaml.safe_load(path.read_text()).get("kind") in kinds]
    assert found, kinds
    return found


WRITTEN = [kind for kind in TABLE if kind in (*ROOTS, "Job", "PersistentVolumeClaim")]


@pytest.mark.parametrize("path", of_kinds(*WRITTEN), ids=lambda path: path.stem)
async def test_what_the_server_fills_in_is_no_drift(path: Path, namespace: str, client: Client) -> None:
    body = stamped(wanted(path, namespace))
    answer = await client.apply(body)
    assert drift(answer, body).paths == ()
    assert contains(answer, body)
    assert satisfied(answer, body)


class Fence:
    def seconds_left(self) -> float:
        return 10.0


class Hands:
    """A writer, and people with kubectl."""

    def __init__(self, api: KubeClient, client: Client, body: Object) -> None:
        self.api, self.client, self.body = api, client, body
        self.store = Store()
        self.requests: list[str] = []
        client._observe = lambda verb, _code, _seconds: self.requests.append(verb)
        events = EventRecorder(client, instance="test", now=lambda: "")
        self.writer = ApiWriter(client, store=self.store, fence=Fence(), events=events)
        metadata = body["metadata"]
        self.path = resource_of(body["kind"]).path(namespace=metadata["namespace"], name=metadata["name"])

    def get(self) -> Object:
        found: Object = self.api.get(self.path).json()
        return found

    def edit(self, *operations: Object) -> None:
        """As ``kubectl edit`` does, and the watch tells."""
        answer = self.api.http.patch(
            self.path,
            json=list(operations),
            headers={"Content-Type": JSON_PATCH},
            params={"fieldManager": "kubectl-edit"},
        )
        assert answer.is_success, answer.text
        self.see()

    def see(self) -> None:
        if self.store.watches(self.body["kind"]):
            self.store.put(self.body["kind"], self.get())

    async def apply(self) -> list[str]:
        """One pass; returns the requests that it took."""
        while True:
            self.requests.clear()
            try:
                await self.writer.apply(copy.deepcopy(self.body))
            except Conflict:
                # The Deployment controller wrote its status meanwhile. The work queue comes back as well.
                self.see()
            else:
                return list(self.requests)


def add(path: str, value: Any) -> Object:
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> Object:
    return {"op": "replace", "path": path, "value": value}


CONTAINER = "/spec/template/spec/containers/0"
# Sentence: the child, what somebody does to it, and how many writes put it back.
EDITS: dict[str, tuple[str, list[Object], int]] = {
    "another target port": ("service-inference", [replace("/spec/ports/0/targetPort", 9999)], 1),
    "another port": ("service-inference", [replace("/spec/ports/0/port", 81)], 1),
    "one more key in the selector": ("service-inference", [add("/spec/selector/more", "x")], 1),
    "a port, the selector and a type": (
        "service-inference",
        [add("/spec/selector/more", "x"), replace("/spec/ports/0/targetPort", 1), replace("/spec/type", "NodePort")],
        1,
    ),
    "sticky sessions": ("service-inference", [replace("/spec/sessionAffinity", "ClientIP")], 1),
    "one more key in a headless selector": ("service-attempt", [add("/spec/selector/more", "x")], 1),
    "another value of a variable": ("deployment", [replace(f"{CONTAINER}/env/0/value", "64")], 1),
    "one more variable": ("deployment", [add(f"{CONTAINER}/env/-", {"name": "DEBUG", "value": "1"})], 1),
    "a variable under another name": ("deployment", [replace(f"{CONTAINER}/env/1/name", "OTHER")], 1),
    "more replicas": ("deployment", [replace("/spec/replicas", 7)], 1),
    "a sidecar with the network of the host": (
        "deployment",
        [
            add("/spec/template/spec/containers/-", {"name": "x", "image": "y"}),
            add("/spec/template/spec/hostNetwork", True),
        ],
        1,
    ),
    "another account and a pause": (
        "deployment", [add("/spec/template/spec/serviceAccountName", "root"), add("/spec/paused", True)], 1,
    ),
    "all at once, and our label is gone": (
        "deployment",
        [
            replace("/spec/replicas", 7),
            replace(f"{CONTAINER}/env/0/value", "64"),
            add(f"{CONTAINER}/env/-", {"name": "DEBUG", "value": "1"}),
            {"op": "remove", "path": "/metadata/labels/hostler.dev~1pool"},
        ],
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
async def test_what_somebody_did_is_put_back_in_one_pass(
    api: KubeClient, client: Client, namespace: str, case: str
) -> None:
    name, operations, writes = EDITS[case]
    hands = Hands(api, client, wanted(GOLDEN / f"{name}.yaml", namespace))
    await hands.apply()
    hands.see()
    before = hands.get()
    hands.edit(*operations)
    assert hands.get()["spec"] != before["spec"]
    requests = await hands.apply()
    assert len(requests) == writes, requests
    after = hands.get()
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert await hands.apply() == [], "and then it is at rest"
    managers = {entry["manager"] for entry in after["metadata"]["managedFields"] if "f:spec" in entry["fieldsV1"]}
    assert "kubectl-edit" not in managers, "nobody else has a say in it any more"


async def test_what_is_everybodys_stays_and_restarts_nobody(api: KubeClient, client: Client, namespace: str) -> None:
    hands = Hands(api, client, wanted(GOLDEN / "deployment.yaml", namespace))
    await hands.apply()
    hands.see()
    restarted = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"
    hands.edit(add(restarted, "2026-01-01T00:00:00Z"), add("/metadata/labels/team", "red"))
    assert await hands.apply() == []
    hands.edit(add(f"{CONTAINER}/env/-", {"name": "DEBUG", "value": "1"}))
    await hands.apply()
    found = hands.get()
    assert found["metadata"]["labels"]["team"] == "red"
    assert found["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]


async def test_a_file_that_somebody_added_to_a_config_map_goes(api: KubeClient, client: Client, namespace: str) -> None:
    hands = Hands(api, client, wanted(GOLDEN / "configmap-inspect.yaml", namespace))
    await hands.apply()
    before = hands.get()["data"]
    hands.edit(add("/data/more", "x"), add("/binaryData", {"other": "eA=="}))
    hands.writer._checked.clear()
    assert await hands.apply() == ["get", "patch"]
    assert hands.get()["data"] == before
    assert not hands.get().get("binaryData")
