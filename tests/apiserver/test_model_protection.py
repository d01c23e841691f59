"""The chart's admission policy: a Model that is in use is not deleted by mistake, and Kubernetes is never held up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver.charts import named, template
from builders import make_model
from kubeclient import MERGE, KubeClient, Object, eventually, item

POLICIES = "/apis/admissionregistration.k8s.io/v1"
USERS = [{"kind": "InferenceService", "name": "chat"}, {"kind": "TrainingJob", "name": "tune"}]
pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture(scope="module", params=["warn", "deny"])
def protection(request: pytest.FixtureRequest, api: KubeClient, crds: dict[str, dict], helm: Path) -> Iterator[str]:
    """The policy as the chart renders it, in force."""
    documents = template(helm, f"modelProtection={request.param}")
    paths = []
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    ):
        for name, body in named(documents, kind).items():
            answer = api.apply(f"{POLICIES}/{plural}/{name}", body)
            assert answer.is_success, answer.text
            paths.append(f"{POLICIES}/{plural}/{name}")
    canary = _stored(api, make_model(f"canary-{uuid.uuid4().hex[:8]}"), used_by=USERS)
    eventually(lambda: _objection(_delete(api, canary, dry_run=True)), what="the policy to be in force")
    yield request.param
    for path in paths:
        api.delete(path)
    eventually(lambda: not _objection(_delete(api, canary, dry_run=True)), what="the policy to be gone")
    _delete(api, canary)


def _stored(api: KubeClient, model: Object, *, used_by: list[Object] | None) -> Object:
    answer = api.create(model)
    assert answer.is_success, answer.text
    if used_by is not None:
        answer = api.patch_status(model, {"usedBy": used_by})
        assert answer.is_success, answer.text
    return model


def _delete(api: KubeClient, model: Object, *, dry_run: bool = False, user: str = "") -> httpx.Response:
    headers = {"Impersonate-User": user, "Impersonate-Group": "system:masters"} if user else {}
    return api.http.delete(item(model), params={"dryRun": "All"} if dry_run else {}, headers=headers)


def _objection(answer: httpx.Response) -> str:
    """What the policy has to say, as a refusal or as a warning."""
    return answer.headers.get("Warning", "") if answer.is_success else str(answer.json()["message"])


@pytest.mark.parametrize(
    ("used_by", "annotations", "objects"),
    [
        pytest.param(USERS, {}, True, id="it is served, and a job is made from it"),
        pytest.param(USERS, {"hostler.dev/allow-deletion": "false"}, True, id="nobody has allowed it"),
        pytest.param(USERS, {"hostler.dev/allow-deletion": "true"}, False, id="somebody has allowed it"),
        pytest.param([], {}, False, id="nobody uses it"),
        pytest.param(None, {}, False, id="nobody has looked at it yet"),
    ],
)
def test_a_model_in_use_is_not_deleted_by_mistake(
    api: KubeClient,
    namespace: str,
    protection: str,
    *,
    used_by: list[Object] | None,
    annotations: dict[str, str],
    objects: bool,
) -> None:
    model: dict[str, Any] = make_model(namespace=namespace)
    model["metadata"]["annotations"] = annotations
    _stored(api, model, used_by=used_by)
    answer = _delete(api, model)
    assert answer.is_success is not (objects and protection == "deny")
    assert bool(_objection(answer)) is objects
    if objects:
        said = _objection(answer)
        assert "Model tiny is used by InferenceService chat, TrainingJob tune" in said
        assert "hostler.dev/allow-deletion=true" in said, "the way out"


def test_the_way_out_is_an_annotation(api: KubeClient, namespace: str, protection: str) -> None:
    model = _stored(api, make_model(namespace=namespace), used_by=USERS)
    body = {"metadata": {"annotations": {"hostler.dev/allow-deletion": "true"}}}
    assert api.http.patch(item(model), json=body, headers={"Content-Type": MERGE}).is_success
    answer = _delete(api, model)
    assert (answer.is_success, _objection(answer)) == (True, "")


@pytest.mark.parametrize(
    "user",
    [
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
        "system:kube-controller-manager",
    ],
)
def test_kubernetes_itself_is_never_held_up(api: KubeClient, namespace: str, protection: str, user: str) -> None:
    model = _stored(api, make_model(namespace=namespace), used_by=USERS)
    answer = _delete(api, model, user=user)
    assert (answer.is_success, _objection(answer)) == (True, "")


def test_a_namespace_ends_with_the_models_in_it(api: KubeClient, protection: str) -> None:
    name = f"ending-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert api.http.post("/api/v1/namespaces", json=body).is_success
    _stored(api, make_model(namespace=name), used_by=USERS)
    api.delete(f"/api/v1/namespaces/{name}")
    eventually(
        lambda: api.get(f"/api/v1/namespaces/{name}").status_code == 404, what="the namespace to end", timeout=90
    )
