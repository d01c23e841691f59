"""What an autoscaler may add, promised to gangs before it is there."""

from __future__ import annotations

from typing import Any

import pytest
from floor import GPU, answers, hold, need, node, pod, request, usage, view_of, workload
from tables import table

from hostler.api.pool import AcceleratorPoolSpec, PoolReason
from hostler.planning.placement import loss_sentence
from hostler.planning.poolgrowth import Growth, Released, learned, settle
from hostler.planning.pools import describe, read_pool
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Loss, Obstacle, Seats, TakeBack, Wait, Workload

SHAPE = {"accelerators": 4, "cpu": "64", "memory": "512Gi"}


def scaling(**fields: Any) -> dict[str, Any]:
    """Up to two nodes of four devices."""
    return {"maxNodes": 2, "nodeShape": SHAPE, "startupTime": "5m"} | fields


def growing(*gpus: int, **fields: Any) -> PoolUsage:
    """A pool over these nodes, which grows."""
    return usage(*gpus, scaling=scaling(**fields))


@table(
    ("found", "asked", "want"),
    {
        "no node is there": (growing(), request("a", devices=4), {"+1": 1}),
        "a gang gets as many nodes as it needs": (growing(), request("a", 2, devices=4), {"+1": 1, "+2": 1}),
        "several pods share a new node": (growing(), request("a", 3, devices=2), {"+1": 2, "+2": 1}),
        "what is there is used too": (growing(4), request("a", 2, devices=4), {"n0": 1, "+1": 1}),
        "what fits now gets no new node": (growing(4), request("a", devices=4), {"n0": 1}),
        "it gets all that it can use of what may be there": (
            growing(),
            request("a", (1, 9), devices=4),
            {"+1": 1, "+2": 1},
        ),
    },
)
def test_who_fits_what_could_be_there_is_released(found: PoolUsage, asked: Any, want: Seats) -> None:
    verdict = answers(found, asked)["a"]
    assert isinstance(verdict, Admit)
    assert verdict.seats == want


@table(
    ("found", "asked"),
    {
        "more than there may be": (growing(), request("a", 3, devices=4)),
        "more on one node than a new one has": (growing(), request("a", devices=5)),
        "more memory than a new one has": (growing(), request("a", need=need(1) | {"memory": 2**40})),
        "all that may be there is there": (growing(4, 4), request("a", 3, devices=4)),
        "beyond the quota": (
            usage(scaling=scaling(), quota={"accelerators": 2}),
            request("a", devices=4),
        ),
    },
)
def test_who_does_not_fit_waits(found: PoolUsage, asked: Any) -> None:
    assert isinstance(answers(found, asked)["a"], Wait)


def test_without_a_node_who_waits_waits_for_capacity_and_the_pool_is_no_trouble() -> None:
    verdict = answers(growing(), request("a", 3, devices=4))["a"]
    assert isinstance(verdict, Wait)
    assert verdict.obstacle is Obstacle.WAITING_FOR_CAPACITY


def test_two_gangs_are_not_promised_the_same_growth() -> None:
    found = answers(growing(), request("a", 2, devices=4, since=1), request("b", devices=4, since=2))
    assert isinstance(found["a"], Admit)
    assert isinstance(found["b"], Wait)


@table(
    ("devices", "estimate", "want"),
    {
        "not by one that would be on the node that is there": (2, 1e6, None),
        "nor by one that would be on the node that is to come": (4, 1e6, None),
        "but by one that has ended before": (2, 50.0, {"n0": 1}),
    },
)
def test_a_gang_that_needs_all_that_there_may_be_is_passed_by_nobody_who_delays_it(
    devices: int, estimate: float, want: Seats | None
) -> None:
    found = growing(4)
    hold(found, request("runs", devices=2), Admit(seats={"n0": 1}), started=0.0)
    found.foretell(workload("runs"), 100.0)
    gang = request("gang", 2, devices=4, priority=1)
    told = answers(found, gang, request("small", devices=devices, estimate=estimate))
    assert isinstance(told["gang"], Wait)
    assert told["gang"].expected_seconds == 100.0
    small = told["small"]
    assert (small.seats if isinstance(small, Admit) else None) == want


def test_what_was_released_before_counts() -> None:
    found = growing()
    asked = request("a", devices=3)
    hold(found, asked, Admit(seats={"+1": 1}))
    verdicts = answers(found, request("b", devices=1, since=1), request("c", 2, devices=4, since=2))
    assert isinstance(verdicts["b"], Admit)
    assert verdicts["b"].seats == {"+1": 1}, "room is left on the node that is promised"
    assert isinstance(verdicts["c"], Wait), "and one more may come beside it, not two"


class TestNodesThatCome:
    """A gang was released for two nodes, and the pool may have two."""

    @staticmethod
    def released(found: PoolUsage) -> Any:
        asked = request("first", 2, devices=4)
        verdict = answers(found, asked)["first"]
        assert isinstance(verdict, Admit)
        hold(found, asked, verdict, deadline=900.0)
        return asked

    def test_are_for_whom_they_were_released(self) -> None:
        found = growing()
        self.released(found)
        found.put_node(node("new-a", gpus=4))
        assert isinstance(answers(found, request("late", since=5))["late"], Wait)

    def test_leave_what_they_have_beyond_that_to_others(self) -> None:
        found = growing()
        asked = request("first", devices=2)
        hold(found, asked, Admit(seats={"+1": 1}), deadline=900.0)
        found.put_node(node("new-a", gpus=4))
        verdicts = answers(found, request("late", devices=2, since=5), request("later", devices=4, since=6))
        assert isinstance(verdicts["late"], Admit)
        assert verdicts["late"].seats == {"new-a": 1}
        assert isinstance(verdicts["later"], Admit)
        assert verdicts["later"].seats == {"+1": 1}, "what is promised has come, so that one more may"

    def test_are_not_promised_again_once_pods_are_bound_and_before_the_status_says_so(self) -> None:
        found = growing()
        asked = self.released(found)
        for name in ("new-a", "new-b"):
            found.put_node(node(name, gpus=4))
            found.put_pod(name, pod(name, devices=4), node=name, workload=asked.workload, bound=True)
        snapshot = found.snapshot({"gpu"})
        growth = snapshot.pools["gpu"].growth
        assert growth is not None
        assert (growth.spare, growth.taken) == (0, {})
        assert [snapshot.free[name][GPU] for name in ("new-a", "new-b")] == [0, 0]

    def test_go_to_who_waits_where_somebody_ends_meanwhile(self) -> None:
        """The scheduler puts a pod without a node of its own wherever there is room, and nobody asks us."""
        found = growing(4)
        runs = request("runs", devices=4)
        hold(found, runs, Admit(seats={"n0": 1}))
        waits = request("waits", devices=4)
        hold(found, waits, Admit(seats={"+1": 1}), deadline=900.0)
        found.remove_reservation(runs.workload)
        verdict = answers(found, request("late", devices=4, since=5))["late"]
        assert isinstance(verdict, Admit)
        assert verdict.seats == {"+1": 1}

    def test_that_do_not_come_in_time_are_given_up(self) -> None:
        found = growing()
        self.released(found)
        assert answers(found, now=899.0) == {}
        lost = answers(found, now=900.0)["first"]
        assert lost == TakeBack(loss=Loss.NODES_DID_NOT_COME, nodes=("+1", "+2"))
        assert isinstance(lost, TakeBack)
        assert loss_sentence(lost).startswith("The pool has not grown in time: 2 more nodes did not come.")


@table(
    ("seats", "occupied", "want"),
    {
        "nobody has come": ({"+1": 2}, {}, {"+1": 2}),
        "not all have come": ({"+1": 2}, {"a": 1}, {"+1": 2}),
        "all have come": ({"+1": 1, "+2": 1}, {"b": 1, "a": 1}, {"a": 1, "b": 1}),
        "one sits elsewhere than it had a seat": ({"n0": 1, "+1": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1}),
        "both have come to one node": ({"n0": 1, "+1": 1}, {"a": 2}, {"a": 2}),
    },
)
def test_once_all_pods_are_bound_their_nodes_are_known(seats: Seats, occupied: Seats, want: Seats) -> None:
    assert learned(seats, occupied) == want


def test_who_was_promised_first_sits_down_first() -> None:
    first = Released(workload=Workload("TrainingJob", "a", "z"), need={GPU: 4}, new={"+1": 1})
    second = Released(workload=Workload("TrainingJob", "a", "b"), need={GPU: 4}, new={"+2": 1})
    for order in ([first, second], [second, first]):
        assert settle(order, {"n": {GPU: 4}}) == ({"n": {GPU: 0}}, {"+2": {GPU: 4}})


@pytest.mark.parametrize(("spare", "want"), [(0, {}), (1, {"+3": 1}), (2, {"+3": 1, "+1": 1})])
def test_promised_nodes_are_filled_before_others_and_count_as_spare(spare: int, want: Seats) -> None:
    growth = Growth(shape={GPU: 4}, spare=spare, taken={"+3": {GPU: 2}})
    assert growth.seats({GPU: 2, "cpu": 1}, 2) == want


@table(
    ("gpus", "fields", "want"),
    {
        "none, and none is needed": ((), {}, PoolReason.SCALED_TO_ZERO),
        "fewer than there should be": ((4,), {"minNodes": 2}, PoolReason.DEVICES_MISSING),
        "as many as there should be": ((4,), {"minNodes": 1}, PoolReason.DEVICES_AVAILABLE),
    },
)
def test_what_a_pool_that_grows_says_of_its_nodes(
    gpus: tuple[int, ...], fields: dict[str, Any], want: PoolReason
) -> None:
    spec = {"acceleratorType": "nvidia-a100-80", "nodeSelector": {"hostler.dev/pool": "gpu"}}
    pool = read_pool("gpu", AcceleratorPoolSpec.model_validate(spec | {"scaling": scaling(**fields)}))
    nodes = [node(f"n{number}", gpus=count) for number, count in enumerate(gpus)]
    assert describe(view_of(pool, *nodes))[0] is want
