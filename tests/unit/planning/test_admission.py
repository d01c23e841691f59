"""Who gets which nodes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from floor import GPU, answers, hold, need, node, pod, put_pool, request, usage, workload
from tables import table

from hostler.planning.resources import holds
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Loss, Obstacle, Request, Reservation, Seats, TakeBack, Wait


@table(
    ("gpus", "asked", "want"),
    {
        "one pod goes to the node with the least room that is enough": ((8, 2, 4), request("a"), {"n1": 1}),
        "a gang goes to one node that holds all of it": ((8, 4, 2), request("a", 2, devices=2), {"n1": 2}),
        "a gang that no node holds takes the roomiest nodes first": ((8, 2, 8), request("a", 10), {"n0": 8, "n1": 2}),
        "it gets all that it can use": ((4, 4), request("a", (1, 3)), {"n0": 3}),
        "and fewer where fewer fit": ((1, 1), request("a", (1, 8)), {"n0": 1, "n1": 1}),
        "a pod never spans two nodes": ((3, 3), request("a", (1, 4), devices=2), {"n0": 1, "n1": 1}),
    },
)
def test_where_pods_go(gpus: tuple[int, ...], asked: Request, want: Seats) -> None:
    verdict = answers(usage(*gpus), asked)["a"]
    assert isinstance(verdict, Admit)
    assert verdict.seats == want


@table(
    ("found", "asked", "want"),
    {
        "free devices lie apart": (usage(1, 1), request("a", devices=2), Obstacle.WAITING_FOR_CAPACITY),
        "one pod too few": (usage(2), request("a", 3), Obstacle.WAITING_FOR_CAPACITY),
        "the quota is in the way": (usage(8, quota={"accelerators": 2}), request("a", 3), Obstacle.QUOTA_EXCEEDED),
        "no device at all": (usage(0), request("a"), Obstacle.POOL_NOT_READY),
        "no node at all": (usage(), request("a"), Obstacle.POOL_NOT_READY),
        "the pool has been deleted": (usage(8), request("a", pool="gone"), Obstacle.POOL_NOT_READY),
    },
)
def test_what_does_not_fit_waits_for_a_reason(found: PoolUsage, asked: Request, want: Obstacle) -> None:
    verdict = answers(found, asked)["a"]
    assert isinstance(verdict, Wait)
    assert (verdict.obstacle, verdict.position, verdict.waiting) == (want, 1, 1)


def test_the_quota_leaves_a_part_of_what_would_fit() -> None:
    verdict = answers(usage(8, quota={"accelerators": 5}), request("a", (1, 8), devices=2))["a"]
    assert isinstance(verdict, Admit)
    assert verdict.pods == 2


def test_the_oldest_comes_first_whatever_the_order_of_asking() -> None:
    line = [request("young", 4, since=20), request("old", 4, since=10)]
    for asked in (line, line[::-1]):
        found = answers(usage(4), *asked)
        assert isinstance(found["old"], Admit)
        assert isinstance(found["young"], Wait)


def test_who_does_not_fit_lets_others_pass_and_keeps_its_place() -> None:
    found = answers(usage(4), request("big", 8, since=1), request("next", 5, since=2), request("small", 2, since=3))
    assert isinstance(found["small"], Admit)
    assert [(found[name].position, found[name].waiting) for name in ("big", "next")] == [(1, 2), (2, 2)]


def test_two_gangs_are_never_given_halves() -> None:
    """8 + 8 devices, two gangs of 2 x 4 promised: the third of 1 x 8 has nowhere to go."""
    found = usage(8, 8)
    for name in ("a", "b"):
        asked = request(name, 2, devices=4)
        verdict = answers(found, asked)[name]
        assert isinstance(verdict, Admit)
        assert len(verdict.seats) == 1, "a gang that fits into one node takes one"
        hold(found, asked, verdict)
    assert isinstance(answers(found, request("c", devices=8))["c"], Wait)


def test_pools_whose_selectors_overlap_see_each_others_seats() -> None:
    found = usage(8)
    put_pool(found, "same")
    verdicts = answers(found, request("a", devices=8, since=1), request("b", devices=8, since=2, pool="same"))
    assert isinstance(verdicts["a"], Admit)
    assert isinstance(verdicts["b"], Wait)


def test_a_seat_is_kept_from_one_attempt_to_the_next_although_others_wait_longer() -> None:
    found = usage(4, 4)
    asked = request("mine", 2, devices=4, since=50)
    hold(found, asked, Admit(seats={"n0": 1, "n1": 1}))
    again = replace(asked, holding={"n0": 1, "n1": 1})
    verdicts = answers(found, again, request("old", 2, devices=4, since=1))
    assert verdicts["mine"] == Admit(seats={"n0": 1, "n1": 1})
    assert isinstance(verdicts["old"], Wait)


def test_a_lost_node_costs_its_own_seats_only() -> None:
    found = usage(4, 4, 4)
    asked = request("mine", 2, devices=4)
    hold(found, asked, Admit(seats={"n0": 1, "n1": 1}))
    found.remove_node("n1")
    assert answers(found, replace(asked, holding={"n0": 1, "n1": 1}))["mine"] == Admit(seats={"n0": 1, "n2": 1})


def test_seats_that_cannot_be_made_whole_again_go_to_others_once_they_are_given_up() -> None:
    """Not in the same breath: the status still names them, and after a crash two would have them."""
    found = usage(4, 4, quota={"accelerators": 8})
    asked = request("mine", 2, devices=4)
    hold(found, asked, Admit(seats={"n0": 1, "n1": 1}))
    found.remove_node("n1")
    other = request("other", devices=4, since=99)
    verdicts = answers(found, replace(asked, holding={"n0": 1, "n1": 1}), other)
    assert isinstance(verdicts["mine"], Wait)
    assert isinstance(verdicts["other"], Wait)
    found.remove_reservation(asked.workload)
    assert answers(found, asked, other)["other"] == Admit(seats={"n0": 1}, backfilled=True)


@table(
    ("again", "kept"),
    {
        "fewer pods, by a quota that has shrunk": (request("mine", (1, 6), holding={"n0": 6}), 3),
        "smaller pods": (request("mine", 3, holding={"n0": 3}, held_need=need(2)), 3),
    },
)
def test_what_is_given_up_is_nobodys_until_that_is_written_down(again: Request, kept: int) -> None:
    found = usage(6, quota={"accelerators": 3})
    found.put_reservation(
        Reservation(workload=again.workload, pool="gpu", need=again.held_need or again.need, seats=again.holding)
    )
    put_pool(found, "same", nodeSelector={"hostler.dev/pool": "gpu"})
    verdicts = answers(found, again, request("other", since=99, pool="same"))
    assert verdicts["mine"] == Admit(seats={"n0": kept})
    assert isinstance(verdicts["other"], Wait)


def test_a_seat_that_is_granted_in_place_of_another_holds_both_until_it_is_written_down() -> None:
    found = usage(4, 4, 4)
    asked = request("mine", 2, devices=2)
    written = hold(found, asked, Admit(seats={"n0": 1, "n1": 1}))
    hold(found, asked, Admit(seats={"n0": 1, "n2": 1}), instead_of=written)
    assert [found.free(name)[GPU] for name in ("n0", "n1", "n2")] == [2, 2, 2]
    view = found.view("gpu")
    assert view is not None
    assert view.held == 4
    hold(found, asked, Admit(seats={"n0": 1, "n2": 1}))
    assert [found.free(name)[GPU] for name in ("n0", "n1", "n2")] == [2, 4, 2]
    found.remove_reservation(asked.workload)
    assert [found.free(name)[GPU] for name in ("n0", "n1", "n2")] == [4, 4, 4]


def test_a_shrunken_quota_shrinks_what_is_kept() -> None:
    found = usage(8, quota={"accelerators": 3})
    asked = request("mine", (1, 6))
    hold(found, asked, Admit(seats={"n0": 6}))
    verdict = answers(found, replace(asked, holding={"n0": 6}))["mine"]
    assert isinstance(verdict, Admit)
    assert verdict.pods == 3


def test_a_pod_for_a_while_comes_after_everybody_who_waits() -> None:
    found = usage(3)
    service = request("service", 2, surge=1, since=1)
    assert answers(found, service)["service"] == Admit(seats={"n0": 2}, surge={"n0": 1})
    assert answers(found, service, request("job", since=2))["service"] == Admit(seats={"n0": 2})


@table(
    ("change", "want"),
    {
        "the deadline has passed": (lambda found: None, TakeBack(loss=Loss.PODS_DID_NOT_COME, nodes=("n0",))),
        "the node has gone": (lambda found: found.remove_node("n0"), TakeBack(loss=Loss.NODE_GONE, nodes=("n0",))),
        "a stranger sits there": (
            lambda found: found.put_pod("s", pod("s", devices=6), node="n0", workload=None, bound=True),
            TakeBack(loss=Loss.SEAT_TAKEN, nodes=("n0",)),
        ),
    },
)
def test_seats_are_taken_back(change, want: TakeBack) -> None:  # type: ignore[no-untyped-def]
    found = usage(8)
    asked = request("a", devices=4)
    hold(found, asked, Admit(seats={"n0": 1}), deadline=100.0)
    assert answers(found, now=99.0) == {}
    change(found)
    assert answers(found, now=100.0)["a"] == want


def test_pods_that_have_come_are_left_alone() -> None:
    found = usage(8)
    hold(found, request("a", devices=4), Admit(seats={"n0": 1}), deadline=100.0)
    found.put_pod("p", pod("p", devices=4), node="n0", workload=workload("a"), bound=True)
    found.put_pod("s", pod("s", devices=6), node="n0", workload=None, bound=True)
    assert answers(found, now=99.0) == {}, "its own pod is there: what a stranger overdraws is not its seat"


def test_the_first_in_line_is_told_when_enough_is_expected_to_be_given_back() -> None:
    found = usage(4, 4)
    for name, seat, ends in (("a", "n0", 300.0), ("b", "n1", 100.0)):
        hold(found, request(name, devices=4), Admit(seats={seat: 1}))
        found.foretell(workload(name), ends)
    verdicts = answers(found, request("one", devices=4, since=1), request("next", devices=4, since=2), now=50.0)
    assert verdicts["one"].expected_seconds == 50.0
    assert verdicts["next"].expected_seconds == 250.0, "where the first one does not go"
    both = answers(found, request("both", 2, devices=4), now=50.0)["both"]
    assert isinstance(both, Wait)
    assert both.expected_seconds == 250.0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_no_node_is_given_away_twice(seed: int) -> None:
    rng = random.Random(seed)
    found = usage(*[rng.choice([2, 4, 8]) for _ in range(12)], quota={"accelerators": rng.choice([20, 1000])})
    put_pool(found, "half", nodeSelector={"zone": "a"})
    for number in range(12, 18):
        found.put_node(node(f"n{number}", labels={"hostler.dev/pool": "gpu", "zone": "a"}))
    held: dict[str, Request] = {}
    line: dict[str, Request] = {}
    for step in range(120):
        event = rng.random()
        if event < 0.5:
            pods = rng.choice([1, 1, 2, 4])
            asked = request(
                f"j{step}", (pods, pods + rng.choice([0, 0, 2])), devices=rng.choice([1, 2, 4, 8]), since=step,
                pool=rng.choice(["gpu", "half"]),
            )  # fmt: skip
            line[asked.workload.name] = asked
        elif event < 0.8 and held:
            done = rng.choice(sorted(held))
            found.remove_reservation(held.pop(done).workload)
        verdicts = answers(found, *line.values(), now=float(step))
        assert verdicts == answers(found, *reversed(line.values()), now=float(step)), f"seed {seed}: not deterministic"
        for name, verdict in verdicts.items():
            if isinstance(verdict, Admit):
                assert line[name].least <= verdict.pods <= line[name].most
                hold(found, line[name], verdict)
                held[name] = line.pop(name)
        for number in range(18):
            assert all(amount >= 0 for amount in found.free(f"n{number}").values()), f"seed {seed}, step {step}"
        for asked in line.values():
            room = sum(holds(found.free(name), asked.need) for name in members(found, asked.pool))
            allowed = asked.most if asked.pool == "half" else quota_left(found, asked)
            assert min(room, allowed) < asked.least, f"seed {seed}: {asked} could run"


def members(found: PoolUsage, pool: str) -> list[str]:
    view = found.shape(pool)
    assert view is not None
    return [each.name for each in view.nodes]


def quota_left(found: PoolUsage, asked: Request) -> int:
    view = found.view(asked.pool)
    assert view is not None
    assert view.pool.spec.quota is not None
    return (view.pool.spec.quota.accelerators - view.held) // asked.need[GPU]


def test_a_line_of_equal_requests_costs_one_look_at_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growth is what counts: twice the line must not mean twice the looks."""
    looks = 0

    def counted(free: dict[str, int], wanted: dict[str, int]) -> int:
        nonlocal looks
        looks += 1
        return holds(free, wanted)

    monkeypatch.setattr("hostler.planning.room.holds", counted)
    found = usage(*[1] * 200)
    cost = {}
    for length in (100, 200, 400):
        looks = 0
        answers(found, *[request(f"j{i}", devices=2, need=need(1, cpu=65_000)) for i in range(length)])
        cost[length] = looks
    assert cost[100] == cost[200] == cost[400] <= 3 * 200
