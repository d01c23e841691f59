"""A cluster with a line, as `hostler queue` and `hostler explain` read it."""

from __future__ import annotations

from typing import Any

from builders import make_inference_service, make_pool, make_training_job
from floor import node

from hostler.cli.lineview import LineView

Object = dict[str, Any]
NOW = "2026-11-30T20:00:00Z"
POLICY = {"quotas": [{"namespaces": ["team-a", "team-c"], "nominal": 4, "borrowingLimit": 2}]}


def placed(obj: Object, on: str, *, pods: int = 1, per_pod: int = 1, **status: Any) -> Object:
    """It has seats, and runs."""
    requests = {"cpu": "1000m", "memory": str(2**30), "nvidia.com/gpu": str(per_pod)}
    placement = {
        "pool": "gpu", "acceleratorType": "nvidia-a100-80", "pods": pods, "perPod": per_pod,
        "nodes": [{"name": on, "pods": pods}], "requests": requests,
    }  # fmt: skip
    conditions = [
        {"type": "Admitted", "status": "True", "reason": "Placed", "message": ""},
        {"type": "Ready", "status": "True", "reason": "Training", "message": "Step 10 of 20."},
    ]
    return obj | {"status": {"conditions": conditions, "placement": placement} | status}


def in_line(obj: Object, position: int, *, reason: str = "WaitingForCapacity", **queue: Any) -> Object:
    """It waits."""
    message = "Pool gpu has 3 of 8 nvidia.com/gpu free, at most 3 on one node (n0); the job needs 1 pod with 8 each."
    conditions = [
        {"type": "Accepted", "status": "True", "reason": "Valid", "message": ""},
        {"type": "Admitted", "status": "False", "reason": reason, "message": message},
        {"type": "Ready", "status": "False", "reason": reason, "message": message},
    ]
    place = {"position": position, "waiting": 3, "since": "2026-11-30T18:00:00Z", "message": message} | queue
    return obj | {"status": {"conditions": conditions, "queue": place}}


FORECAST = {
    "expectedStart": "2026-11-30T20:12:00Z",
    "earliestStart": "2026-11-30T20:06:00Z",
    "latestStart": "2026-11-30T20:24:00Z",
}


def job(name: str, namespace: str = "team-a", **spec: Any) -> Object:
    found = make_training_job(name, namespace=namespace, **spec)
    found["metadata"] |= {"uid": f"uid-{namespace}-{name}", "creationTimestamp": "2026-11-30T18:00:00Z"}
    return found


def a_view(**more: Any) -> LineView:
    """Two who run and three in line on a pool of two nodes, one of which is cordoned."""
    pool = make_pool("gpu", queue=POLICY)
    pool["status"] = {"allocatable": 8, "reserved": 5, "largestFreeBlock": 3}
    cordoned = node("n1", gpus=8)
    cordoned["spec"] = {"unschedulable": True}
    first = in_line(
        job("large-language-model-7", priorityClassName="research-high", accelerators={"pool": "gpu", "perPod": 8}),
        1,
        told="2026-11-30T19:30:00Z",
        first={"told": "2026-11-30T18:00:00Z"} | FORECAST,
        wouldStart="The job would start now with spec.accelerators.perPod 3.",
        **FORECAST,
    )
    service = make_inference_service("chat", accelerators={"pool": "gpu"})
    service["metadata"] |= {"namespace": "team-b", "uid": "uid-chat"}
    workloads = (
        first,
        in_line(job("small", accelerators={"pool": "gpu", "perPod": 4}), 2, reason="QuotaExceeded"),
        in_line(job("far", "team-b", accelerators={"pool": "gpu", "perPod": 4}), 20),
        placed(job("bert-7", "team-b"), "n0", pods=4, progress={"eta": "12m00s"}, attempt=1, restarts=1),
        placed(service, "n0"),
        job("resting", suspend=True),
    )
    fields: dict[str, Any] = {
        "now": NOW, "pools": (pool,), "workloads": workloads, "nodes": (node("n0", gpus=8), cordoned),
    }  # fmt: skip
    return LineView(**fields | more)
