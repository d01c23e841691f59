"""Pool accounting: what the nodes of a pool have, hold and offer.

The unit of a pool is one device of its type. A cpu pool has no devices; its unit is one core of what nodes offer to
pods. There, a pod takes its CPU request (rounded up to whole cores where quotas count), and fits by CPU and memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from hostler.accelerators import AcceleratorType, ResourceNameError, UnknownAcceleratorError, accelerator
from hostler.api.pool import AcceleratorPoolSpec, PoolReason, Price
from hostler.planning.nodes import SIMULATED_LABEL, NodeView
from hostler.planning.resources import CPU, HOST_PORT, MEMORY, Resources, amount_of, holds

_SHOWN_QUOTAS = 8
"""Quotas that a sentence names."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool's spec with what the registry says of its type."""

    name: str
    spec: AcceleratorPoolSpec
    kind: AcceleratorType | None
    """None where no registry file describes the type."""
    resource: str | None
    """Extended resource; None for cpu, and where ``problem`` says so."""
    problem: tuple[PoolReason, str] | None = None
    """Why the pool cannot be used at all, whatever its nodes have."""

    @property
    def unit(self) -> str:
        """What one of the pool is called in sentences."""
        return self.resource or "cores"

    @property
    def tolerations(self) -> list[dict[str, str]]:
        """The pool's own and those of its type, as they go into a pod."""
        own = [t.model_dump(by_alias=True, exclude_none=True) for t in self.spec.tolerations]
        usual = [pair.rpartition(":") for pair in (self.kind.pod.tolerations if self.kind else ())]
        return own + [{"key": key, "operator": "Exists", "effect": effect} for key, _, effect in usual]

    @property
    def new_node(self) -> Resources | None:
        """What each node that an autoscaler adds offers, of what its shape names; None where the pool does not grow."""
        if self.spec.scaling is None:
            return None
        shape = self.spec.scaling.node_shape
        offers: Resources = {CPU: amount_of(CPU, shape.cpu), MEMORY: amount_of(MEMORY, shape.memory)}
        return offers | ({self.resource: shape.accelerators or 0} if self.resource else {})

    def units(self, need: Mapping[str, int]) -> int:
        """Units that one pod with these requests takes: devices, or cores that are begun."""
        return need.get(self.resource, 0) if self.resource else -(-need.get(CPU, 0) // 1000)

    def whole_units(self, amount: Mapping[str, int]) -> int:
        """Units that an amount of a node is worth: devices, or whole cores; never below zero."""
        return max(0, amount.get(self.resource, 0) if self.resource else amount.get(CPU, 0) // 1000)


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """A pool at one moment.

    What is the same for every job that is looked at is computed once: two thousand jobs ask one view of a thousand
    nodes.
    """

    pool: Pool
    nodes: tuple[NodeView, ...] = ()
    held: int = 0
    """Units reserved by Hostler's workloads, for the quota."""
    in_use: int = 0
    """Units that pods hold, whosever they are."""
    _ever: dict[frozenset[tuple[str, int]], int] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def capacity(self) -> int:
        """Units that exist, healthy or not."""
        return sum(self.pool.whole_units(node.promised) for node in self.nodes)

    @property
    def allocatable(self) -> int:
        """Healthy units on nodes that take pods."""
        return sum(self.pool.whole_units(node.offered) for node in self.nodes if not node.obstacle)

    @property
    def free(self) -> int:
        """Units that new pods could have."""
        return sum(self.pool.whole_units(node.free) for node in self.nodes)

    @property
    def largest_free_block(self) -> int:
        """Most free units on one node."""
        return max((self.pool.whole_units(node.free) for node in self.nodes), default=0)

    @property
    def grows(self) -> bool:
        """Whether an autoscaler may add a node."""
        scaling = self.pool.spec.scaling
        return self.pool.problem is None and scaling is not None and len(self.nodes) < scaling.max_nodes

    @cached_property
    def simulated(self) -> bool:
        """Whether the devices are simulated; while there is no node, as the pool's selector has it."""
        if not self.nodes:
            return self.pool.spec.node_selector.get(SIMULATED_LABEL) == "true"
        return any(node.simulated for node in self.nodes)

    def largest_ever(self, need: Mapping[str, int]) -> int:
        """How many such pods the empty pool could hold with every device healthy and every node ready.

        Remembered by shape.
        """
        shape = frozenset(need.items())
        if shape not in self._ever:
            self._ever[shape] = sum(holds(node.promised, need) for node in self.nodes)
        return self._ever[shape]

    def largest_domain_ever(self, need: Mapping[str, int]) -> tuple[str, int]:
        """The domain of the pool's topology key that could hold most such pods, with every device healthy and every
        node ready, and how many that are. Of a pool without a node, no domain."""
        fits: dict[str, int] = {}
        for node in self.nodes:
            fits[node.domain] = fits.get(node.domain, 0) + holds(node.promised, need)
        return min(fits.items(), key=lambda each: (-each[1], each[0]), default=("", 0))

    def largest_grown(self, need: Mapping[str, int]) -> int:
        """How many such pods it could hold with every node that there can be; of a new node, what its shape does not
        name does not limit."""
        return self.largest_ever(need) + self.largest_growth(need)

    def largest_growth(self, need: Mapping[str, int]) -> int:
        """How many such pods all nodes could hold that an autoscaler may add."""
        new, scaling = self.pool.new_node, self.pool.spec.scaling
        if new is None or scaling is None:
            return 0
        named = {name: amount for name, amount in need.items() if name in new or name.startswith(HOST_PORT)}
        return max(0, scaling.max_nodes - len(self.nodes)) * holds(new, named)


def read_pool(name: str, spec: AcceleratorPoolSpec) -> Pool:
    """Join a spec with the registry."""
    try:
        kind = accelerator(spec.accelerator_type)
    except UnknownAcceleratorError as error:
        problem = (PoolReason.UNKNOWN_ACCELERATOR_TYPE, f"spec.acceleratorType: {error}")
        return Pool(name=name, spec=spec, kind=None, resource=None, problem=problem)
    try:
        return Pool(name=name, spec=spec, kind=kind, resource=kind.resource_for(spec.resource_name))
    except ResourceNameError as error:
        problem = (PoolReason.RESOURCE_NAME_REQUIRED, f"spec.resourceName: {error}")
        return Pool(name=name, spec=spec, kind=kind, resource=None, problem=problem)


def describe(view: PoolView) -> tuple[PoolReason, str]:
    """The reason of a pool's Ready condition, which is True only for DevicesAvailable, and its sentence."""
    pool, expected = view.pool, view.pool.spec.expected_accelerators
    if pool.problem is not None:
        return pool.problem
    scaling = pool.spec.scaling
    if scaling is not None and len(view.nodes) < scaling.min_nodes:
        return PoolReason.DEVICES_MISSING, (
            f"{_nodes(len(view.nodes))} of the {scaling.min_nodes} of spec.scaling.minNodes: what does the autoscaler "
            "say, or lower minNodes."
        )
    if scaling is not None and not view.nodes:
        most = _nodes(scaling.max_nodes)
        return PoolReason.SCALED_TO_ZERO, f"No node now; an autoscaler adds up to {most} for work that waits."
    if not view.nodes:
        selector = ", ".join(f"{key}={value}" for key, value in sorted(pool.spec.node_selector.items()))
        return PoolReason.NO_MATCHING_NODES, f"No node carries {selector}: label nodes so, or change spec.nodeSelector."
    return (
        _missing(view, expected)
        or _obstructed(view.nodes)
        or _unhealthy(view)
        or (PoolReason.DEVICES_AVAILABLE, f"{view.capacity} {pool.unit} on {_nodes(len(view.nodes))}.")
    )


def describe_quotas(view: PoolView) -> tuple[PoolReason, str] | None:
    """The reason of a pool's QuotasFit condition and its sentence; None where it has no quotas.

    Promising more than there is is allowed: an administrator may know that not everybody comes at once.
    """
    pool, quotas = view.pool, view.pool.spec.queue.quotas
    if not quotas:
        return None
    total, have = sum(quota.nominal for quota in quotas), _usable_units(view)
    if total <= have:
        rest = f"; the rest, {have - total}, is lent to whoever comes" if have > total else ""
        return PoolReason.WITHIN_CAPACITY, f"Quotas add up to {total} of {have} {pool.unit}{rest}."
    each = "; ".join(f"{some(quota.namespaces)}: {quota.nominal}" for quota in quotas[:_SHOWN_QUOTAS])
    more = f"; {len(quotas) - _SHOWN_QUOTAS} more" if len(quotas) > _SHOWN_QUOTAS else ""
    text = (
        f"Quotas add up to {total} {pool.unit} ({each}{more}), and there are {have}: not everybody can hold what is "
        "theirs at the same time. Lower nominal, or add nodes."
    )
    return PoolReason.QUOTAS_EXCEED_CAPACITY, text


def describe_price(price: Price | None, *, today: date) -> tuple[PoolReason, str] | None:
    """What is wrong with the date of a pool's price and its sentence; None where nothing is, or there is no price."""
    if price is None:
        return None
    try:
        day = date.fromisoformat(price.date)
    except ValueError:
        return PoolReason.PRICE_WITHOUT_DAY, (
            f"spec.price.date: {price.date} is no day of the calendar. Set the day that {price.source} is of."
        )
    if day <= today:
        return None
    return PoolReason.PRICE_OF_THE_FUTURE, (
        f"spec.price.date: {price.date} has not come, today is {today} (UTC): costs are reckoned with a price that may "
        "not hold yet. Set amount and date of the price that holds today."
    )


def _usable_units(view: PoolView) -> int:
    """Units that Hostler's workloads could hold with every node that there is or can be."""
    new, scaling = view.pool.new_node, view.pool.spec.scaling
    grown = 0 if new is None or scaling is None else max(0, scaling.max_nodes - len(view.nodes))
    units = view.capacity + (0 if new is None else grown * view.pool.whole_units(new))
    quota = view.pool.spec.quota
    return units if quota is None else min(units, quota.accelerators)


def _missing(view: PoolView, expected: int | None) -> tuple[PoolReason, str] | None:
    bare = [node.name for node in view.nodes if not view.pool.whole_units(node.promised)]
    if view.pool.resource and bare:
        text = f"{_nodes(len(bare))} advertise no {view.pool.resource}: {some(bare)}. Does the device plugin run there?"
        return PoolReason.DEVICES_MISSING, text.replace("1 node advertise ", "1 node advertises ")
    if expected is not None and view.capacity < expected:
        return PoolReason.DEVICES_MISSING, (
            f"{view.capacity} of {expected} expected {view.pool.unit} are there, on {_nodes(len(view.nodes))}: "
            "add nodes, or lower spec.expectedAccelerators."
        )
    return None


def _obstructed(nodes: Sequence[NodeView]) -> tuple[PoolReason, str] | None:
    said = [f"node {node.name} {node.obstacle}" for node in nodes if node.obstacle]
    return (PoolReason.NODES_NOT_READY, f"Takes no pods: {some(said)}.") if said else None


def _unhealthy(view: PoolView) -> tuple[PoolReason, str] | None:
    resource = view.pool.resource
    lost = [(n.name, n.promised.get(resource, 0) - n.offered.get(resource, 0)) for n in view.nodes] if resource else []
    sick = [(name, count) for name, count in lost if count > 0]
    if not sick:
        return None
    where = some([f"{count} on node {name}" for name, count in sick])
    return PoolReason.DEVICES_UNHEALTHY, f"{view.pool.resource} not healthy: {where}."


def some(entries: Sequence[str], *, limit: int = 3) -> str:
    """The first entries, and how many more there are."""
    shown = ", ".join(entries[:limit])
    return shown if len(entries) <= limit else f"{shown} and {len(entries) - limit} more"


def _nodes(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"
