"""AcceleratorPool: what the nodes really offer."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from hostler.api.pool import AcceleratorPoolSpec, AcceleratorPoolStatus, PoolCondition, PoolReason
from hostler.controllers.plan import Plan, write_status
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import Said, change, conditions, no, yes
from hostler.controllers.validity import invalid_spec_sentence
from hostler.planning import nodes, pods
from hostler.planning.pools import PoolView, describe, read_pool, see

_WARNINGS = frozenset(reason.value for reason in PoolReason if reason is not PoolReason.DEVICES_AVAILABLE)


class PoolController:
    """Writes nothing but status."""

    kind = "AcceleratorPool"

    def __init__(self, reader: Reader, writer: Writer, *, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock

    async def reconcile(self, key: Key) -> Outcome:
        """Count again."""
        pool = self._reader.get(self.kind, name=key.name)
        if pool is None or pool["metadata"].get("deletionTimestamp"):
            return Outcome()
        plan = decide(pool, nodes=self._reader.list("Node"), pods=self._reader.list("Pod"), now=self._clock.now())
        return await write_status(self._writer, pool, plan)

    def affected(self, kind: str, changed: Object) -> Iterable[Key]:
        """Every pool for a node, because it may have left one; for a pod, the pools of its node."""
        if kind == self.kind:
            return [Key(self.kind, "", changed["metadata"]["name"])]
        if kind == "Node":
            return [Key(self.kind, "", pool["metadata"]["name"]) for pool in self._reader.list(self.kind)]
        node = self._reader.get("Node", name=pods.node_name(changed) or "") if kind == "Pod" else None
        if node is None:
            return []
        return [
            Key(self.kind, "", pool["metadata"]["name"])
            for pool in self._reader.list(self.kind)
            if nodes.matches(node, pool["spec"]["nodeSelector"])
        ]


def decide(pool: Object, *, nodes: list[Object], pods: list[Object], now: str) -> Plan:
    """The status of a pool, from its nodes and from all pods."""
    before = AcceleratorPoolStatus.model_validate(pool.get("status") or {})
    try:
        spec = AcceleratorPoolSpec.model_validate(pool["spec"])
    except ValidationError as error:
        return _plan(pool, before, no(PoolReason.INVALID_SPEC, invalid_spec_sentence(error)), {}, now=now)
    view = see(read_pool(pool["metadata"]["name"], spec), nodes=nodes, pods=pods)
    reason, sentence = describe(view)
    said = yes(reason, sentence) if reason is PoolReason.DEVICES_AVAILABLE else no(reason, sentence)
    return _plan(pool, before, said, _figures(view), now=now)


def _figures(view: PoolView) -> dict[str, object]:
    if view.pool.problem is not None:
        return {
            "resource_name": None, "nodes": len(view.nodes), "capacity": 0, "allocatable": 0, "in_use": 0,
            "unhealthy": 0, "largest_free_block": 0, "simulated": view.simulated,
        }  # fmt: skip
    return {
        "resource_name": view.pool.resource,
        "nodes": len(view.nodes),
        "capacity": view.capacity,
        "allocatable": view.allocatable,
        "in_use": view.in_use,
        "unhealthy": max(0, view.capacity - view.allocatable),
        "largest_free_block": view.largest_free_block,
        "simulated": view.simulated,
    }


def _plan(pool: Object, before: AcceleratorPoolStatus, said: Said, figures: dict[str, object], *, now: str) -> Plan:
    generation = int(pool["metadata"].get("generation") or 0)
    after = conditions(before.conditions, {PoolCondition.READY: said}, generation=generation, now=now)
    status = before.model_copy(update={"observed_generation": generation, "conditions": after, **figures})
    return Plan(
        status=status.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, after, warnings=_WARNINGS),
    )
