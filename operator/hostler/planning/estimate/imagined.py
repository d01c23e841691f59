"""A pool that nobody has, to ask what a job would take on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostler.accelerators import accelerator
from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.usage import PoolUsage

_LABEL = "hostler.dev/pool"
_CPU, _MEMORY = "100k", "1Pi"
"""Of a node of which nothing is said: it does not limit."""


def imagined_pool(kind: str, *, devices: int, per_node: int, price: Mapping[str, str] | None = None) -> PoolView:
    """A pool of ``devices`` of a type (nodes, where it is cpu), ``per_node`` on each node, with nothing on them.

    Raises ``hostler.accelerators.UnknownAcceleratorError`` for a type that the registry does not have, and
    ``ValueError`` where devices and nodes do not go together.
    """
    if devices < 1 or devices % per_node:
        raise ValueError(f"{devices} devices cannot be on nodes of {per_node}: give a multiple of it")
    found = accelerator(kind)
    resource = found.resource_name or found.example_resource_name
    chosen = {} if found.resource_name or resource is None else {"resourceName": resource}
    spec = {"acceleratorType": kind, "nodeSelector": {_LABEL: kind}, **chosen}
    if price is not None:
        spec["price"] = dict(price)
    usage = PoolUsage()
    usage.put_pool(read_pool(kind, AcceleratorPoolSpec.model_validate(spec)))
    for number in range(devices // per_node):
        usage.put_node(_node(f"{kind}-{number}", kind, {resource: str(per_node)} if resource else {}))
    view = usage.shape(kind)
    assert view is not None
    return view


def _node(name: str, pool: str, devices: Mapping[str, str]) -> dict[str, Any]:
    offers = {"cpu": _CPU, "memory": _MEMORY, "pods": "110", **devices}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {_LABEL: pool}},
        "spec": {},
        "status": {
            "allocatable": offers,
            "capacity": offers,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
