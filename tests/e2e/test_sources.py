"""The same text from a claim, from a URL, from a ConfigMap and as a Dataset makes the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from builders import make_dataset, make_training_job
from helptopics import help_topics
from stack import Stack, condition, wait

NAMESPACE = "sources"
TEXT_LIMIT = 200_000
TRANSFORMER = {"layers": 1, "hiddenSize": 32, "heads": 2, "contextLength": 32, "vocabularySize": 400}
LIBRARY = "cp /text/text /books/text && exec python3 -m http.server 8000 --directory /books"


def _library(image: str) -> list[dict[str, Any]]:
    """A pod that puts the text onto a claim and serves it over HTTP, and the Service in front of it."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "library",
        "image": image,
        "command": ["sh", "-c", LIBRARY],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "securityContext": security,
        "volumeMounts": [{"name": "text", "mountPath": "/text"}, {"name": "books", "mountPath": "/books"}],
    }
    identity = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532}
    spec = {
        "securityContext": {**identity, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "text", "configMap": {"name": "text"}},
            {"name": "books", "persistentVolumeClaim": {"claimName": "books"}},
        ],
    }
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Mi"}}}
    meta = {"name": "library", "namespace": NAMESPACE}
    books = {"name": "books", "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": books, "spec": claim},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "labels": {"app": "library"}}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": "library"}, "ports": [{"port": 80, "targetPort": 8000}]},
        },
    ]


def _job(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return make_training_job(
        name,
        namespace=NAMESPACE,
        output={"transformer": TRANSFORMER},
        dataset=data,
        training={"steps": 10, "batchSize": 4},
        accelerators={"pool": "gpu", "perPod": 1},
        resources={"cpu": "200m", "memory": "1Gi"},
    )


@pytest.fixture(scope="module")
def hashes(stack: Stack, namespace: Callable[[str], str]) -> dict[str, str]:
    """Each source by name, with the hash of the data that the model's lineage holds."""
    namespace(NAMESPACE)
    stack.apply(*_library(stack.images["operator"]))
    sha256 = hashlib.sha256(help_topics(limit=TEXT_LIMIT).encode()).hexdigest()
    sources: dict[str, dict[str, Any]] = {
        "config-map": {"configMap": {"name": "text", "key": "text"}},
        "claim": {"pvc": {"claimName": "books", "path": "text"}},
        "url": {"http": {"url": f"http://library.{NAMESPACE}.svc/text", "sha256": sha256}},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/library"

    def served() -> bool:
        conditions = stack.api.get(path)["status"].get("conditions", [])
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

    wait(served, what="the text is served", why=lambda: stack.api.get(path)["status"])
    inline = {name: {"source": source} for name, source in sources.items()}
    stack.apply(make_dataset("books", namespace=NAMESPACE, source=sources["claim"], format="text", columns={}))
    jobs = {**inline, "by-name": {"ref": {"name": "books"}}}
    stack.apply(*(_job(name, data) for name, data in jobs.items()))
    for name in jobs:
        stack.wait_condition("trainingjobs", name, "Succeeded", "True", namespace=NAMESPACE)
    models = {name: stack.get("models", name, namespace=NAMESPACE) for name in jobs}
    return {name: model["spec"]["lineage"]["datasetSha256"] for name, model in models.items() if model}


def test_every_source_trains(hashes: dict[str, str]) -> None:
    assert set(hashes) == {"config-map", "claim", "url", "by-name"}


def test_the_same_text_has_the_same_hash_wherever_it_comes_from(hashes: dict[str, str]) -> None:
    assert len(set(hashes.values())) == 1


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        pytest.param("claim", True, id="nobody knows how much a claim holds"),
        pytest.param("url", True, id="or a URL"),
        pytest.param("config-map", False, id="a ConfigMap holds little"),
        pytest.param("by-name", False, id="and the Dataset has been looked at"),
    ],
)
def test_what_is_not_known_to_be_small_is_prepared_before_training(
    hashes: dict[str, str], stack: Stack, name: str, *, apart: bool
) -> None:
    job = stack.get("trainingjobs", name, namespace=NAMESPACE)
    assert job is not None
    prepared = job["status"].get("prepared")
    assert (prepared is not None) is apart
    if prepared is not None:
        assert prepared["sha256"] == hashes[name]
        assert prepared["sizeBytes"] > 0
        left = stack.pods(NAMESPACE, f"hostler.dev/preparation={name}")
        assert not left, "its word is in the status, and it would keep the claim"


def test_a_dataset_says_what_it_is(hashes: dict[str, str], stack: Stack) -> None:
    dataset = stack.get("datasets", "books", namespace=NAMESPACE)
    assert dataset is not None
    status = dataset["status"]
    assert condition(dataset, "Ready")["reason"] == "Valid"
    assert (status["version"], status["files"], status["errorCount"]) == (1, 1, 0)
    assert status["sha256"] == hashes["by-name"]
    assert float(status["packing"]["factor"]) >= 1

    model = stack.get("models", "by-name", namespace=NAMESPACE)
    assert model is not None
    lineage = model["spec"]["lineage"]
    assert (lineage["dataset"], lineage["datasetVersion"]) == ("books", 1)
