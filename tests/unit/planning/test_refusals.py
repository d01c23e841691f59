"""Refused pods: when to ask for them, and what is said."""

from __future__ import annotations

from typing import Any

from tables import table

from hostler.planning.refusals import (
    claim_words,
    explained,
    job_words,
    lacks_pods,
    of_deployment,
    pod_words,
    waits_for_volume,
    waits_for_volumes,
)

Object = dict[str, Any]

START, SOON, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:30Z"


def _job(*, status: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "tiny-0", "creationTimestamp": START}, "spec": spec, "status": status or {}}


def _pods(*phases: str, created: str = START) -> list[Object]:
    return [{"metadata": {"creationTimestamp": created}, "status": {"phase": phase}} for phase in phases]


@table(
    ("job", "pods", "now", "want"),
    {
        "a Job just made": (_job(), [], SOON, False),
        "no pod after half a minute": (_job(), [], LATER, True),
        "its one pod": (_job(), _pods("Pending"), LATER, False),
        "one of two pods": (_job(parallelism=2, completions=2), _pods("Running"), LATER, True),
        "one of two pods has done its part": (
            _job(parallelism=2, completions=2, status={"succeeded": 1}),
            _pods("Running", "Succeeded"),
            LATER,
            False,
        ),
        "pods that our cache has not seen yet": (_job(parallelism=2, status={"active": 2}), [], LATER, False),
        "a pod that failed, with no other one": (_job(), _pods("Failed"), LATER, True),
        "a Job that has to wait": (_job(suspend=True), [], LATER, False),
        "a Job that has just been let go": (_job(status={"startTime": SOON}), [], "2026-01-01T00:00:12Z", False),
        "a Job at its end": (_job(status={"conditions": [{"type": "Failed", "status": "True"}]}), [], LATER, False),
        "a clock that has jumped back": (_job(), [], "2025-12-31T00:00:00Z", False),
    },
)
def test_a_job_lacks_pods_when_its_controller_has_had_time(
    job: Object, pods: list[Object], now: str, *, want: bool
) -> None:
    assert lacks_pods(job, pods, now=now) is want


def _event(reason: str, message: str, **times: Any) -> Object:
    return {"metadata": {"creationTimestamp": None}, "reason": reason, "message": message, **times}


_REFUSED = "Pods of Job tiny-0 are refused:"


@table(
    ("events", "want"),
    {
        "no Event": ([], ""),
        "the newest of several": (
            [
                _event("FailedCreate", "Error creating: new", lastTimestamp=LATER),
                _event("FailedCreate", "Error creating: old", lastTimestamp=SOON),
            ],
            f"{_REFUSED} new.",
        ),
        "an Event of the newer API": (
            [
                _event("FailedCreate", "old", lastTimestamp=SOON),
                _event("FailedCreate", "new", lastTimestamp=None, eventTime="2026-01-01T00:00:06.123456Z"),
            ],
            f"{_REFUSED} new.",
        ),
        "one that was counted up": (
            [
                _event("FailedCreate", "new", lastTimestamp=None, series={"lastObservedTime": LATER}),
                _event("FailedCreate", "old", lastTimestamp=SOON),
            ],
            f"{_REFUSED} new.",
        ),
        "a refusal after which a pod was created": (
            [
                _event("FailedCreate", "old", lastTimestamp=SOON),
                _event("SuccessfulCreate", "Created pod: x", lastTimestamp=LATER),
            ],
            "",
        ),
        "one of two pods was created in the same second": (
            [
                _event("FailedCreate", "the other", lastTimestamp=SOON),
                _event("SuccessfulCreate", "Created pod: x", lastTimestamp=SOON),
            ],
            f"{_REFUSED} the other.",
        ),
        "an Event without times or words": ([_event("FailedCreate", "")], f"{_REFUSED} no further detail."),
    },
)
def test_a_job_tells_its_newest_refusal(events: list[Object], want: str) -> None:
    assert job_words(_job(), events) == want


def _pod(reason: str = "ContainerCreating", *, phase: str = "Pending", since: str = START) -> Object:
    waiting = [{"name": "c", "state": {"waiting": {"reason": reason}}}]
    status = {"phase": phase, "startTime": since, "containerStatuses": waiting}
    return {"metadata": {"name": "tiny-x", "creationTimestamp": START}, "spec": {"nodeName": "a"}, "status": status}


@table(
    ("pod", "now", "want"),
    {
        "a pod that has just come": (_pod(), SOON, False),
        "half a minute at its volumes": (_pod(), LATER, True),
        "a pod that came to its node late": (_pod(since=SOON), LATER, False),
        "a pod that runs": (_pod(phase="Running"), LATER, False),
        "a pod that pulls its image in vain": (_pod("ImagePullBackOff"), LATER, False),
        "a pod without a node": (
            {"metadata": {"name": "a", "creationTimestamp": START}, "status": {"phase": "Pending"}},
            LATER,
            False,
        ),
    },
)
def test_a_pod_waits_for_volumes_when_none_of_its_containers_began(pod: Object, now: str, *, want: bool) -> None:
    assert waits_for_volumes(pod, now=now) is want


@table(
    ("events", "want"),
    {
        "a volume that cannot be mounted": (
            [
                _event("Scheduled", "on a", lastTimestamp=START),
                _event("FailedMount", 'MountVolume.SetUp failed for volume "models"', lastTimestamp=SOON),
            ],
            'Pod tiny-x cannot begin (FailedMount): MountVolume.SetUp failed for volume "models".',
        ),
        "one that was mounted after all": (
            [
                _event("FailedMount", "not yet", lastTimestamp=START),
                _event("Pulling", "a large image", lastTimestamp=SOON),
            ],
            "",
        ),
    },
)
def test_a_pod_tells_why_it_does_not_begin(events: list[Object], want: str) -> None:
    assert pod_words(_pod(), events) == want


@table(
    ("events", "want"),
    {
        "a claim that waits for its first pod": (
            [_event("WaitForFirstConsumer", "waiting for first consumer", lastTimestamp=START)],
            "",
        ),
        "a class that is not there": (
            [_event("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found', lastTimestamp=START)],
            'Claim data gets no volume (ProvisioningFailed): storageclass.storage.k8s.io "fast" not found: create '
            "that storage class, or name another one.",
        ),
        "a provisioner that tries again": (
            [
                _event("ProvisioningFailed", "quota of the cloud", lastTimestamp=START),
                _event("ExternalProvisioning", "waiting for a volume", lastTimestamp=SOON),
            ],
            "Claim data gets no volume (ProvisioningFailed): quota of the cloud.",
        ),
        "no class at all": (
            [
                _event(
                    "FailedBinding",
                    "no persistent volumes available for this claim and no storage class is set",
                    lastTimestamp=START,
                )
            ],
            "Claim data gets no volume (FailedBinding): no persistent volumes available for this claim and no storage "
            "class is set: name a storage class, or make one the default.",
        ),
    },
)
def test_a_claim_tells_why_it_has_no_volume(events: list[Object], want: str) -> None:
    claim = {"metadata": {"name": "data", "creationTimestamp": START}, "status": {"phase": "Pending"}}
    assert waits_for_volume(claim, now=LATER)
    assert claim_words(claim, events) == want


@table(
    ("message", "want"),
    {
        "a quota": (
            'Error creating: pods "a" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, '
            "limited: pods=4",
            'pods "a" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4: free some '
            "of the quota, raise it, or ask for less with spec.resources.",
        ),
        "a quota of what the pod does not say": (
            'pods "a" is forbidden: failed quota: team: must specify limits.cpu for: trainer',
            'pods "a" is forbidden: failed quota: team: must specify limits.cpu for: trainer: give the namespace a '
            "LimitRange with defaults for what the quota counts.",
        ),
        "a limit range": (
            '(combined from similar events): Error creating: pods "a" is forbidden: maximum cpu usage per Container '
            "is 500m, but limit is 1",
            'pods "a" is forbidden: maximum cpu usage per Container is 500m, but limit is 1: ask for less with '
            "spec.resources, or change the LimitRange.",
        ),
        "a default limit below the request": (
            'Pod "a" is invalid: spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal '
            "to cpu limit of 500m",
            'Pod "a" is invalid: spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal '
            "to cpu limit of 500m: ask for less with spec.resources, or raise the default limit of the LimitRange.",
        ),
        "pod security": (
            'pods "a" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostIPC=true)',
            'pods "a" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostIPC=true): label '
            "the namespace with a level that admits it, or choose a pool that needs no more.",
        ),
        "words that nobody knows": ("Error creating: the moon is full.", "the moon is full."),
    },
)
def test_a_refusal_is_said_in_the_servers_words_with_the_way_out(message: str, want: str) -> None:
    assert explained(message) == want


@table(
    ("conditions", "want"),
    {
        "a Deployment without conditions": (None, ""),
        "one that could not once, and can now": ([{"type": "ReplicaFailure", "status": "False"}], ""),
        "one whose controller cannot create replicas": (
            [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "the moon is full"}],
            "the moon is full.",
        ),
        "one that does not say why": ([{"type": "ReplicaFailure", "status": "True", "reason": "X"}], "X."),
    },
)
def test_a_deployment_says_it_in_a_condition(conditions: list[Object] | None, want: str) -> None:
    assert of_deployment({"status": {"conditions": conditions}}) == want
