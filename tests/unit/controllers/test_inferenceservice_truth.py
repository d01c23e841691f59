"""Ready is what clients meet: endpoints behind the Service, pods that are refused, volumes that do not come."""

from __future__ import annotations

from typing import Any

from bench import SETTINGS, Bench
from refusing import tell
from tables import table
from unit.controllers.services import said, serving, submitted

from hostler.controllers.inferenceservice.readiness import ENDPOINT_SECONDS
from hostler.controllers.ports import Key
from hostler.planning.refusals import MOUNT_SECONDS

Object = dict[str, Any]

SLICE = ("EndpointSlice", "default", "tiny-abc")


async def test_replicas_that_nobody_can_reach_are_not_ready(modelled: Bench) -> None:
    await serving(modelled, pods={"min": 2, "max": 2})
    modelled.cluster.hidden.add(SLICE)
    outcome = await modelled.reconcile("InferenceService", "tiny")
    ready, reason, message = said(modelled)
    assert (ready, reason) == ("False", "NoEndpoints")
    assert "2 of 2 replicas of revision" in message
    assert "but Service tiny leads to 0 of them" in message
    assert "kubectl get endpointslices -l kubernetes.io/service-name=tiny" in message
    assert outcome.requeue_after == SETTINGS.recheck_seconds
    modelled.cluster.hidden.remove(SLICE)
    await modelled.settle()
    assert said(modelled)[:2] == ("True", "Serving")


async def test_a_replica_that_left_the_service_is_missed(modelled: Bench) -> None:
    first, _ = await serving(modelled, pods={"min": 2, "max": 2})
    labels = {**first["metadata"]["labels"], "hostler.dev/inference-service": "other"}
    modelled.cluster.put({**first, "metadata": {**first["metadata"], "labels": labels}})
    await modelled.settle()
    assert said(modelled)[:2] == ("False", "NoEndpoints")
    assert "leads to 1 of them" in said(modelled)[2]


async def test_endpoints_have_a_moment_to_follow_their_pods(modelled: Bench) -> None:
    await submitted(modelled)
    modelled.cluster.hidden.add(SLICE)
    (pod,) = modelled.cluster.roll("tiny", node="ipu-1")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": modelled.cluster.clock.now()}
    modelled.cluster.set_status(pod, conditions=[ready])
    await modelled.settle()
    assert said(modelled)[:2] == ("False", "Starting")
    assert said(modelled)[2].endswith("Service tiny does not lead to all of them yet.")
    modelled.cluster.clock.advance(ENDPOINT_SECONDS)
    await modelled.settle()
    assert said(modelled)[:2] == ("False", "NoEndpoints")


async def test_a_change_of_the_endpoints_wakes_their_service_only(modelled: Bench) -> None:
    await serving(modelled)
    await submitted(modelled, "other", pods={"min": 1, "max": 1})
    (found,) = modelled.reader.list("EndpointSlice", labels={"kubernetes.io/service-name": "tiny"})
    woken = [key for each in modelled.controllers.values() for key in each.affected("EndpointSlice", found)]
    assert woken == [Key("InferenceService", "default", "tiny")]


REFUSED = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": 'pods "tiny-7d" is forbidden: exceeded quota: team, requested: requests.memory=2Gi, limited: '
    "requests.memory=1Gi",
}


@table(
    ("ready", "want"),
    {
        "none runs": (0, "0 of 2 replicas of revision"),
        "one of two runs": (1, "1 of 2 replicas of revision"),
    },
)
async def test_replicas_that_are_refused_are_said_in_the_words_of_the_server(
    modelled: Bench, ready: int, want: str
) -> None:
    await submitted(modelled, pods={"min": 2, "max": 2})
    pods = modelled.cluster.roll("tiny", node="ipu-1")
    for pod in pods[ready:]:
        modelled.cluster.remove(pod)
    counts = {"replicas": ready, "updatedReplicas": ready, "readyReplicas": ready, "availableReplicas": ready}
    deployment = modelled.cluster.object("Deployment", "tiny")
    modelled.cluster.set_status(deployment, **counts, conditions=[REFUSED])
    await modelled.settle()
    status, reason, message = said(modelled)
    assert (status, reason) == ("False", "ChildRefused")
    assert message.startswith(want)
    assert message.endswith(
        f"{REFUSED['message']}: free some of the quota, raise it, or ask for less with spec.resources."
    )
    assert ("ChildRefused", True) in {(reason, warning) for reason, _, warning in modelled.writer.events}
    modelled.cluster.set_status(deployment, conditions=[])
    modelled.cluster.roll("tiny", node="ipu-1")
    await modelled.settle()
    assert said(modelled)[:2] == ("True", "Serving")


@table(
    ("about", "reason", "message", "want"),
    {
        "a volume that cannot be mounted": (
            "Pod",
            "FailedMount",
            'MountVolume.SetUp failed for volume "models": no such share',
            'Pod tiny-1-0 cannot begin (FailedMount): MountVolume.SetUp failed for volume "models": no such share.',
        ),
        "a claim that gets no volume": (
            "PersistentVolumeClaim",
            "ProvisioningFailed",
            "the disk is full",
            "Claim tiny gets no volume (ProvisioningFailed): the disk is full.",
        ),
    },
)
async def test_a_replica_that_does_not_begin_is_said_in_the_words_of_who_knows(
    modelled: Bench, about: str, reason: str, message: str, want: str
) -> None:
    await submitted(modelled)
    (pod,) = modelled.cluster.roll("tiny", node="ipu-1", ready=False)
    creating = {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}
    modelled.cluster.set_status(pod, phase="Pending", containerStatuses=[creating])
    claim = modelled.cluster.object("PersistentVolumeClaim", "tiny")
    modelled.cluster.set_status(claim, phase="Pending")
    tell(modelled.cluster, pod if about == "Pod" else claim, reason=reason, message=message)
    await modelled.settle()
    assert said(modelled)[1] == "Starting"
    assert want not in said(modelled)[2], "it may still come"
    modelled.cluster.clock.advance(MOUNT_SECONDS)
    await modelled.settle()
    assert said(modelled)[:2] == ("False", "Starting")
    assert said(modelled)[2].endswith(want)


async def test_replicas_that_all_serve_cost_no_question(modelled: Bench) -> None:
    await serving(modelled)
    modelled.cluster.clock.advance(3600)
    await modelled.settle()
    asked = modelled.reader.asked
    for _ in range(20):
        await modelled.reconcile("InferenceService", "tiny")
    assert modelled.reader.asked == asked
