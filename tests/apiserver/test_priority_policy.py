"""The example that says who may name which PriorityClass, as the API server understands it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import make_inference_service, make_training_job
from kubeclient import KubeClient, eventually, item

Object = dict[str, Any]
EXAMPLE = Path(__file__).parents[2] / "examples/queue/who-may-come-first.yaml"
MAKERS = (make_training_job, make_inference_service)

pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture
def policy(api: KubeClient) -> Iterator[None]:
    """The example, for as long as the test lasts."""
    manifests = list(yaml.safe_load_all(EXAMPLE.read_text(encoding="utf-8")))
    for manifest in manifests:
        answer = api.apply(item(manifest), manifest)
        assert answer.is_success, answer.text
    yield
    for manifest in manifests:
        api.delete(item(manifest))


@pytest.mark.usefixtures("policy")
def test_a_class_can_be_kept_for_one_namespace(api: KubeClient, namespace: str) -> None:
    for make in MAKERS:
        taken = make(namespace=namespace, priorityClassName="deadline")
        refused = eventually(
            lambda manifest=taken: (answer := api.create(manifest, dry_run=True)).is_error and answer,
            what="the policy to take effect",
        )
        assert "only namespace product may name priority class deadline" in refused.json()["message"]
        for given in ({}, {"priorityClassName": "patient"}):
            assert api.create(make(namespace=namespace, **given), dry_run=True).status_code == 201
