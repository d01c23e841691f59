"""What Kubernetes itself has a word in: PriorityClasses and who may name them, specs that change, other managers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.operating import until
from apiserver.site import OpenSite
from builders import make_inference_service, make_priority_class, make_training_job
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


async def test_a_job_whose_class_comes_later_starts_then_and_its_pods_carry_it(
    api: KubeClient, open_site: OpenSite
) -> None:
    urgent = make_priority_class("urgent", 1000, preemptionPolicy="Never")
    try:
        async with open_site() as site:
            site.create(site.job(priorityClassName="urgent"))
            await site.reaches("hostler/trainingjobs/tiny", "Accepted", "False", "PriorityClassNotFound")
            assert api.create(urgent).is_success
            await site.reaches("hostler/trainingjobs/tiny", "Ready", "True", "Training")
            (pod,) = site.node.pods(training_job="tiny")
            spec = site.get(f"core/pods/{pod['metadata']['name']}")["spec"]
            assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
            assert site.get("hostler/trainingjobs/tiny")["status"]["placement"]["priority"] == 1000
    finally:
        api.delete(item(urgent))


async def test_a_suspended_job_is_changed_and_resumed_and_its_next_attempt_is_another_one(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job())
        await site.reaches("hostler/trainingjobs/tiny", "Ready", "True", "Training")
        path = f"/apis/hostler.dev/v1alpha1/namespaces/{site.namespace}/trainingjobs/tiny"
        site.patch(path, {"spec": {"suspend": True}})
        await until(lambda: not site.node.pods(training_job="tiny"), what="the pod to go")
        site.patch(path, {"spec": {"suspend": False, "pods": {"min": 2, "max": 2}, "checkpoint": {"everySteps": 7}}})
        await site.reaches("hostler/trainingjobs/tiny", "Ready", "True", "Training")
        assert len(site.node.pods(training_job="tiny", attempt="1")) == 2


async def test_a_job_of_another_controller_gets_nothing_but_a_word(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.create(site.job(managedBy="kueue.x-k8s.io/multikueue"))
        await site.reaches("hostler/trainingjobs/tiny", "Accepted", "Unknown", "ManagedElsewhere")
        site.api.create(make_training_job("ours", namespace=site.namespace, accelerators={"pool": site.pool}))
        await site.reaches("hostler/trainingjobs/ours", "Admitted", "True", "Placed")
        assert site.get("core/persistentvolumeclaims/tiny") == {}
