"""What Hostler has promised to its own workloads and no node shows yet.

Between the creation of a Job and the binding of its last pod, nodes look emptier than they are. Whoever decides in
that time must see the devices as taken, or two jobs are placed on the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hostler.planning import pods as read
from hostler.planning.amounts import Amount, pod_requests

Object = dict[str, Any]
_FINISHED = frozenset({"Complete", "Failed", "FailureTarget"})


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Pods of one workload on one pool that are not bound to a node yet."""

    owner: str
    """``namespace/name`` of the Job or Deployment."""
    pool: str
    pods: int
    need: Amount
    """Of each pod."""


def of_job(job: Object, pods: list[Object], *, pool: str, resource: str | None) -> Demand:
    """What an attempt still wants; nothing once it ends, because its pods are never replaced."""
    spec = job.get("spec") or {}
    conditions = (job.get("status") or {}).get("conditions") or ()
    finished = any(c.get("type") in _FINISHED and c.get("status") == "True" for c in conditions)
    settled = sum(1 for pod in pods if read.node_name(pod) is not None or read.is_terminal(pod))
    ending = finished or spec.get("suspend") or job["metadata"].get("deletionTimestamp")
    return Demand(
        owner=_key(job),
        pool=pool,
        pods=0 if ending else max(0, int(spec.get("parallelism") or 1) - settled),
        need=_need(job, resource),
    )


def of_deployment(deployment: Object, pods: list[Object], *, pool: str, resource: str | None) -> Demand:
    """Replicas that have no node yet; pods that end do not count as replicas."""
    wanted = (deployment.get("spec") or {}).get("replicas")
    bound = sum(1 for pod in pods if read.holds_resources(pod) and not read.is_terminating(pod))
    ending = bool(deployment["metadata"].get("deletionTimestamp"))
    return Demand(
        owner=_key(deployment),
        pool=pool,
        pods=0 if ending else max(0, (1 if wanted is None else int(wanted)) - bound),
        need=_need(deployment, resource),
    )


def _need(workload: Object, resource: str | None) -> Amount:
    template = ((workload.get("spec") or {}).get("template") or {}).get("spec") or {}
    return pod_requests(template, resource=resource)


def _key(workload: Object) -> str:
    metadata = workload["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
