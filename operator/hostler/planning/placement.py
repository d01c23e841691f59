"""What a workload asks of a pool, and the sentences that say why it does not get it and what would change that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hostler.api.queuepolicy import OtherNamespaces
from hostler.planning import moments, quantities
from hostler.planning.pools import Pool, PoolView
from hostler.planning.resources import CPU, MEMORY, Resources
from hostler.planning.verdicts import Loss, Obstacle, PoolFigures, QuotaFigures, TakeBack, Wait, Ways, Workload


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Equal pods of one workload."""

    who: str
    """What waits, as the subject of a sentence: 'the job', 'the service'."""
    least: int
    most: int
    need: Resources
    """Of each pod."""
    namespace: str = ""
    """Whose it is: of others it is told no names, unless the pool says so."""


def wait_sentence(pool: Pool, ask: Ask, wait: Wait) -> str:
    """Why it waits, where it stands, and what would let it run."""
    figures = wait.figures
    if wait.obstacle is Obstacle.POOL_NOT_READY:
        why = figures.trouble or "it is not there any more."
        return f"Pool {pool.name} has no usable {pool.unit}: {why} {_subject(ask)} starts when it has."
    if wait.obstacle is Obstacle.QUOTA_EXCEEDED:
        return _quota_sentence(pool, ask, wait)
    return f"{_capacity_sentence(pool, ask, wait)}{_next_end(pool, ask, wait)}{_place_in_line(wait)}{_expected(wait)}"


def ways_sentence(pool: Pool, ask: Ask, ways: Ways) -> str:
    """What would let it start now, each alone; empty where nothing that anybody could change would."""
    said = []
    if ways.less_per_pod is not None:
        said.append(f"spec.accelerators.perPod {ways.less_per_pod}")
    if ways.fewer_pods is not None:
        said.append(f"spec.pods.min {ways.fewer_pods}")
    if ways.done_before is not None:
        said.append(f"a spec.estimatedDuration that is over before {clock_time(ways.done_before)}")
    if ways.pools:
        said.append(f"pool {some_nodes(ways.pools)}, which has room")
    if ways.more_quota is not None:
        said.append(f"a quota of pool {pool.name} that is higher by {ways.more_quota} {pool.unit}")
    if ways.more_borrowing is not None:
        said.append(f"a borrowingLimit of its namespace that is higher by {ways.more_borrowing} {pool.unit}")
    if ways.priority_above is not None:
        said.append(f"a PriorityClass above {ways.priority_above}, for which others would have to leave")
    return f"{_subject(ask)} would start now with {', or '.join(said)}." if said else ""


def clock_time(moment: str) -> str:
    """A moment as it stands in a sentence: ``2026-11-30 20:14 UTC``. A sentence is read hours after it was written, so
    it names no span."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def loss_sentence(lost: TakeBack) -> str:
    """Why a reservation was taken back."""
    where = some_nodes(lost.nodes)
    match lost.loss:
        case Loss.NODE_GONE:
            return f"Node {where} is gone, and pods were still to come to it."
        case Loss.NODES_DID_NOT_COME:
            return (
                f"The pool has not grown in time: {len(lost.nodes)} more node{'s' * (len(lost.nodes) != 1)} "
                "did not come. Look at the autoscaler's log and the provider's quota, or lower spec.scaling.maxNodes."
            )
        case Loss.SEAT_TAKEN:
            return f"On node {where}, pods that Hostler did not place took what was reserved."
        case Loss.PODS_DID_NOT_COME:
            return f"The pods did not come to node {where} in time."


def too_small_sentence(view: PoolView, ask: Ask) -> str:
    """Why even the empty pool is too small, and the way out."""
    blocks = [view.pool.whole_units(node.promised) for node in view.nodes]
    have = (
        f"{sum(blocks)} {view.pool.unit} on {len(blocks)} node{'s' * (len(blocks) != 1)}, at most {max(blocks)} on one"
    )
    enough = sum(block // max(1, view.pool.units(ask.need)) for block in blocks) >= ask.least
    limit = _limit(view, ask) if enough else ""
    return (
        f"pool {view.pool.name} has {have}{limit}, and {ask.who} needs {_needed(view.pool, ask)}: "
        "ask for less, or add nodes to the pool"
    )


def too_small_grown_sentence(view: PoolView, ask: Ask) -> str:
    """Why a pool is too small with all nodes that an autoscaler may add, and the way out."""
    pool, scaling = view.pool, view.pool.spec.scaling
    assert scaling is not None  # only such a pool grows
    shape = scaling.node_shape
    devices = f"{shape.accelerators} {pool.unit}, " if shape.accelerators is not None else ""
    most, count = scaling.max_nodes, view.largest_grown(ask.need)
    holds = counted_pods(count) if count else "no pod"
    return (
        f"pool {pool.name} grows to {most} node{'s' * (most != 1)} of {devices}{shape.cpu} cores and {shape.memory} of "
        f"memory, which could hold {holds} of this size, and {ask.who} needs {_needed(pool, ask)}: ask for less, or "
        "raise the pool's spec.scaling.maxNodes"
    )


def small_domain_sentence(view: PoolView, ask: Ask) -> str:
    """Why no domain of a pool could ever hold all pods, and the way out."""
    pool, (largest, count) = view.pool, view.largest_domain_ever(ask.need)
    there = [node for node in view.nodes if node.domain == largest]
    units = sum(pool.whole_units(node.promised) for node in there)
    holds, grown = counted_pods(count) if count else "no pod", view.largest_growth(ask.need)
    more = f", and {counted_pods(count + grown)} if all nodes that may be added came there" if grown else ""
    return (
        f"the largest domain of pool {pool.name} by {pool.spec.topology_key} is {largest}, with {units} {pool.unit} on "
        f"{len(there)} node{'s' * (len(there) != 1)}, which could hold {holds} of this size{more}; {ask.who} needs "
        f"{_needed(pool, ask)} in one domain: say preferred, ask for less, or have an administrator add nodes to a "
        "domain"
    )


def _limit(view: PoolView, ask: Ask) -> str:
    """What is short where the pool's own unit is not."""
    short = sorted(
        name
        for name, amount in ask.need.items()
        if name != view.pool.resource and all(node.promised.get(name, 0) < amount for node in view.nodes)
    )
    if short:
        return f"; no node offers enough {' and '.join(short)} for one of its pods"
    return f"; what else they ask for allows {view.largest_ever(ask.need)} such pods"


def some_nodes(names: tuple[str, ...], *, limit: int = 3) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def coarse_position(position: int) -> int:
    """Exact for the first ten, then to tens, then to hundreds: one step in a long line is no news."""
    step = 1 if position <= 10 else 10 if position <= 100 else 100
    return -(-position // step) * step


def coarse_seconds(seconds: float) -> int:
    """Up to whole minutes, then to tens of them, then to hours: an estimate of others' work is not better."""
    step = 60 if seconds <= 600 else 600 if seconds <= 7200 else 3600
    return max(60, math.ceil(seconds / step) * step)


def _expected(wait: Wait) -> str:
    told = wait.place.forecast if wait.place is not None else None
    if told is None:
        return ""
    when, low, high = (clock_time(moment) for moment in (told.expected, told.earliest, told.latest))
    if when[:10] == low[:10] == high[:10]:
        low, high = low[11:16], high[11:]
    return f" It is expected to start at {when}, between {low} and {high}."


def _next_end(pool: Pool, ask: Ask, wait: Wait) -> str:
    """Whose end it waits for next."""
    if wait.preempting:
        count = len(wait.preempting)
        who = _named(pool, ask, wait.preempting[0]) if count == 1 else f"{count} jobs"
        return f" {who[0].upper() + who[1:]} {'leaves' if count == 1 else 'leave'} for it, with a checkpoint."
    release = wait.next_release
    if release is None or not wait.at:
        return ""
    moment = clock_time(moments.later(wait.at, seconds=coarse_seconds(release.seconds)))
    return f" The next release is expected at {moment} from {_named(pool, ask, release.workload)}."


def _named(pool: Pool, ask: Ask, workload: Workload) -> str:
    """The name of a workload, for users of a namespace: which jobs another one has is not theirs to know."""
    kind = "service" if workload.kind == "InferenceService" else "job"
    if workload.namespace == ask.namespace or pool.spec.queue.other_namespaces is OtherNamespaces.NAMED:
        return f"{kind} {workload.namespace}/{workload.name}"
    return f"a {kind} of another namespace"


def _largest(figures: PoolFigures) -> str:
    where = f" ({figures.largest_free_node})" if figures.largest_free_node else ""
    return f"at most {figures.largest_free_block} on one node{where}"


def _place_in_line(wait: Wait) -> str:
    if wait.waiting <= 1:
        return ""
    place = coarse_position(wait.position)
    return f" It is {'among the first' if place > 10 else 'number'} {place} in line."


def _quota_sentence(pool: Pool, ask: Ask, wait: Wait) -> str:
    if wait.quota is not None:
        return _namespace_quota_sentence(pool, ask, wait, wait.quota)
    limit, held = wait.figures.quota or 0, wait.figures.held
    said = f"The quota of pool {pool.name} is {limit} {pool.unit}, of which {held} are held; "
    if limit < ask.least * pool.units(ask.need):
        return f"{said}{ask.who} needs {_needed(pool, ask)}, more than the whole quota: raise the pool's spec.quota."
    turn = f"It starts when others end or the quota is raised.{_place_in_line(wait)}{_expected(wait)}"
    return f"{said}{ask.who} needs {_needed(pool, ask)}. {turn}"


def _namespace_quota_sentence(pool: Pool, ask: Ask, wait: Wait, quota: QuotaFigures) -> str:
    """The pool may have room: what its namespace may hold is what is short."""
    return (
        f"The quota of namespace {ask.namespace} allows {quota.limit} {pool.unit} of pool {pool.name}, borrowed ones "
        f"included, of which {quota.held} are held; {ask.who} needs {_needed(pool, ask)}. It starts when others of "
        f"that quota end or its borrowingLimit is raised.{_place_in_line(wait)}{_expected(wait)}"
    )


def _capacity_sentence(pool: Pool, ask: Ask, wait: Wait) -> str:
    figures = wait.figures
    have = f"Pool {pool.name} has {figures.free} of {figures.allocatable} {pool.unit} free, {_largest(figures)}"
    if wait.obstacle is Obstacle.PREEMPTING:
        return f"{have}; {ask.who} needs {_needed(pool, ask)}."
    if wait.within_reach is not None and wait.fit < ask.least:
        return _volumes_sentence(pool, ask, wait)
    if pool.resource and wait.fit_by_units >= ask.least:
        return (
            f"Pool {pool.name} has enough free {pool.unit}, but only {wait.fit} of {counted_pods(ask.least)} of "
            f"{_host_share(ask.need)} fit on the nodes that have them. {_subject(ask)} starts when CPU or memory "
            "there is free; smaller spec.resources would fit sooner."
        )
    if wait.fit >= ask.least:
        return (
            f"{have}; {ask.who} needs {_needed(pool, ask)}, which would fit, but is kept for those before it in line. "
            "It starts when they have started."
        )
    hint = f" {counted_pods(wait.fit).capitalize()} of this size would fit now." if wait.fit else ""
    return (
        f"{have}; {ask.who} needs {_needed(pool, ask)}. "
        f"It starts when pods that hold them end or nodes are added.{hint}"
    )


def _volumes_sentence(pool: Pool, ask: Ask, wait: Wait) -> str:
    figures = wait.figures
    nodes = f"{wait.within_reach} node" if wait.within_reach == 1 else f"{wait.within_reach} nodes"
    hint = f" {counted_pods(wait.fit).capitalize()} of this size would fit there now." if wait.fit else ""
    return (
        f"Pool {pool.name} has {figures.free} of {figures.allocatable} {pool.unit} free, and the volumes of "
        f"{ask.who}'s claims can be mounted on {nodes} of it only; {ask.who} needs {_needed(pool, ask)} there. It "
        f"starts when pods that hold them end, or nodes are added that can mount the volumes.{hint}"
    )


def _needed(pool: Pool, ask: Ask) -> str:
    if pool.resource is None:
        return f"{counted_pods(ask.least)} of {_host_share(ask.need)}"
    return f"{counted_pods(ask.least)} with {ask.need.get(pool.resource, 0)} each"


def _host_share(need: Mapping[str, int]) -> str:
    return f"{quantities.show_cores(need.get(CPU, 0))} CPU and {quantities.show_bytes(need.get(MEMORY, 0))} memory"


def counted_pods(count: int) -> str:
    """``2 pods``."""
    return f"{count} pod" if count == 1 else f"{count} pods"


def _subject(ask: Ask) -> str:
    return ask.who[0].upper() + ask.who[1:]
