"""What `hostler queue` and `hostler explain` read: the cluster's objects, with the rights of whoever asks.

There is no endpoint behind this. What the user may not list is left out, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hostler.cli.access import Access, ask_cluster
from hostler.cluster.client import Client
from hostler.cluster.errors import Forbidden
from hostler.cluster.resources import resource_of
from hostler.planning import moments

Object = dict[str, Any]

KINDS = ("TrainingJob", "InferenceService")
"""Who stands in lines."""
_ENDS = frozenset({"Succeeded", "Stalled"})


@dataclass(frozen=True, kw_only=True)
class LineView:
    """The cluster as far as this user sees it, at one moment."""

    now: str
    """RFC 3339."""
    pools: tuple[Object, ...] = ()
    workloads: tuple[Object, ...] = ()
    """TrainingJobs and InferenceServices."""
    nodes: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    """About the one object that is explained."""
    unseen: tuple[str, ...] = ()
    """What the user may not list, as sentences."""
    namespace: str | None = None
    """The only one that is seen; None where all are."""
    here: str = "default"
    """The one that was asked in."""
    missing: frozenset[str] = field(default_factory=frozenset)
    """Kinds of which nothing could be listed."""

    def pool(self, name: str) -> Object | None:
        """The pool of this name."""
        return next((pool for pool in self.pools if pool["metadata"]["name"] == name), None)

    def line(self, pool: str) -> list[Object]:
        """Who waits for a pool, first come first. Places after the tenth are told in tens, so age decides there."""
        waiting = (obj for obj in self.workloads if pool_of(obj) == pool and queue_of(obj))
        return sorted(waiting, key=_order)

    def running(self, pool: str) -> list[Object]:
        """Who holds seats of a pool, the soonest end first."""
        those = [obj for obj in self.workloads if holds(obj, pool)]
        return sorted(those, key=lambda obj: left if (left := seconds_left(obj, now=self.now)) is not None else 1e18)


def read_view(kubeconfig: Path | None, *, namespace: str | None, explained: tuple[str, str] | None = None) -> LineView:
    """Read it; with nodes, pods and Events where an object is explained, given by kind (or nothing) and name. Raises
    ``click.ClickException`` in the words of a person."""
    return ask_cluster(partial(_read, explained=explained), kubeconfig=kubeconfig, namespace=namespace)


async def _read(access: Access, *, explained: tuple[str, str] | None) -> LineView:
    client, namespace = access.client, access.namespace
    pools, no_pools = await _listed(client, "AcceleratorPool")
    workloads: list[Object] = []
    only: str | None = None
    for kind in KINDS:
        found, refused = await _listed(client, kind)
        if refused:
            found, only = (await client.list(resource_of(kind), namespace=namespace)).items, namespace
        workloads += found
    unseen = [f"You may not list the {what}." for what, refused in (("pools", no_pools),) if refused]
    if only is not None:
        unseen.append(f"You may list jobs and services of namespace {only} alone: those of others are not shown.")
    nodes: list[Object] = []
    pods: list[Object] = []
    events: list[Object] = []
    missing = set()
    if explained is not None:
        nodes, no_nodes = await _listed(client, "Node")
        pods, no_pods = await _listed(client, "Pod")
        missing = {kind for kind, refused in (("Node", no_nodes), ("Pod", no_pods)) if refused}
        for obj in _called(workloads, explained, namespace=namespace):
            fields = {"involvedObject.uid": obj["metadata"]["uid"]}
            events += await _first_events(client, namespace, fields)
    return LineView(
        now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        pools=tuple(pools),
        workloads=tuple(workloads),
        nodes=tuple(nodes),
        pods=tuple(pods),
        events=tuple(events),
        unseen=tuple(unseen),
        namespace=only,
        here=namespace,
        missing=frozenset(missing),
    )


async def _listed(client: Client, kind: str) -> tuple[list[Object], bool]:
    """All objects of a kind, or that they may not be listed."""
    try:
        return (await client.list(resource_of(kind))).items, False
    except Forbidden:
        return [], True


async def _first_events(client: Client, namespace: str, fields: dict[str, str]) -> list[Object]:
    try:
        return list(await client.first(resource_of("Event"), namespace=namespace, fields=fields, limit=500))
    except Forbidden:
        return []


def _called(workloads: list[Object], explained: tuple[str, str], *, namespace: str) -> Iterator[Object]:
    kind, name = explained
    for obj in workloads:
        if obj["metadata"]["name"] == name and obj["metadata"]["namespace"] == namespace and kind in ("", obj["kind"]):
            yield obj


def _order(obj: Object) -> tuple[int, str, str, str]:
    queue = queue_of(obj)
    return int(queue["position"]), str(queue.get("since", "")), obj["metadata"]["namespace"], obj["metadata"]["name"]


# -- what an object says -------------------------------------------------------------------------------------------


def pool_of(obj: Object) -> str:
    """The pool that an object asks for."""
    named = ((obj.get("spec") or {}).get("accelerators") or {}).get("pool")
    return str(named or ((obj.get("status") or {}).get("choice") or {}).get("pool") or "")


def queue_of(obj: Object) -> Object:
    """Its place in line; empty where it is in none."""
    return dict((obj.get("status") or {}).get("queue") or {})


def condition(obj: Object, kind: str) -> Object:
    """A condition of it; empty where it has none of this type."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((dict(found) for found in conditions if found.get("type") == kind), {})


def has_ended(obj: Object) -> bool:
    """Whether it holds nothing any more, for good."""
    return any(condition(obj, kind).get("status") == "True" for kind in _ENDS)


def holds(obj: Object, pool: str) -> bool:
    """Whether seats of a pool are reserved for it."""
    placement = (obj.get("status") or {}).get("placement") or {}
    return bool(placement.get("nodes")) and placement.get("pool") == pool and not has_ended(obj)


def title(obj: Object) -> str:
    """Kind, namespace and name."""
    return f"{obj['kind']} {full_name(obj)}"


def full_name(obj: Object) -> str:
    """Namespace and name."""
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def seconds_left(obj: Object, *, now: str) -> float | None:
    """Until it is expected to end: by its progress, else by its estimate; None where neither says."""
    status = obj.get("status") or {}
    eta = (status.get("progress") or {}).get("eta")
    if isinstance(eta, str) and (left := moments.seconds_of(eta)) is not None:
        return left
    estimate = (obj.get("spec") or {}).get("estimatedDuration")
    started = status.get("startTime")
    if not isinstance(estimate, str) or not started or (whole := moments.seconds_of(estimate)) is None:
        return None
    return whole - moments.elapsed(str(started), now=now)


def in_time(moment: str | None, *, now: str) -> str:
    """How far ahead a moment is: ``12m00s``, ``now``; empty where there is none."""
    if not moment:
        return ""
    ahead = moments.elapsed(now, now=moment)
    return shortly(ahead) if ahead > 0 else "now"


def shortly(seconds: float) -> str:
    """A span for a narrow column: minutes without seconds."""
    return f"{int(seconds // 60)}m" if 60 <= seconds < 3600 else moments.duration(seconds)
