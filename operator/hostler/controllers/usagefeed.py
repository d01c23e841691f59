"""From changes of nodes, pods and pools to usage."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from hostler.api.pool import AcceleratorPoolSpec
from hostler.cluster.store import Change
from hostler.controllers.validity import invalid_spec_sentence
from hostler.controllers.workloads import workload_of_pod
from hostler.planning import pods as read
from hostler.planning.acceptance import PoolChoice
from hostler.planning.pools import read_pool
from hostler.planning.seats import held_node
from hostler.planning.usage import PoolUsage

Object = dict[str, Any]


class UsageFeed:
    """Keeps usage as the store has it: O(1) for each change."""

    def __init__(self, usage: PoolUsage) -> None:
        self._usage = usage
        self._unreadable: dict[str, str] = {}
        """Pools whose stored spec this release cannot read, with the reason."""
        self._generations: dict[str, tuple[str, int]] = {}

    def changed(self, change: Change) -> bool:
        """Take in one change; whether it may change an answer of admission."""
        obj = change.new or change.old
        assert obj is not None
        match change.kind:
            case "Pod":
                return self._pod(change)
            case "Node":
                self._node(obj["metadata"]["name"], change.new)
                return True
            case "AcceleratorPool":
                return self._pool(obj["metadata"]["name"], change.new)
        return False

    def pool(self, name: str) -> PoolChoice:
        """What a pool has, whatever is free of it."""
        if name in self._unreadable:
            return PoolChoice(view=None, unreadable=self._unreadable[name])
        return PoolChoice(view=self._usage.shape(name), names=self._usage.names())

    def _node(self, name: str, node: Object | None) -> None:
        if node is None:
            self._usage.remove_node(name)
        else:
            self._usage.put_node(node)

    def _pod(self, change: Change) -> bool:
        old, new = change.old, change.new
        gone = old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"])
        freed = old is not None and gone and self._usage.remove_pod(old["metadata"]["uid"])
        if new is None:
            return freed
        node, workload = None if read.is_terminal(new) else held_node(new), workload_of_pod(new)
        bound = read.node_name(new) is not None
        moved = self._usage.put_pod(new["metadata"]["uid"], new, node=node, workload=workload, bound=bound)
        # Room that was given back, or a stranger who may sit on a seat whose pod is still to come. A pod that comes to
        # its own seat changes nothing for anybody, and one without a node holds nothing.
        return freed or (moved and (node is None or (workload is None and self._usage.has_pending)))

    def _pool(self, name: str, pool: Object | None) -> bool:
        if pool is None or pool["metadata"].get("deletionTimestamp"):
            self._generations.pop(name, None)
            self._unreadable.pop(name, None)
            self._usage.remove_pool(name)
            return True
        seen = pool["metadata"].get("uid", ""), int(pool["metadata"].get("generation") or 0)
        if self._generations.get(name) == seen:
            # Its own status changed, and that is no news of its nodes.
            return False
        self._generations[name] = seen
        try:
            spec = AcceleratorPoolSpec.model_validate(pool["spec"])
        except ValidationError as error:
            self._unreadable[name] = invalid_spec_sentence(error)
            self._usage.remove_pool(name)
        else:
            self._unreadable.pop(name, None)
            self._usage.put_pool(read_pool(name, spec))
        return True
