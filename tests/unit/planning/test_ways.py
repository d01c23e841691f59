"""What would let somebody in line start now, and the sentences about the line."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from floor import answers, hold, node, put_pool, request, usage, workload
from tables import table

from hostler.api.common import Topology
from hostler.planning.placement import Ask, wait_sentence, ways_sentence
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Obstacle, Release, Request, Wait, Ways, Workload
from hostler.planning.ways import WaysFinder

ASK = Ask(who="the job", least=1, most=1, need=request("a").need, namespace="default")


def waits(found: PoolUsage, asked: Request) -> Wait:
    verdict = answers(found, asked)[asked.workload.name]
    assert isinstance(verdict, Wait)
    return verdict


def ways(found: PoolUsage, asked: Request, *, wait: Wait | None = None, others: int = 0) -> Ways:
    """Of one in line, with so many others in the line of the pool ``other``."""
    finder = WaysFinder(
        snapshot=lambda: found.snapshot(found.names()),
        holders=found.reservations,
        lines=Counter({asked.pool: 1, "other": others}),
    )
    told = wait or waits(found, asked)
    return finder.of(asked, told, first_starts="2026-01-01T12:00:00Z", now="2026-01-01T11:00:00Z")


def held(*gpus: int, devices: int, priority: int = 0, by: Workload | None = None, **spec: Any) -> PoolUsage:
    """A floor on whose first node somebody holds so many devices."""
    found = usage(*gpus, **spec)
    other = request("other", devices=devices)
    hold(found, replace(other, workload=by or other.workload), Admit(seats={"n0": 1}), priority=priority)
    return found


TWO_TEAMS: dict[str, Any] = {
    "quotas": [{"namespaces": ["default"], "nominal": 0}, {"namespaces": ["team-b"], "nominal": 8}]
}


def with_quota(limit: int, **spec: Any) -> PoolUsage:
    """A pool with room, of which namespace default may hold so much."""
    quota = {"namespaces": ["default"], "nominal": limit, "borrowingLimit": 0}
    return usage(8, queue={"quotas": [quota]}, **spec)


def with_another_pool(gpus: int, **spec: Any) -> PoolUsage:
    """A full pool, and another one over a node of its own."""
    found = held(4, devices=4, queue={"preemption": "disabled"})
    put_pool(found, "other", **spec)
    found.put_node(node("x0", gpus=gpus, labels={"hostler.dev/pool": "other"}))
    return found


OFF: dict[str, Any] = {"queue": {"preemption": "disabled"}}


@table(
    ("found", "asked", "want"),
    {
        "one pod that is larger than what is free on one node": (
            held(8, devices=5, **OFF),
            request("a", devices=8),
            Ways(less_per_pod=3),
        ),
        "a gang of which a part would fit": (held(8, devices=5, **OFF), request("a", 4), Ways(fewer_pods=3)),
        "a gang that must be in one domain": (
            held(4, devices=4, topologyKey="rack"),
            request("a", 2, topology=Topology.REQUIRED),
            Ways(),
        ),
        "what its namespace may borrow": (with_quota(2), request("a", devices=5), Ways(more_borrowing=3)),
        "what its namespace may borrow, where the pool's quota is in the way as well": (
            with_quota(2, quota={"accelerators": 4}),
            request("a", devices=5),
            Ways(),
        ),
        "nothing is free at all": (held(8, devices=8, **OFF), request("a"), Ways()),
        "a quota": (usage(8, quota={"accelerators": 2}), request("a", devices=5), Ways(more_quota=3)),
        "a quota, where there would be no room either": (
            held(4, devices=4, quota={"accelerators": 4}),
            request("a", devices=1),
            Ways(),
        ),
        "others of the same priority would have to leave": (
            held(8, devices=8, priority=5),
            request("a", priority=5),
            Ways(priority_above=5),
        ),
        "others of a higher one": (held(8, devices=8, priority=9), request("a", priority=5), Ways(priority_above=9)),
        "others of a lower one are not news: they leave already": (
            held(8, devices=8, priority=1),
            request("a", priority=5),
            Ways(),
        ),
        "a service, which never leaves": (
            held(8, devices=8, by=Workload("InferenceService", "default", "chat")),
            request("a"),
            Ways(),
        ),
        "jobs of another quota that have borrowed nothing, which leave for no priority": (
            held(8, devices=8, by=Workload("TrainingJob", "team-b", "bert"), queue=TWO_TEAMS),
            request("a"),
            Ways(),
        ),
        "a class that never has others leave": (held(8, devices=8), request("a", preempts=False), Ways()),
        "another pool of the same type has room": (with_another_pool(8), request("a"), Ways(pools=("other",))),
        "another pool that is too small": (with_another_pool(0), request("a"), Ways()),
        "another pool of another type": (
            with_another_pool(8, acceleratorType="nvidia-h100-80"),
            request("a"),
            Ways(),
        ),
        "another pool whose quota has no room": (
            with_another_pool(8, quota={"accelerators": 1}),
            request("a", devices=2),
            Ways(),
        ),
    },
)
def test_only_what_is_enough_by_itself_is_named(found: PoolUsage, asked: Request, want: Ways) -> None:
    assert ways(found, asked) == want


def test_a_pool_in_whose_line_somebody_stands_is_not_offered() -> None:
    assert ways(with_another_pool(8), request("a"), others=1) == Ways()


@table(
    ("estimate", "want"),
    {
        "it would have ended before": (1800.0, Ways(fewer_pods=3)),
        "it would be in the way": (7200.0, Ways()),
        "nobody knows": (None, Ways()),
    },
)
def test_a_smaller_job_behind_the_first_is_told_only_where_it_would_pass(estimate: float | None, want: Ways) -> None:
    found, asked = held(8, devices=5, **OFF), request("a", 4, estimate=estimate)
    assert ways(found, asked, wait=replace(waits(found, asked), position=2)) == want


def test_the_limit_of_a_namespace_is_not_taken_for_the_pools() -> None:
    found, asked = with_quota(2), request("a", 3)
    sentence = wait_sentence(pool(found), replace(ASK, least=3), waits(found, asked))
    assert sentence == (
        "The quota of namespace default allows 2 nvidia.com/gpu of pool gpu, borrowed ones included, of which 0 are "
        "held; the job needs 3 pods with 1 each. It starts when others of that quota end or its borrowingLimit is "
        "raised."
    )


def test_who_would_fit_and_waits_for_those_before_it_is_told_until_when() -> None:
    asked = request("a", 2)
    wait = replace(waits(usage(1), asked), fit=2, position=2)
    assert ways(usage(1), asked, wait=wait) == Ways(done_before="2026-01-01T12:00:00Z")
    assert "kept for those before it in line" in wait_sentence(pool(usage(1)), replace(ASK, least=2), wait)


def pool(found: PoolUsage) -> Any:
    view = found.view("gpu")
    assert view is not None
    return view.pool


@table(
    ("way", "want"),
    {
        "nothing": (Ways(), ""),
        "fewer pods": (Ways(fewer_pods=2), "The job would start now with spec.pods.min 2."),
        "several, of which each is enough": (
            Ways(less_per_pod=3, pools=("b",), priority_above=7),
            "The job would start now with spec.accelerators.perPod 3, or pool b, which has room, or a PriorityClass "
            "above 7, for which others would have to leave.",
        ),
        "more of what others leave idle": (
            Ways(more_borrowing=3),
            "The job would start now with a borrowingLimit of its namespace that is higher by 3 nvidia.com/gpu.",
        ),
        "being short": (
            Ways(done_before="2026-01-01T12:00:00Z"),
            "The job would start now with a spec.estimatedDuration that is over before 2026-01-01 12:00 UTC.",
        ),
    },
)
def test_ways_as_a_sentence(way: Ways, want: str) -> None:
    assert ways_sentence(pool(usage(8)), ASK, way) == want


THEIRS = Workload("TrainingJob", "team-b", "bert-7")


@table(
    ("policy", "release", "want"),
    {
        "of the same namespace": ("hidden", workload("long"), "from job default/long."),
        "of another one, which nobody is told": ("hidden", THEIRS, "from a job of another namespace."),
        "of another one, where the pool names them": ("named", THEIRS, "from job team-b/bert-7."),
        "a service": (
            "named",
            Workload("InferenceService", "team-b", "chat"),
            "from service team-b/chat.",
        ),
    },
)
def test_names_of_other_namespaces_are_told_where_the_pool_allows_it(policy: str, release: Workload, want: str) -> None:
    found = held(8, devices=8, queue={"otherNamespaces": policy})
    wait = replace(
        waits(found, request("a")),
        at="2026-01-01T12:00:00Z",
        next_release=Release(workload=release, seconds=700.0, pods=1),
    )
    sentence = wait_sentence(pool(found), ASK, wait)
    assert f"The next release is expected at 2026-01-01 12:20 UTC {want}" in sentence
    assert ("team-b" in sentence) is (policy == "named")


def test_who_leaves_for_it_is_said() -> None:
    wait = replace(waits(held(8, devices=8), request("a")), preempting=(THEIRS,))
    assert "A job of another namespace leaves for it" in wait_sentence(pool(held(8, devices=8)), ASK, wait)
    wait = replace(wait, preempting=(THEIRS, workload("b")), obstacle=Obstacle.PREEMPTING, fit=1)
    assert wait_sentence(pool(held(8, devices=8)), ASK, wait) == (
        "Pool gpu has 0 of 8 nvidia.com/gpu free, at most 0 on one node; the job needs 1 pod with 1 each. 2 jobs leave "
        "for it, with a checkpoint."
    )


def test_the_roomiest_node_is_named() -> None:
    wait = waits(held(8, 4, devices=6), request("a", devices=8))
    assert "Pool gpu has 6 of 12 nvidia.com/gpu free, at most 4 on one node (n1)" in wait_sentence(
        pool(usage(8)), ASK, wait
    )
