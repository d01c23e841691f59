"""Statuses on a real API server: what it keeps, and what it shows of them."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver.manifests import by_kind
from builders import (
    make_cluster_model,
    make_inference_service,
    make_model,
    make_pool,
    make_training_job,
)
from kubeclient import TABLE, KubeClient, collection, item

from hostler.api.conditions import Condition
from hostler.api.inferenceservice import InferenceServiceStatus
from hostler.api.measures import Measurement
from hostler.api.model import ImportTransfer, ModelFacts, ModelImport, ModelStatus
from hostler.api.placement import Placement
from hostler.api.pool import AcceleratorPoolStatus
from hostler.api.schema import StatusModel
from hostler.api.training_status import TrainingJobStatus, TrainingProgress

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("crds")

NOW = "2026-01-31T12:00:00Z"

CONDITION = Condition(
    type="Ready", status="True", reason="Fine", message="all is well", observed_generation=1, last_transition_time=NOW
)
FACTS = ModelFacts(family="chat", task="text-generation", license="MIT", parameters=1000, chat_template=True)
STATUSES: tuple[tuple[Object, StatusModel], ...] = (
    (
        make_pool(),
        AcceleratorPoolStatus(conditions=(CONDITION,), capacity=4, in_use=1, reserved=2, largest_free_block=2),
    ),
    (make_cluster_model(), ModelStatus(conditions=(CONDITION,), facts=FACTS)),
    (
        make_model(),
        ModelStatus(
            conditions=(CONDITION,),
            facts=FACTS,
            imported=ModelImport(
                source="0123456789ab", transfer=ImportTransfer(percent=25, bytes_done=5, total_bytes=20, eta="2m30s")
            ),
        ),
    ),
    (
        make_training_job(),
        TrainingJobStatus(
            conditions=(CONDITION,),
            attempt=0,
            placement=Placement(pool="gpu", accelerator_type="nvidia-a100-80", pods=2, per_pod=1),
            progress=TrainingProgress(
                percent=50,
                step=10,
                total_steps=20,
                loss="3.14",
                eta="2m10s",
                speed=Measurement(value="9423", unit="tokens/s"),
            ),
            start_time=NOW,
        ),
    ),
    (make_inference_service(), InferenceServiceStatus(conditions=(CONDITION,), replicas=1, ready_replicas=1)),
)


@pytest.mark.parametrize(("manifest", "status"), STATUSES, ids=[row[0]["kind"] for row in STATUSES])
def test_the_server_keeps_a_status_as_it_was_written(
    api: KubeClient, stored: Any, manifest: Object, status: StatusModel
) -> None:
    """Neither pruned nor filled in: else the operator would find a difference each time and write for ever."""
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    answer = api.patch_status(stored(manifest), written)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == written


def test_a_status_without_defaults_is_kept_too(api: KubeClient, stored: Any) -> None:
    written = {"conditions": [CONDITION.model_dump(mode="json", by_alias=True)]}
    assert api.patch_status(stored(make_training_job()), written).json()["status"] == written


def test_a_spec_cannot_be_changed_through_status(api: KubeClient, stored: Any) -> None:
    job = stored(make_training_job())
    patch = {"spec": {"suspend": True}}
    headers = {"Content-Type": "application/merge-patch+json"}
    assert api.http.patch(f"{item(job)}/status", json=patch, headers=headers).json()["spec"]["suspend"] is False


@pytest.mark.parametrize(("manifest", "status"), STATUSES, ids=[row[0]["kind"] for row in STATUSES])
def test_the_printer_columns_show_the_state_at_a_glance(
    api: KubeClient, stored: Any, manifest: Object, status: StatusModel
) -> None:
    kept = stored(manifest)
    api.patch_status(kept, status.model_dump(mode="json", by_alias=True, exclude_none=True))
    table = api.get(collection(kept), Accept=TABLE).json()
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", *(column.name for column in by_kind(manifest).columns)]
    cells = next(
        dict(zip(names, row["cells"], strict=True))
        for row in table["rows"]
        if row["object"]["metadata"]["name"] == kept["metadata"]["name"]
    )
    wanted = {"Message": "all is well"} | WANT_CELLS[manifest["kind"]]
    assert {name: cells[name] for name in wanted} == wanted


WANT_CELLS: dict[str, Object] = {
    "AcceleratorPool": {
        "Type": "nvidia-a100-80",
        "Ready": "True",
        "Capacity": 4,
        "In Use": 1,
        "Reserved": 2,
        "Largest Free": 2,
    },
    "ClusterModel": {"Family": "chat", "Task": "text-generation", "Ready": "True", "License": "MIT"},
    "Model": {
        "Family": "chat",
        "Task": "text-generation",
        "Ready": "True",
        "State": "Fine",
        "Percent": 25,
        "ETA": "2m30s",
        "Parameters": 1000,
    },
    "TrainingJob": {
        "State": "Fine",
        "Percent": 50,
        "Loss": "3.14",
        "Speed": "9423",
        "Unit": "tokens/s",
        "ETA": "2m10s",
        "Pool": "gpu",
        "Pods": 2,
    },
    "InferenceService": {"Ready": "True", "State": "Fine", "Model": "tiny", "Pool": "ipu", "Replicas": 1},
}
