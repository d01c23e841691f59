"""What people and administrators choose for pods reaches the templates, and what they leave out leaves no trace."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from bench import IPU, SETTINGS, Bench
from builders import make_dataset
from tables import table
from unit.controllers.services import said, serving, submitted
from world import submitted as job_submitted

from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.manifests.disruptionbudget import disruption_budget
from hostler.manifests.naming import owner_reference
from hostler.manifests.networkpolicy import TrafficRules

Object = dict[str, Any]

CHOSEN = {
    "imagePullSecrets": ["registry"],
    "serviceAccountName": "trusted",
    "podMetadata": {
        "labels": {"example.org/team": "vision", "kueue.x-k8s.io/queue-name": "nights"},
        "annotations": {"example.org/cost-centre": "4711, with blanks"},
    },
    "scratch": {"size": "20Gi", "sharedMemory": "1Gi"},
}


async def job(bench: Bench, **spec: Any) -> Object:
    """The Job of a training job's first attempt."""
    await job_submitted(bench, "learn", **spec)
    return bench.cluster.object("Job", "learn-0")


async def deployment(bench: Bench, **spec: Any) -> Object:
    """The Deployment of a service."""
    await submitted(bench, **spec)
    return bench.cluster.object("Deployment", "tiny")


def volume(template: Object, name: str) -> Object:
    """A volume of a pod by its name."""
    (found,) = (each for each in template["spec"]["volumes"] if each["name"] == name)
    return {key: value for key, value in found.items() if key != "name"}


@pytest.mark.parametrize("make", [job, deployment])
async def test_choices_reach_the_pods(make: Any, modelled: Bench) -> None:
    workload = await make(modelled, **CHOSEN)
    template = workload["spec"]["template"]
    labels, annotations = template["metadata"]["labels"], template["metadata"]["annotations"]
    (container,) = template["spec"]["containers"]

    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert template["spec"]["serviceAccountName"] == "trusted"
    assert template["spec"]["automountServiceAccountToken"] is False, "its token stays away from the pods"
    assert labels["example.org/team"] == "vision"
    assert annotations["example.org/cost-centre"] == "4711, with blanks"
    assert annotations["prometheus.io/scrape"] == "true"
    assert volume(template, "tmp") == {"emptyDir": {"sizeLimit": "20Gi"}}
    assert volume(template, "shm") == {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}
    for which in ("requests", "limits"):
        assert container["resources"][which]["ephemeral-storage"] == "20Gi"


@pytest.mark.parametrize("make", [job, deployment])
async def test_a_queue_is_named_where_kueue_reads_it(make: Any, modelled: Bench) -> None:
    workload = await make(modelled, podMetadata=CHOSEN["podMetadata"])
    assert workload["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "nights"
    assert "kueue.x-k8s.io/queue-name" not in workload["spec"]["template"]["metadata"]["labels"]
    assert "example.org/team" not in workload["metadata"]["labels"]


async def test_an_administrators_pull_secrets_come_with_the_image(modelled: Bench) -> None:
    modelled.restart(settings=replace(SETTINGS, pull_secrets=("ours", "registry")))
    modelled.cluster.claim("data")
    modelled.cluster.put(make_dataset("books", imagePullSecrets=["registry"], serviceAccountName="reader"))
    await job_submitted(modelled, "learn", imagePullSecrets=["registry"])
    await submitted(modelled)

    pods = {
        name: modelled.cluster.object(kind, name)["spec"]["template"]["spec"]
        for kind, name in (("Job", "learn-0"), ("Deployment", "tiny"), ("Job", "books-inspect-1"))
    }
    assert pods["learn-0"]["imagePullSecrets"] == [{"name": "registry"}, {"name": "ours"}], "each once, the job's first"
    assert pods["tiny"]["imagePullSecrets"] == [{"name": "ours"}, {"name": "registry"}]
    assert pods["books-inspect-1"]["imagePullSecrets"] == [{"name": "registry"}, {"name": "ours"}]
    assert pods["books-inspect-1"]["serviceAccountName"] == "reader"


TRAFFIC = replace(SETTINGS, traffic=TrafficRules(operator_namespace="hostler-system"))


async def test_policies_are_there_before_the_pods_that_they_restrict(modelled: Bench) -> None:
    modelled.restart(settings=TRAFFIC)
    modelled.cluster.claim("data")
    modelled.cluster.put(make_dataset("books"))
    await job_submitted(modelled, "learn")

    made = [write for write in modelled.writer.writes if "NetworkPolicy" in write or "Job " in write]
    for policy, pods in (("learn-trainer", "learn-0"), ("books-inspector", "books-inspect-1")):
        (first,) = (place for place, write in enumerate(made) if policy in write)
        (second,) = (place for place, write in enumerate(made) if pods in write and "status" not in write)
        assert first < second, made
    owners = modelled.cluster.object("NetworkPolicy", "learn-trainer")["metadata"]["ownerReferences"]
    assert owners[0]["kind"] == "TrainingJob", "it goes with the job, and stays for every attempt"


async def test_a_service_gets_its_policy_when_the_setting_changes_and_no_new_pods(modelled: Bench) -> None:
    await serving(modelled)
    before = copy.deepcopy(modelled.cluster.object("Deployment", "tiny")["spec"]["template"])
    assert not modelled.cluster.all("NetworkPolicy")

    modelled.restart(settings=TRAFFIC)
    await modelled.settle()

    policy = modelled.cluster.object("NetworkPolicy", "tiny-server")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= before["metadata"]["labels"].items()
    assert modelled.cluster.object("Deployment", "tiny")["spec"]["template"] == before
    assert said(modelled)[1] == "Serving"


async def test_nobody_gets_a_policy_that_no_administrator_wants(modelled: Bench) -> None:
    modelled.cluster.claim("data")
    modelled.cluster.put(make_dataset("books"))
    await job_submitted(modelled, "learn")
    assert not modelled.cluster.all("NetworkPolicy")


async def test_no_sidecar_is_put_beside_what_has_to_end(modelled: Bench) -> None:
    """An injected container would run on after the trainer, and the pod with it."""
    modelled.cluster.claim("data")
    modelled.cluster.put(make_dataset("books"))
    ending = [await job(modelled), modelled.cluster.object("Job", "books-inspect-1")]
    lasting = await deployment(modelled)

    for workload in ending:
        metadata = workload["spec"]["template"]["metadata"]
        assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
        assert metadata["annotations"]["linkerd.io/inject"] == "disabled"
    metadata = lasting["spec"]["template"]["metadata"]
    assert "sidecar.istio.io/inject" not in metadata["labels"], "a mesh may serve"
    assert "linkerd.io/inject" not in metadata["annotations"]


async def test_replicas_are_spread_by_their_seats_and_not_by_the_scheduler(modelled: Bench) -> None:
    """Each pod is told its node, so a constraint for the scheduler would say nothing."""
    modelled.cluster.node("ipu-2", labels={"hostler.dev/pool": "ipu"}, devices={IPU: 4})
    found = await deployment(modelled, pods={"min": 2, "max": 2}, availability={"spread": "node"})
    seats = modelled.status("InferenceService", "tiny")["placement"]["nodes"]
    assert seats == [{"name": "ipu-1", "pods": 1}, {"name": "ipu-2", "pods": 1}]
    assert "topologySpreadConstraints" not in found["spec"]["template"]["spec"]


@table(
    ("change", "want"),
    {
        "a budget is no new revision": ({"availability": {"maxUnavailable": 2}}, "the same"),
        "nor is a spread, which counts for seats to come": ({"availability": {"spread": "node"}}, "the same"),
        "and so is a label of the pods": ({"podMetadata": {"labels": {"a": "b"}}}, "another"),
        "and a limit": ({"scratch": {"size": "1Gi"}}, "another"),
        "what is empty is nothing": ({"imagePullSecrets": []}, "the same"),
    },
)
async def test_only_what_pods_are_made_of_makes_new_pods(change: Object, want: str, modelled: Bench) -> None:
    await serving(modelled)
    before = copy.deepcopy(modelled.cluster.object("Deployment", "tiny")["spec"]["template"])

    modelled.cluster.edit("InferenceService", "tiny", **change)
    await modelled.settle()

    after = modelled.cluster.object("Deployment", "tiny")["spec"]["template"]
    assert ("the same" if after == before else "another") == want


OWNER = owner_reference("InferenceService", {"name": "tiny", "uid": "uid-of-service"})


@table(
    ("spec", "want"),
    {
        "one replica has to be movable": ({"pods": {"min": 1, "max": 1}}, None),
        "of several, one may go": ({"pods": {"min": 2, "max": 2}}, 1),
        "or as many as the spec says": ({"pods": {"min": 9, "max": 9}, "availability": {"maxUnavailable": 3}}, 3),
    },
)
def test_a_drain_takes_away_as_many_as_may_be_missing(spec: Object, want: int | None) -> None:
    service = InferenceServiceSpec.model_validate(
        {"modelRef": {"name": "tiny"}, "accelerators": {"pool": "ipu"}, **spec}
    )
    found = disruption_budget(service, "tiny", namespace="default", pool="ipu", owner=OWNER)
    assert (found["spec"]["maxUnavailable"] if found else None) == want


def test_the_budget_of_a_service() -> None:
    service = InferenceServiceSpec.model_validate(
        {"modelRef": {"name": "tiny"}, "accelerators": {"pool": "ipu"}, "pods": {"min": 2, "max": 2}}
    )
    assert disruption_budget(service, "tiny", namespace="default", pool="ipu", owner=OWNER) == {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": "tiny",
            "namespace": "default",
            "labels": {
                "app.kubernetes.io/managed-by": "hostler",
                "app.kubernetes.io/component": "server",
                "hostler.dev/inference-service": "tiny",
                "hostler.dev/pool": "ipu",
            },
            "ownerReferences": [OWNER],
        },
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"hostler.dev/inference-service": "tiny"}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
