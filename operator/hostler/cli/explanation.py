"""One job or service as a story: what it does now, the line, the nodes of its pool, quota, preemptions, attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from pydantic import ValidationError

from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.cli.estimateview import choice_sentences, cost_sentences, estimate_of, estimate_sentences
from hostler.cli.lineview import (
    LineView,
    Object,
    condition,
    has_ended,
    holds,
    in_time,
    pool_of,
    queue_of,
    seconds_left,
    shortly,
)
from hostler.cluster.store import Change
from hostler.controllers.usagefeed import UsageFeed
from hostler.controllers.workloads import need_of, placement_of, seats_of, workload_of
from hostler.planning import moments
from hostler.planning.jobacceptance import ask_of_job
from hostler.planning.nodes import NodeView
from hostler.planning.placement import Ask, clock_time
from hostler.planning.pools import Pool, PoolView, read_pool
from hostler.planning.resources import CPU, MEMORY
from hostler.planning.resources import holds as times_in
from hostler.planning.serviceacceptance import ask_of_service
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Reservation

_NODES = 20
"""Rows of nodes; those that come nearest to what is needed first."""
_EVENTS = 10
_NAMES = {CPU: "CPU", MEMORY: "memory", "pods": "room for pods", "ephemeral-storage": "local disk"}


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """One node of the pool, as it is for this object."""

    name: str
    free: int
    """In the pool's unit."""
    fits: int
    """Pods of this object that would fit now."""
    why: str
    """Why not one more; empty where at least one fits."""


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """One Event, the newest first."""

    ago: str
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything that is told of one object."""

    obj: Object
    state: str
    now: tuple[str, ...]
    """What it does at this moment."""
    line: tuple[str, ...]
    pools: tuple[str, ...]
    estimate: tuple[str, ...]
    cost: tuple[str, ...]
    quota: tuple[str, ...]
    preemptions: tuple[str, ...]
    attempts: tuple[str, ...]
    nodes: tuple[NodeFacts, ...]
    nodes_heading: str
    nodes_left_out: int
    events: tuple[EventFacts, ...]
    unseen: tuple[str, ...]

    def sections(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Heading and sentences."""
        yield "Line", self.line
        yield "Pools", self.pools
        yield "Estimate", self.estimate
        yield "Cost", self.cost
        yield "Quota", self.quota
        yield "Preemptions", self.preemptions
        yield "Attempts", self.attempts

    def facts(self) -> Object:
        """The same for programs."""
        found = asdict(self)
        obj = found.pop("obj")
        identity = {"kind": obj["kind"], "namespace": obj["metadata"]["namespace"], "name": obj["metadata"]["name"]}
        return {**identity, "queue": queue_of(obj) or None, **found, "estimate": estimate_of(obj) or None}


def explanation(view: LineView, obj: Object) -> Explanation:
    """The story of an object of this view."""
    pool = _pool_of(view, obj)
    usage = usage_of(view)
    ask = _ask(obj, pool) if pool is not None else None
    shape = usage.view(pool.name) if pool is not None else None
    nodes = _nodes(shape, ask) if shape is not None and ask is not None and not has_ended(obj) else []
    unseen = list(view.unseen)
    if "Node" in view.missing:
        unseen.append("You may not list nodes: nothing can be said of each.")
    elif "Pod" in view.missing:
        unseen.append("You may not list pods of all namespaces: what others than Hostler hold is counted as free.")
    return Explanation(
        obj=obj,
        state=str(condition(obj, "Ready").get("reason") or "not looked at yet: is the operator running?"),
        now=tuple(_now(view, obj)),
        line=tuple(_line(view, obj)),
        pools=tuple(choice_sentences(obj)),
        estimate=tuple(estimate_sentences(obj)),
        cost=tuple(cost_sentences(obj, now=view.now)),
        quota=tuple(_quota(usage, obj, pool)) if pool is not None else (),
        preemptions=tuple(_preemptions(obj, now=view.now)),
        attempts=tuple(_attempts(obj, now=view.now)),
        nodes=tuple(nodes[:_NODES]),
        nodes_heading=_heading(obj, nodes, ask),
        nodes_left_out=max(0, len(nodes) - _NODES),
        events=tuple(_events(view)),
        unseen=tuple(unseen),
    )


def _heading(obj: Object, nodes: list[NodeFacts], ask: Ask | None) -> str:
    fits, least = sum(node.fits for node in nodes), ask.least if ask is not None else 0
    noun = "replicas" if obj["kind"] == "InferenceService" else "pods"
    needed = f"at least {least} {'is' if least == 1 else 'are'} needed"
    return f"Nodes of pool {pool_of(obj)}: {fits} of its {noun} would fit now, {needed}"


# -- what it does --------------------------------------------------------------------------------------------------


def _now(view: LineView, obj: Object) -> Iterator[str]:
    ready = condition(obj, "Ready")
    if message := ready.get("message"):
        yield str(message)
    placement = (obj.get("status") or {}).get("placement") or {}
    if holds(obj, pool_of(obj)):
        where = ", ".join(f"{seat['name']} ({seat['pods']})" for seat in placement["nodes"][:5])
        more = len(placement["nodes"]) - 5
        yield f"It holds {placement['pods']} x {placement['perPod']} of pool {placement['pool']} on {where}" + (
            f" and {more} more nodes." if more > 0 else "."
        )
        if obj["kind"] == "TrainingJob" and (left := seconds_left(obj, now=view.now)) is not None:
            yield f"It is expected to end in {shortly(left)}." if left > 0 else "It is past its estimate."
    if not queue_of(obj):
        yield f"It is in no line: {_why_in_no_line(obj)}."


def _why_in_no_line(obj: Object) -> str:
    if has_ended(obj):
        return "it has ended"
    if (obj.get("spec") or {}).get("suspend"):
        return "it is suspended; spec.suspend: false brings it into line"
    admitted, accepted = condition(obj, "Admitted"), condition(obj, "Accepted")
    if accepted.get("status") == "False":
        return f"its spec is not accepted ({accepted.get('reason')})"
    if admitted.get("status") == "True" or holds(obj, pool_of(obj)):
        return "it has its accelerators"
    if not admitted:
        return "the operator has not looked at it yet"
    return f"it waits for something else ({admitted.get('reason')})"


def _line(view: LineView, obj: Object) -> Iterator[str]:
    queue = queue_of(obj)
    if not queue:
        return
    waited = moments.duration(moments.elapsed(queue["since"], now=view.now))
    about = "among the first " if queue["position"] > 10 else ""
    yield (
        f"Place: {about}{queue['position']} of {queue['waiting']} for pool {pool_of(obj)}; "
        f"its age counts from {clock_time(queue['since'])} ({waited})."
    )
    if queue.get("expectedStart"):
        yield _forecast("Expected to start", queue, now=view.now)
    else:
        yield "When it starts nobody can say: what it waits for has no known end."
    first = queue.get("first")
    if first and first.get("told") != queue.get("told"):
        yield _forecast(f"At {clock_time(first['told'])} it was told", first, now=view.now)
    if queue.get("message") not in (None, "", condition(obj, "Ready").get("message")):
        yield str(queue["message"])
    if queue.get("wouldStart"):
        yield str(queue["wouldStart"])
    before = [other for other in view.line(pool_of(obj)) if queue_of(other)["position"] < queue["position"]]
    if before:
        names = ", ".join(f"{o['metadata']['namespace']}/{o['metadata']['name']}" for o in before[:3])
        yield f"Before it: {names}" + (f" and {len(before) - 3} more." if len(before) > 3 else ".")


def _forecast(words: str, found: Object, *, now: str) -> str:
    low, high = clock_time(found["earliestStart"]), clock_time(found["latestStart"])
    ahead = in_time(found["expectedStart"], now=now)
    when = "about now" if ahead == "now" else f"in {ahead}"
    return f"{words}: {clock_time(found['expectedStart'])} ({when}), between {low} and {high}."


def _quota(usage: PoolUsage, obj: Object, pool: Pool) -> Iterator[str]:
    held: Counter[str] = Counter()
    for reservation in usage.reservations():
        if reservation.pool == pool.name:
            held[reservation.workload.namespace] += reservation.pods * pool.units(reservation.need)
    if pool.spec.quota is not None:
        yield f"Hostler may use {pool.spec.quota.accelerators} {pool.unit} of the pool; {held.total()} are held."
    namespace = obj["metadata"]["namespace"]
    for quota in pool.spec.queue.quotas:
        if namespace not in quota.namespaces:
            continue
        theirs = sum(held[name] for name in quota.namespaces)
        limit = quota.borrowing_limit
        lent = "more of what others leave idle" if limit is None else f"{limit} more of what others leave idle"
        others = [name for name in quota.namespaces if name != namespace]
        shared = f", shared with {', '.join(others)}" if others else ""
        yield (
            f"Namespace {namespace} has {quota.nominal} {pool.unit}{shared}, and may borrow {lent}; {theirs} are held."
        )
    if pool.spec.queue.quotas and not any(namespace in quota.namespaces for quota in pool.spec.queue.quotas):
        yield f"Namespace {namespace} has no quota of its own and holds {held[namespace]} {pool.unit}."


def _preemptions(obj: Object, *, now: str) -> Iterator[str]:
    found = (obj.get("status") or {}).get("preempted")
    if not found:
        return
    by = found["by"]
    times = "once" if found["count"] == 1 else f"{found['count']} times"
    ago = moments.duration(moments.elapsed(found["at"], now=now))
    yield (
        f"It had to leave {times}; the last time {ago} ago for {by['kind']} {by['namespace']}/{by['name']} "
        f"({found['why']})."
    )


def _attempts(obj: Object, *, now: str) -> Iterator[str]:
    status = obj.get("status") or {}
    if status.get("attempt") is not None:
        yield (
            f"Attempt {status['attempt']} is the newest; {status.get('restarts', 0)} restarts and "
            f"{status.get('disruptions', 0)} disruptions so far."
        )
    until = (status.get("retry") or {}).get("notBefore")
    if until and moments.elapsed(now, now=until) > 0:
        yield f"The next one begins in {in_time(until, now=now)} at the soonest."
    if failure := status.get("lastFailure"):
        yield f"The last failure: {failure['reason']}: {failure['message']}"


def _events(view: LineView) -> Iterator[EventFacts]:
    def moment(event: Object) -> str:
        series = event.get("series") or {}
        return str(
            series.get("lastObservedTime")
            or event.get("lastTimestamp")
            or event.get("eventTime")
            or event["metadata"].get("creationTimestamp")
            or view.now
        )

    for event in sorted(view.events, key=moment, reverse=True)[:_EVENTS]:
        ago = max(0.0, moments.elapsed(moment(event), now=view.now))
        yield EventFacts(
            ago=shortly(ago), reason=str(event.get("reason") or ""), message=str(event.get("message") or "")
        )


# -- nodes ---------------------------------------------------------------------------------------------------------


def _pool_of(view: LineView, obj: Object) -> Pool | None:
    found = view.pool(pool_of(obj))
    if found is None:
        return None
    try:
        return read_pool(pool_of(obj), AcceleratorPoolSpec.model_validate(found["spec"]))
    except ValidationError:
        # Of another release: its status says so.
        return None


def _ask(obj: Object, pool: Pool) -> Ask | None:
    try:
        if obj["kind"] == "TrainingJob":
            return ask_of_job(TrainingJobSpec.model_validate(obj["spec"]), pool=pool)
        return ask_of_service(InferenceServiceSpec.model_validate(obj["spec"]), pool=pool)
    except ValidationError:
        return None


def usage_of(view: LineView) -> PoolUsage:
    """What is used, counted as the operator counts it."""
    usage = PoolUsage()
    feed = UsageFeed(usage)
    for kind, objects in (("AcceleratorPool", view.pools), ("Node", view.nodes), ("Pod", view.pods)):
        for obj in objects:
            feed.changed(Change(kind, None, obj))
    for obj in view.workloads:
        if (placement := placement_of(obj)) is not None:
            usage.put_reservation(
                Reservation(
                    workload=workload_of(obj),
                    pool=placement.pool,
                    need=need_of(placement),
                    seats=seats_of(placement),
                )
            )
    return usage


def _nodes(shape: PoolView, ask: Ask) -> list[NodeFacts]:
    found = [_node(node, shape.pool, ask) for node in shape.nodes]
    return sorted(found, key=lambda node: (-node.fits, -node.free, node.name))


def _node(node: NodeView, pool: Pool, ask: Ask) -> NodeFacts:
    fits = times_in(node.free, ask.need)
    free = pool.whole_units(node.free)
    if node.obstacle:
        why = node.obstacle
    elif fits:
        why = ""
    else:
        short = [name for name, amount in ask.need.items() if _lacks(node, name, amount)]
        why = "; ".join(_short(node, name, ask.need[name], pool) for name in short)
    return NodeFacts(name=node.name, free=free, fits=fits, why=why)


def _lacks(node: NodeView, name: str, amount: int) -> bool:
    return amount > 0 and times_in(node.free, {name: amount}) == 0


def _short(node: NodeView, name: str, amount: int, pool: Pool) -> str:
    """What of a resource is missing, and whether the node could ever have it."""
    what = _NAMES.get(name, "devices" if name == pool.resource else name)
    if times_in(node.offered, {name: amount}) == 0:
        return f"never has enough {what}"
    free = node.free.get(name, 0)
    if name == pool.resource:
        return f"{free} of {amount} {what} free"
    return f"too little {what} free"
