"""Why pods failed and what rollouts mean."""

from __future__ import annotations

from typing import Any

from tables import table

from hostler.planning import moments
from hostler.planning.failures import Cause, Toll, cause_of, evidence, replica_failure
from hostler.planning.rollout import Rollout, Strategy, read, strategy
from hostler_contract import ErrorReason, Result

Object = dict[str, Any]


def pod(name: str, *, status: Object | None = None, **ended: Any) -> Object:
    """A pod with one container that has ended."""
    message = ended.pop("message", "")
    if isinstance(message, Result):
        message = message.to_termination_message()
    state = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:01Z", "message": message, **ended}
    containers = [{"name": "server", "state": {"terminated": state}}]
    return {
        "metadata": {"name": name},
        "status": {"phase": "Failed", "containerStatuses": containers, **(status or {})},
    }


def said(reason: ErrorReason, message: str = "words") -> Result:
    return Result(succeeded=False, reason=reason, message=message)


DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
EARLY, LATE = "2026-01-01T00:00:01Z", "2026-01-01T00:00:09Z"


def going(name: str, *, asked: str, **ended: Any) -> Object:
    """A pod that somebody wants gone: its deletionTimestamp is the end of its grace."""
    found = pod(name, **ended)
    found["metadata"] |= {
        "deletionTimestamp": moments.later(asked, seconds=30),
        "deletionGracePeriodSeconds": 30,
    }
    return found


@table(
    ("pods", "want_reason", "want_toll"),
    {
        "an error of the program": ([pod("a", message=said(ErrorReason.INTERNAL))], "InternalError", "Failure"),
        "memory of its own that ran out": ([pod("a", exitCode=137, reason="OOMKilled")], "OutOfMemory", "Failure"),
        "a kill from outside": ([pod("a", exitCode=137)], "ContainerFailed", "Failure"),
        "a killed container of a pod that is taken away": (
            [pod("a", exitCode=137, status={"conditions": [DISRUPTED]})],
            "PodLost",
            "Disruption",
        ),
        "a peer that leaves because another pod is taken away": (
            [
                pod("a", message=said(ErrorReason.INTERNAL), finishedAt=EARLY),
                pod("b", status={"conditions": [DISRUPTED]}),
            ],
            "PodLost",
            "Disruption",
        ),
        "memory that ran out before the drain": (
            [
                pod("a", exitCode=137, reason="OOMKilled", finishedAt=EARLY),
                pod("b", status={"conditions": [DISRUPTED | {"lastTransitionTime": LATE}]}),
            ],
            "OutOfMemory",
            "Failure",
        ),
        "a limit of its own that a node enforced": (
            [pod("a", status={"reason": "Evicted", "message": "ephemeral local storage usage exceeds the limit"})],
            "PodEvicted",
            "Failure",
        ),
        "a node that turned the pod back": ([pod("a", status={"reason": "OutOfcpu"})], "PodLost", "Disruption"),
        "a container that the kubelet cannot find again": (
            [pod("a", exitCode=137, reason="ContainerStatusUnknown", finishedAt=None)],
            "PodLost",
            "Disruption",
        ),
        "a request to stop, by nobody knows whom": (
            [pod("a", exitCode=75, message=said(ErrorReason.INTERRUPTED))],
            "Interrupted",
            "Disruption",
        ),
        "a deletion, and the end that it asked for": (
            [going("a", asked=EARLY, exitCode=143, finishedAt=LATE)],
            "PodDeleted",
            "Disruption",
        ),
        "a deletion in whose second the container ends": (
            [going("a", asked=EARLY, exitCode=143, finishedAt=EARLY)],
            "PodDeleted",
            "Disruption",
        ),
        "a deletion and an end without a time": (
            [going("a", asked=EARLY, exitCode=143, finishedAt=None)],
            "PodDeleted",
            "Disruption",
        ),
        "a deletion by the Job controller, in the second of the failure": (
            [pod("a", message=said(ErrorReason.INTERNAL), finishedAt=EARLY), going("b", asked=EARLY, exitCode=143)],
            "InternalError",
            "Failure",
        ),
        "a failed pod that somebody cleans up": (
            [going("a", asked=LATE, finishedAt=EARLY, message=said(ErrorReason.INTERNAL))],
            "InternalError",
            "Failure",
        ),
    },
)
def test_who_pays_for_the_end_of_an_attempt(pods: list[Object], want_reason: str, want_toll: str) -> None:
    cause = cause_of(pods, attempt=0)
    assert (cause.reason, cause.toll.value) == (want_reason, want_toll)


def test_what_an_earlier_look_has_seen_counts_when_the_pod_has_gone() -> None:
    seen = evidence([pod("a", status={"conditions": [DISRUPTED]})])
    assert seen is not None
    left = [pod("b", message=said(ErrorReason.INTERNAL, "contact was lost"))]
    assert cause_of(left, attempt=0, recorded=seen) == seen
    assert cause_of(left, attempt=0).toll is Toll.FAILURE
    assert evidence([], recorded=None) is None


def test_a_pod_on_a_node_that_is_not_ready_explains_the_failure_of_its_peers() -> None:
    silent = {"metadata": {"name": "b"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    pods = [pod("a", message=said(ErrorReason.INTERNAL)), silent]
    assert cause_of(pods, attempt=0).toll is Toll.FAILURE
    assert cause_of(pods, attempt=0, lost_nodes=["n"]).reason == "PodLost"


@table(
    ("pods", "want_reason", "want_retryable"),
    {
        "nobody left a word": ([], "PodDeleted", "again"),
        "what only a person can change wins over everything": (
            [
                pod("a", message=said(ErrorReason.INTERNAL), finishedAt=EARLY),
                pod("b", message=said(ErrorReason.DATASET_INVALID), finishedAt=LATE),
            ],
            "DatasetInvalid",
            "never",
        ),
        "a kill that came first wins over the contact that was lost": (
            [
                pod("a", message=said(ErrorReason.INTERNAL), finishedAt=LATE),
                pod("b", exitCode=137, finishedAt=EARLY),
            ],
            "ContainerFailed",
            "again",
        ),
        "memory wins over the contact that was lost": (
            [
                pod("a", message=said(ErrorReason.INTERNAL), finishedAt=EARLY),
                pod("b", exitCode=137, reason="OOMKilled", finishedAt=LATE),
            ],
            "OutOfMemory",
            "never",
        ),
        "an interruption is what the others answer to the first end": (
            [
                pod("a", message=said(ErrorReason.INTERRUPTED), exitCode=75, finishedAt=EARLY),
                pod("b", message=said(ErrorReason.INTERNAL), finishedAt=LATE),
            ],
            "InternalError",
            "again",
        ),
        "an eviction explains the interruption": (
            [
                pod(
                    "a",
                    message=said(ErrorReason.INTERRUPTED),
                    exitCode=75,
                    status={
                        "conditions": [
                            {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
                        ]
                    },
                )
            ],
            "PodLost",
            "again",
        ),
        "a node that ended a pod for a limit of its own": (
            [pod("a", status={"reason": "Evicted", "message": "its scratch space is full"})],
            "PodEvicted",
            "again",
        ),
        "a node that turned a pod back": (
            [pod("a", status={"reason": "UnexpectedAdmissionError", "message": "no devices"})],
            "PodLost",
            "again",
        ),
        "success is no cause": ([pod("a", exitCode=0, reason="Completed")], "PodDeleted", "again"),
    },
)
def test_the_cause_of_a_failed_attempt(pods: list[Object], want_reason: str, want_retryable: str) -> None:
    cause = cause_of(pods, attempt=0)
    assert (cause.reason, "again" if cause.retryable else "never") == (want_reason, want_retryable)


def test_a_long_last_word_is_cut_to_what_a_condition_holds() -> None:
    cause = cause_of([pod("a", message="x" * 4000)], attempt=0)
    assert len(cause.message) <= 1024
    assert cause.message.startswith("pod a ended with exit code 1 (Error): xxx")


def test_a_replica_that_runs_again_has_not_failed() -> None:
    found = pod("a", message=said(ErrorReason.INTERNAL))
    (container,) = found["status"]["containerStatuses"]
    container["lastState"], container["state"] = container["state"], {"running": {}}
    assert replica_failure(found) is None
    container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert replica_failure(found) == Cause(reason="InternalError", message="words", exit_code=1)


def deployment(*, generation: int = 1, wanted: int | None = 2, **status: Any) -> Object:
    spec = {} if wanted is None else {"replicas": wanted}
    return {"metadata": {"generation": generation}, "spec": spec, "status": {"observedGeneration": 1, **status}}


PROVED = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
ALL_READY = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}


@table(
    ("found", "want"),
    {
        "all of them": (deployment(**ALL_READY), "complete"),
        "a status of an older spec": (deployment(generation=2, **ALL_READY), "neither"),
        "one is not ready": (deployment(**{**ALL_READY, "readyReplicas": 1, "availableReplicas": 1}), "settled"),
        "one is of the old template": (deployment(**{**ALL_READY, "updatedReplicas": 1}), "neither"),
        "an old one still ends": (deployment(**{**ALL_READY, "replicas": 3}), "neither"),
        "none was ever ready": (deployment(replicas=2, updatedReplicas=2), "neither"),
        "none is ready now, and all were once": (
            deployment(replicas=2, updatedReplicas=2, conditions=[PROVED]),
            "settled",
        ),
        "all were ready once, but of the last template": (
            deployment(generation=2, replicas=2, updatedReplicas=2, conditions=[PROVED]),
            "neither",
        ),
        "nothing yet": (deployment(), "neither"),
    },
)
def test_what_a_rollout_means(found: Object, want: str) -> None:
    rollout = read({**found, "status": {**found["status"]}})
    meaning = "complete" if rollout.complete else "settled" if rollout.settled else "neither"
    assert meaning == want


def test_replicas_default_to_one() -> None:
    assert read(deployment(wanted=None)) == Rollout(
        wanted=1, replicas=0, updated=0, ready=0, available=0, observed=True
    )


def test_new_before_old_where_there_is_room() -> None:
    assert strategy(replicas=3, room_for_one_more=True, unit="x") == Strategy(max_surge=1, max_unavailable=0)
    tight = strategy(replicas=1, room_for_one_more=False, unit="x.example/ipu")
    assert (tight.max_surge, tight.max_unavailable) == (0, 1)
    assert "x.example/ipu" in tight.remark
    assert "pauses" in tight.remark
