"""What the controllers of Kubernetes say in Events, and nowhere else."""

from __future__ import annotations

import itertools
from typing import Any

from fakes import FakeCluster

Object = dict[str, Any]

LIMITED = 'pods "x" is forbidden: maximum cpu usage per Container is 500m, but limit is 1'
_numbers = itertools.count(1)


def refuse_pods(cluster: FakeCluster, job: Object, message: str = LIMITED) -> Object:
    """The Job controller may not create a pod."""
    return tell(cluster, job, reason="FailedCreate", message=f"Error creating: {message}")


def tell(cluster: FakeCluster, about: Object, *, reason: str, message: str) -> Object:
    """An Event of this moment about an object."""
    metadata = about["metadata"]
    name = f"{metadata['name']}.{next(_numbers)}"
    return cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {"kind": about["kind"], "name": metadata["name"], "uid": metadata["uid"]},
            "reason": reason,
            "message": message,
            "lastTimestamp": cluster.clock.now(),
        }
    )
