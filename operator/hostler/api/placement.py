"""Where a workload sits: the durable form of its reservation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.common import MOST_PODS
from hostler.api.schema import StatusModel, Timestamp


class NodeSeats(StatusModel):
    """Pods of the workload on one node."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the node."""
    pods: Annotated[int, Field(ge=1)]
    """Pods that are there or come there."""


class Placement(StatusModel):
    """What is reserved for the workload. While it stands, nobody else of Hostler's gets these accelerators."""

    pool: Annotated[str, Field(max_length=63)]
    """AcceleratorPool."""
    accelerator_type: Annotated[str, Field(max_length=63)]
    """Type of the accelerators."""
    pods: Annotated[int, Field(ge=1)]
    """Pods that have a seat."""
    per_pod: Annotated[int, Field(ge=1)]
    """Accelerators of each pod."""
    nodes: Annotated[
        tuple[NodeSeats, ...],
        Field(
            # As many as there may be replicas, and one that comes before an old one goes.
            max_length=MOST_PODS + 1,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """On which nodes; the pods can go nowhere else."""
    requests: Annotated[dict[str, Annotated[str, Field(max_length=32)]], Field(max_length=32)] | None = None
    """What each pod counts with on its node, by resource, as the scheduler counts it."""
    priority: int | None = None
    """Value of the workload's PriorityClass when the seats were given to it; absent means 0."""
    deadline: Timestamp | None = None
    """When the seats are given back unless all pods have come; absent once they have."""
