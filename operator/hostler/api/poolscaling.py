"""Pools whose nodes come and go: what an autoscaler may add, so that the line can reckon with it."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.schema import ApiModel, ByteQuantity, CpuQuantity, Duration, cel, rules


class NodeShape(ApiModel):
    """What pods can ask of one new node: what it will have allocatable, not what its machine has."""

    accelerators: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Accelerators, in the type's unit; absent in a cpu pool, which counts cores."""
    cpu: CpuQuantity
    """Cores."""
    memory: ByteQuantity
    """Memory, in bytes."""


class PoolScaling(ApiModel):
    """An autoscaler outside of Hostler adds and removes the pool's nodes. Work that fits only what could be added is
    released to it as pods that wait for nodes, and taken back with the reason where none come."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("self.minNodes <= self.maxNodes", "minNodes must not be above maxNodes", field_path=".minNodes")
        )
    )

    min_nodes: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Nodes that are always there; fewer make the pool not Ready."""
    max_nodes: Annotated[int, Field(ge=1, le=10_000)]
    """Most nodes that there can be, those included that exist."""
    node_shape: NodeShape
    """What each new node offers."""
    startup_time: Duration = "5m"
    """From the request until a new node takes pods. Work that waits for nodes says it; where none have come three times
    as long after the usual deadline of its pods, it is taken back."""
    spot: bool = False
    """Whether nodes may be reclaimed by the provider at any time. For people to read: an attempt that loses its node
    is a disruption either way, and goes on from its checkpoint."""
