"""Moments at which somebody in line could have others leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from floor import need, request

from hostler.planning.admission import Plan, plan
from hostler.planning.policy import policy_of
from hostler.planning.preemption import preemptions
from hostler.planning.quotas import Accounts
from hostler.planning.room import Room
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Request, Reservation, Seats, Workload
from hostler.planning.victims import Scene

NOW = 100_000.0
TEAMS = {"queue": {"quotas": [{"namespaces": ["a"], "nominal": 4}, {"namespaces": ["b"], "nominal": 4}]}}


def held(name: str, seats: Seats, *, kind: str = "TrainingJob", devices: int = 1, **more: Any) -> Reservation:
    """A job of namespace ``default``, or of the one before a slash, that has trained for an hour since its newest
    checkpoint."""
    namespace, _, own = name.rpartition("/")
    fields = {"pool": "gpu", "need": need(devices), "started": NOW - 7200, "saved": NOW - 3600} | more
    return Reservation(workload=Workload(kind, namespace or "default", own), seats=seats, **fields)


def asks(name: str, pods: int | tuple[int, int] = 1, *, kind: str = "TrainingJob", **more: Any) -> Request:
    """Somebody of high priority in line."""
    namespace, _, own = name.rpartition("/")
    asked = request(own, pods, **{"priority": 10, **more})
    return replace(asked, workload=Workload(kind, namespace or "default", own))


def scene(found: PoolUsage, *holders: Reservation, ends: dict[str, float] | None = None) -> Scene:
    """A moment at which these hold seats."""
    for each in holders:
        found.put_reservation(each)
    snapshot = found.snapshot(["gpu"])
    pool = snapshot.pools["gpu"]
    return Scene(
        room=Room(pool, snapshot.free),
        free=snapshot.free,
        holders=holders,
        accounts=Accounts(
            pool.pool, policy_of(pool.pool.spec.queue), allocatable=pool.allocatable, holders=snapshot.holders
        ),
        now=NOW,
        ends={Workload("TrainingJob", "default", name): at for name, at in (ends or {}).items()},
    )


def victims(asked: Request, at: Scene) -> dict[str, str]:
    """Names and reasons."""
    return {workload.name: found.why.value for workload, found in preemptions(asked, at).items()}


def decided(found: PoolUsage, *requests: Request) -> Plan:
    """One pass."""
    return plan(found.snapshot(["gpu"]), requests, NOW)
