"""What users get wrong, on a real cluster: each is told in one sentence, and nothing is left half-made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import make_inference_service, make_training_job
from stack import API, Stack, condition, wait

NAMESPACE = "mistakes"


@pytest.fixture(scope="module")
def mistakes(stack: Stack, namespace: Callable[[str], str]) -> str:
    return namespace(NAMESPACE)


def job(**spec: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "dataset": {"source": {"configMap": {"name": "text", "key": "text"}}},
        "accelerators": {"pool": "gpu", "perPod": 1},
        "resources": {"cpu": "100m", "memory": "1Gi"},
    }
    return make_training_job("wrong", namespace=NAMESPACE, **(fields | spec))


@pytest.mark.parametrize(
    ("spec", "want_reason", "want_words"),
    [
        pytest.param(
            {"accelerators": {"pool": "gpus"}}, "PoolNotFound", ["gpus", "gpu"], id="a pool that does not exist"
        ),
        pytest.param(
            {"accelerators": {"pool": "gpu", "perPod": 16}, "training": {"steps": 1, "batchSize": 64}},
            "PoolTooSmall",
            ["16", "gpu", "4"],
            id="more than any pool has",
        ),
        pytest.param(
            {"family": "custom", "output": {}}, "FamilyNotAvailable", ["images of your own"], id="an image of one's own"
        ),
        pytest.param(
            {"objective": "finetune", "base": {"name": "nowhere"}},
            "ModelNotFound",
            ["spec.base", "nowhere"],
            id="a base model that is not there",
        ),
        pytest.param(
            {"dataset": {"source": {"configMap": {"name": "nowhere", "key": "text"}}}},
            "DatasetNotFound",
            ["nowhere"],
            id="a ConfigMap that is not there",
        ),
        pytest.param(
            {"dataset": {"source": {"configMap": {"name": "text", "key": "texts"}}}},
            "DatasetNotFound",
            ["texts"],
            id="a key that is not there",
        ),
        pytest.param(
            {"dataset": {"source": {"pvc": {"claimName": "nowhere"}}}},
            "DatasetNotFound",
            ["nowhere"],
            id="a claim that is not there",
        ),
        pytest.param(
            {"dataset": {"source": {"oci": {"reference": "registry.example.org/a/b:1"}}}},
            "SourceNotSupported",
            ["oci", "http"],
            id="a source of a later release",
        ),
    ],
)
def test_a_job_that_cannot_be_honoured(
    stack: Stack, mistakes: str, spec: dict[str, Any], want_reason: str, want_words: list[str]
) -> None:
    stack.apply(job(**spec))
    try:
        found = stack.wait_condition("trainingjobs", "wrong", "Accepted", "False", namespace=NAMESPACE)
        said = condition(found, "Accepted")
        assert said["reason"] == want_reason, said
        assert all(word in said["message"] for word in want_words), said["message"]
        jobs = stack.api.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")["items"]
        claims = stack.api.get(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims")["items"]
        assert (jobs, claims) == ([], []), "nothing is left half-made"
    finally:
        _delete(stack, "trainingjobs", "wrong")


def test_a_url_that_holds_nothing_stops_the_job_for_good(stack: Stack, mistakes: str) -> None:
    url = "http://prometheus.monitoring.svc:9090/no/such/file"
    stack.apply(job(dataset={"source": {"http": {"url": url}}}))
    try:
        found = stack.wait_condition("trainingjobs", "wrong", "Stalled", "True", namespace=NAMESPACE)
        said = condition(found, "Stalled")
        assert said["reason"] == "DatasetNotFound", said
        assert url in said["message"]
        assert "404" in said["message"]
        assert found["status"]["restarts"] == 0, "another attempt could not help"
    finally:
        _delete(stack, "trainingjobs", "wrong")


@pytest.mark.parametrize(
    ("rows", "want_words"),
    [
        pytest.param('{"text": "fine"}\n{"text": "fi\n', ["rows.jsonl:2"], id="a row that is cut off"),
        pytest.param(
            '{"text": "fine"}\n\n{"body": "hidden"}\n', ["rows.jsonl:3", "text", "body"], id="a row without its column"
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_the_job(
    stack: Stack, mistakes: str, rows: str, want_words: list[str]
) -> None:
    """From the reader through the pod's termination message to the condition."""
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rows", "namespace": NAMESPACE}}
    source = {"configMap": {"name": "rows", "key": "rows.jsonl"}}
    stack.apply(data | {"data": {"rows.jsonl": rows}}, job(dataset={"source": source, "format": "jsonl"}))
    try:
        found = stack.wait_condition("trainingjobs", "wrong", "Stalled", "True", namespace=NAMESPACE)
        said = condition(found, "Stalled")
        assert said["reason"] == "DatasetInvalid", said
        assert all(word in said["message"] for word in want_words), said["message"]
        assert found["status"]["restarts"] == 0, "another attempt could not help"
    finally:
        _delete(stack, "trainingjobs", "wrong")


def _delete(stack: Stack, plural: str, name: str) -> None:
    stack.api.request("DELETE", f"{API}/namespaces/{NAMESPACE}/{plural}/{name}")
    wait(
        lambda: not stack.pods(NAMESPACE) and stack.get(plural, name, namespace=NAMESPACE) is None,
        what="everything of the job goes with it",
    )


def test_an_unreadable_artifact_is_named_by_the_service(stack: Stack, mistakes: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "broken", "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    model = {
        "apiVersion": "hostler.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "broken", "namespace": NAMESPACE},
        "spec": {"family": "chat", "artifacts": {"source": {"pvc": {"claimName": "broken"}}}},
    }
    service = make_inference_service(
        "broken",
        namespace=NAMESPACE,
        modelRef={"name": "broken"},
        accelerators={"pool": "ipu", "perPod": 1},
        resources={"cpu": "100m", "memory": "1Gi"},
    )
    stack.apply(claim, model, service)

    def failed() -> dict[str, Any] | None:
        found = stack.get("inferenceservices", "broken", namespace=NAMESPACE)
        return found if condition(found, "Ready").get("reason") == "ReplicaFailed" else None

    found = wait(failed, what="the service says that its replica failed")
    said = condition(found, "Ready")
    assert said["status"] == "False"
    assert "config.json" in said["message"], said["message"]
    assert found["status"]["lastFailure"]["reason"] == "ArtifactUnreadable"
    _delete(stack, "inferenceservices", "broken")
