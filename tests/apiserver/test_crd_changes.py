"""What may change of a stored object, on a real API server."""

from __future__ import annotations

from typing import Any

import pytest
from builders import (
    edited,
    make_cluster_model,
    make_imported_model,
    make_inference_service,
    make_model,
    make_pool,
    make_training_job,
    make_transformer,
    without,
)
from kubeclient import KubeClient, item

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("crds")

FROZEN_OF_JOBS = (
    ("family", "family", "gan"),
    ("a size of the model", "output.transformer.layers", 3),
    ("the model's name appears", "output.name", "other"),
    ("the data's key", "dataset.source.configMap.key", "b"),
    ("steps", "training.steps", 21),
    ("the learning rate", "training.learningRate", "1e-3"),
    ("who carries it out", "managedBy", "kueue.x-k8s.io/multikueue"),
    ("labels of the pods", "podMetadata", {"labels": {}}),
    ("the account", "serviceAccountName", "other"),
    ("pull secrets", "imagePullSecrets", ["other"]),
    ("scratch", "scratch", {"size": "1Gi"}),
    ("storage", "storage", {"claimName": "other"}),
)


@pytest.mark.parametrize(
    ("changed", "value"), [row[1:] for row in FROZEN_OF_JOBS], ids=[row[0] for row in FROZEN_OF_JOBS]
)
def test_what_cannot_be_changed_of_a_job_is_named_with_the_way_out(
    api: KubeClient, stored: Any, changed: str, value: Any
) -> None:
    answer = _update(api, edited(stored(make_training_job()), f"spec.{changed}", value))
    assert answer.status_code == 422, answer.text
    (cause,) = answer.json()["details"]["causes"]
    field = changed.partition(".")[0]
    way_out = "a job runs once; delete it, or make a new one under another name"
    assert (cause["field"], cause["message"]) == (
        "spec",
        f'Invalid value: "object": {field} cannot be changed; {way_out}',
    )


def test_all_that_cannot_be_changed_is_named_at_once(api: KubeClient, stored: Any) -> None:
    changed = edited(edited(stored(make_training_job()), "spec.managedBy", "a/b"), "spec.family", "code")
    message = _update(api, changed).json()["message"]
    assert "family cannot be changed; managedBy cannot be changed; a job runs once" in message


CHANGED_WHILE_SUSPENDED = (
    ("checkpoints", "checkpoint", {"keep": 3}),
    ("the pool", "accelerators.pool", "ipu"),
    ("the topology", "accelerators.topology", "required"),
    ("the number of pods", "pods", {"max": 2}),
    ("memory", "resources", {"memory": "8Gi"}),
)


@pytest.mark.parametrize(
    ("changed", "value"), [row[1:] for row in CHANGED_WHILE_SUSPENDED], ids=[row[0] for row in CHANGED_WHILE_SUSPENDED]
)
def test_what_an_attempt_is_made_of_changes_only_while_the_job_is_suspended(
    api: KubeClient, stored: Any, changed: str, value: Any
) -> None:
    runs = stored(make_training_job())
    field = changed.partition(".")[0]
    for manifest in (edited(runs, f"spec.{changed}", value), edited(runs, "spec.suspend", True)):
        answer = _update(api, edited(manifest, f"spec.{changed}", value))
        assert answer.status_code == 422, "also together with suspend: the pods of the old value are still there"
        (cause,) = answer.json()["details"]["causes"]
        assert (cause["field"], cause["message"]) == (
            "spec",
            f'Invalid value: "object": {field} cannot be changed; it may only while suspend is true: '
            "set suspend, change it, and resume",
        )


@pytest.mark.parametrize("suspend", ["stays so", "is resumed at once"])
def test_a_suspended_job_takes_other_accelerators_pods_resources_and_checkpoints(
    api: KubeClient, stored: Any, suspend: str
) -> None:
    job = stored(make_training_job(suspend=True))
    for changed, value in (row[1:] for row in CHANGED_WHILE_SUSPENDED):
        job = edited(job, f"spec.{changed}", value)
    answer = _update(api, edited(job, "spec.suspend", suspend == "stays so"))
    assert answer.status_code == 200, answer.text


SUSPENDED_AND_WRONG = (
    ("more pods than sequences of a step", "pods", {"max": 9}, "spec.training.batchSize"),
    ("shared memory above memory", "resources", {"memory": "512Mi"}, "spec.scratch.sharedMemory"),
)


@pytest.mark.parametrize(
    ("changed", "value", "blamed"),
    [row[1:] for row in SUSPENDED_AND_WRONG],
    ids=[row[0] for row in SUSPENDED_AND_WRONG],
)
def test_what_is_changed_while_suspended_must_still_fit_together(
    api: KubeClient, stored: Any, changed: str, value: Any, blamed: str
) -> None:
    job = stored(make_training_job(suspend=True, scratch={"sharedMemory": "1Gi"}))
    answer = _update(api, edited(job, f"spec.{changed}", value))
    assert answer.status_code == 422
    assert f"{blamed}: " in answer.json()["message"]


IN_LINE = (("priority", "priorityClassName", "high"), ("estimate", "estimatedDuration", "2h"))
_PLACEMENT = {"pool": "gpu", "acceleratorType": "nvidia-a100-80", "pods": 1, "perPod": 1}


@pytest.mark.parametrize(("field", "value"), [row[1:] for row in IN_LINE], ids=[row[0] for row in IN_LINE])
def test_what_the_line_is_ordered_by_changes_while_the_job_is_in_it(
    api: KubeClient, stored: Any, field: str, value: str
) -> None:
    job = stored(make_training_job())
    assert _update(api, edited(job, f"spec.{field}", value)).status_code == 200
    written = api.patch_status(job, {"placement": _PLACEMENT})
    assert written.status_code == 200, written.text
    refused = _update(api, edited(job, f"spec.{field}", value))
    assert refused.status_code == 422
    assert "cannot be changed while the job has accelerators: set suspend first" in refused.json()["message"]
    assert api.replace(edited(written.json(), "spec.suspend", True)).status_code == 200
    suspended = edited(written.json(), "spec.suspend", True)
    assert _update(api, edited(suspended, f"spec.{field}", value)).status_code == 200


FROZEN = (
    ("a pool's type", make_pool(), "spec.acceleratorType", "nvidia-l4", "make a new pool"),
    ("a model's family", make_model(), "spec.family", "bert", "family cannot be changed"),
    ("an entry's family", make_cluster_model(), "spec.family", "bert", "family cannot be changed"),
)


@pytest.mark.parametrize(
    ("manifest", "changed", "value", "want_message"), [row[1:] for row in FROZEN], ids=[row[0] for row in FROZEN]
)
def test_what_cannot_be_changed_says_the_way_out(
    api: KubeClient, stored: Any, manifest: Object, changed: str, value: Any, want_message: str
) -> None:
    answer = _update(api, edited(stored(manifest), changed, value))
    assert answer.status_code == 422, answer.text
    causes = {cause["field"]: cause["message"] for cause in answer.json()["details"]["causes"]}
    assert want_message in causes.get(changed, ""), causes


def test_a_model_name_cannot_vanish_from_a_job(api: KubeClient, stored: Any) -> None:
    named = stored(make_training_job(output={"name": "mine", "transformer": make_transformer()}))
    answer = _update(api, without(named, "spec.output.name"))
    assert answer.status_code == 422
    assert "output cannot be changed" in answer.json()["message"]


CHANGEABLE = (
    ("a job is suspended", make_training_job(), "spec.suspend", True),
    ("a job gets more attempts", make_training_job(), "spec.maxRestarts", 9),
    ("a default is written out", make_training_job(), "spec.pods", {"min": 1, "max": 1}),
    ("a service gets replicas", make_inference_service(), "spec.pods", {"min": 2, "max": 2}),
    ("a service moves", make_inference_service(), "spec.accelerators.pool", "gpu"),
    ("a pool gets a price", make_pool(), "spec.quota", {"accelerators": 2}),
    ("a model gets a licence", make_model(), "spec.license", "MIT"),
    ("an imported model gets a family", make_imported_model(), "spec.family", "code"),
    ("a licence is accepted", make_imported_model(), "spec.acceptedLicense", "llama3.1"),
)


@pytest.mark.parametrize(
    ("manifest", "changed", "value"), [row[1:] for row in CHANGEABLE], ids=[row[0] for row in CHANGEABLE]
)
def test_what_may_change_is_accepted(api: KubeClient, stored: Any, manifest: Object, changed: str, value: Any) -> None:
    answer = _update(api, edited(stored(manifest), changed, value))
    assert answer.status_code == 200, answer.text


def _update(api: KubeClient, manifest: Object) -> Any:
    version = api.get(item(manifest)).json()["metadata"]["resourceVersion"]
    return api.replace(edited(manifest, "metadata.resourceVersion", version), dry_run=True)
