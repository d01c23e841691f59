"""How many pods fit, or one sentence why none do and what would let them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hostler.planning import quantities
from hostler.planning.amounts import Amount
from hostler.planning.nodes import NodeView
from hostler.planning.pools import PoolView, describe


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Equal pods of one workload."""

    who: str
    """What waits, as the subject of a sentence: 'the job', 'the service'."""
    least: int
    most: int
    need: Amount
    """Of each pod."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """It fits."""

    pods: int


class Obstacle(StrEnum):
    """Why it waits; the names are those of the reasons in the API."""

    POOL_NOT_READY = "PoolNotReady"
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    QUOTA_EXCEEDED = "QuotaExceeded"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """It does not fit now."""

    obstacle: Obstacle
    message: str


def place(view: PoolView, ask: Ask) -> Placed | Waiting:
    """The most pods in the asked range that fit into what is free and into the quota."""
    if view.pool.problem is not None or view.allocatable <= 0:
        _, why = describe(view)
        text = f"Pool {view.pool.name} has no usable {view.pool.unit}: {why} {_subject(ask)} starts when it has."
        return Waiting(obstacle=Obstacle.POOL_NOT_READY, message=text)
    fit = sum(node.free.holds(ask.need) for node in view.nodes)
    allowed = _allowed(view, ask)
    if allowed < ask.least:
        return Waiting(obstacle=Obstacle.QUOTA_EXCEEDED, message=_quota_sentence(view, ask))
    if fit < ask.least:
        return Waiting(obstacle=Obstacle.WAITING_FOR_CAPACITY, message=_capacity_sentence(view, ask, fit))
    return Placed(pods=min(ask.most, fit, allowed))


def largest_ever(view: PoolView, need: Amount) -> int:
    """How many such pods the empty pool could hold with every device healthy and every node ready."""
    return sum(node.promised.holds(need) for node in view.nodes)


def too_small_sentence(view: PoolView, ask: Ask) -> str:
    """Why even the empty pool is too small, and the way out."""
    blocks = [_units(view, node) for node in view.nodes]
    have = (
        f"{sum(blocks)} {view.pool.unit} on {len(blocks)} node{'s' * (len(blocks) != 1)}, at most {max(blocks)} on one"
    )
    ever = largest_ever(view, ask.need)
    enough = sum(block // max(1, view.pool.units(ask.need)) for block in blocks) >= ask.least
    limit = f"; CPU and memory allow {ever} such pods" if enough else ""
    return (
        f"pool {view.pool.name} has {have}{limit}, and {ask.who} needs {_needed(view, ask)}: "
        "ask for less, or add nodes to the pool"
    )


def _units(view: PoolView, node: NodeView) -> int:
    return node.promised.devices if view.pool.resource else node.promised.milli_cpu // 1000


def _allowed(view: PoolView, ask: Ask) -> int:
    quota = view.pool.spec.quota
    if quota is None:
        return ask.most
    return max(0, quota.accelerators - view.held) // max(1, view.pool.units(ask.need))


def _quota_sentence(view: PoolView, ask: Ask) -> str:
    quota = view.pool.spec.quota
    limit = quota.accelerators if quota else 0
    said = f"The quota of pool {view.pool.name} is {limit} {view.pool.unit}, of which {view.held} are held; "
    if limit < ask.least * view.pool.units(ask.need):
        return f"{said}{ask.who} needs {_needed(view, ask)}, more than the whole quota: raise the pool's spec.quota."
    return f"{said}{ask.who} needs {_needed(view, ask)}. It starts when others end or the quota is raised."


def _capacity_sentence(view: PoolView, ask: Ask, fit: int) -> str:
    by_units = sum(_free_units(view, node) // max(1, view.pool.units(ask.need)) for node in view.nodes)
    if view.pool.resource and by_units >= ask.least:
        return (
            f"Pool {view.pool.name} has enough free {view.pool.unit}, but only {fit} of {_pods(ask.least)} of "
            f"{_host_share(ask.need)} fit on the nodes that have them. {_subject(ask)} starts when CPU or memory "
            "there is free; smaller spec.resources would fit sooner."
        )
    hint = f" {_pods(fit).capitalize()} of this size would fit now." if fit else ""
    return (
        f"Pool {view.pool.name} has {view.free} of {view.allocatable} {view.pool.unit} free, at most "
        f"{view.largest_free_block} on one node; {ask.who} needs {_needed(view, ask)}. "
        f"It starts when pods that hold them end or nodes are added.{hint}"
    )


def _free_units(view: PoolView, node: NodeView) -> int:
    return node.free.devices if view.pool.resource else node.free.milli_cpu // 1000


def _needed(view: PoolView, ask: Ask) -> str:
    if view.pool.resource is None:
        return f"{_pods(ask.least)} of {_host_share(ask.need)}"
    return f"{_pods(ask.least)} with {ask.need.devices} each"


def _host_share(need: Amount) -> str:
    return f"{quantities.show_cores(need.milli_cpu)} CPU and {quantities.show_bytes(need.memory)} memory"


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def _subject(ask: Ask) -> str:
    return ask.who[0].upper() + ask.who[1:]
