"""What is used of every node, change by change."""

from __future__ import annotations

import random
from typing import Any

import pytest
from floor import GPU, hold, node, pod, put_pool, request, usage, workload
from tables import table

from hostler.planning.resources import Resources, add, largest, of_pod, offered, subtract, times
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Reservation

Object = dict[str, Any]


def gpus(found: PoolUsage, name: str = "n0") -> int:
    return found.free(name).get(GPU, 0)


def test_a_seat_is_taken_before_its_pod_comes_and_not_twice_after() -> None:
    found = usage(8)
    hold(found, request("a", 2, devices=2), Admit(seats={"n0": 2}))
    assert gpus(found) == 4
    found.put_pod("p", pod("p", devices=2), node="n0", workload=workload("a"), bound=True)
    assert gpus(found) == 4
    assert found.unbound(Reservation(workload=workload("a"), pool="gpu", need={}, seats={"n0": 2})) == {"n0": 1}


def test_pods_beyond_the_seats_count_by_themselves() -> None:
    found = usage(8)
    hold(found, request("a", devices=2), Admit(seats={"n0": 1}))
    for uid in ("p", "q"):
        found.put_pod(uid, pod(uid, devices=2), node="n0", workload=workload("a"), bound=True)
    assert gpus(found) == 4


def test_pods_outlive_a_seat_that_is_given_back() -> None:
    found = usage(8)
    hold(found, request("a", 2, devices=2), Admit(seats={"n0": 2}))
    found.put_pod("p", pod("p", devices=2), node="n0", workload=workload("a"), bound=True)
    found.remove_reservation(workload("a"))
    assert gpus(found) == 6
    found.remove_pod("p")
    assert gpus(found) == 8


def test_a_label_reserves_nothing() -> None:
    """Pods that can never start, under our labels, made a pool of free devices look full."""
    found = usage(4)
    for number in range(4):
        found.put_pod(f"p{number}", pod(f"p{number}"), node=None, workload=workload("made-up"), bound=False)
    assert gpus(found) == 4


def test_a_pod_that_was_heard_of_before_its_node_counts_once_the_node_is_there() -> None:
    found = usage()
    found.put_pod("p", pod("p", devices=2), node="late", workload=None, bound=True)
    found.put_node(node("late"))
    assert gpus(found, "late") == 6


def test_nothing_is_remembered_of_what_is_gone() -> None:
    found = usage(8)
    hold(found, request("a", devices=2), Admit(seats={"n0": 1}), deadline=1.0)
    found.put_pod("p", pod("p"), node="n0", workload=workload("a"), bound=True)
    found.put_pod("q", pod("q"), node="elsewhere", workload=None, bound=True)
    found.remove_pod("p")
    found.remove_pod("q")
    found.remove_reservation(workload("a"))
    found.remove_node("n0")
    found.remove_pool("gpu")
    kept = {name: value for name, value in vars(found).items() if isinstance(value, dict) and value}
    assert kept == {}


@table(
    ("change", "want"),
    {
        "a pod comes": (lambda f: f.put_pod("p", pod("p"), node="n0", workload=None, bound=True), {"gpu", "other"}),
        "a seat is reserved": (lambda f: hold(f, request("a"), Admit(seats={"n1": 1})), {"gpu"}),
        "a node becomes unready": (lambda f: f.put_node(node("n1", ready=False)), {"gpu"}),
        "a node goes": (lambda f: f.remove_node("n0"), {"gpu", "other"}),
        "a node leaves one of its pools": (lambda f: f.put_node(node("n0")), {"other"}),
        "a node says the same again": (lambda f: f.put_node(node("n1")), set()),
    },
)
def test_pools_whose_figures_may_have_moved_are_told(change, want: set[str]) -> None:  # type: ignore[no-untyped-def]
    told: set[str] = set()
    found = PoolUsage(touched=told.add)
    put_pool(found, "gpu")
    put_pool(found, "other", nodeSelector={"zone": "a"})
    found.put_node(node("n0", labels={"hostler.dev/pool": "gpu", "zone": "a"}))
    found.put_node(node("n1"))
    told.clear()
    change(found)
    assert told == want


def test_figures_of_a_pool() -> None:
    found = usage(8, 4)
    hold(found, request("a", 2, devices=2), Admit(seats={"n0": 2}))
    found.put_pod("p", pod("p", devices=2), node="n0", workload=workload("a"), bound=True)
    found.put_pod("s", pod("s", devices=1), node="n1", workload=None, bound=True)
    view = found.view("gpu")
    assert view is not None
    assert (view.capacity, view.allocatable, view.in_use, view.held, view.free) == (12, 12, 3, 4, 7)
    assert view.largest_free_block == 4


@pytest.mark.parametrize("seed", range(10))
def test_after_any_changes_the_sums_are_those_of_a_count_from_nothing(seed: int) -> None:
    rng = random.Random(seed)
    found = usage(8, 8, 4)
    nodes = {f"n{number}": node(f"n{number}", gpus=count) for number, count in enumerate((8, 8, 4))}
    pods: dict[str, tuple[Object, str, str | None]] = {}
    seats: dict[str, Reservation] = {}
    for _ in range(300):
        name = f"w{rng.randrange(4)}"
        match rng.randrange(5):
            case 0:
                uid, where = f"p{rng.randrange(8)}", rng.choice(sorted(nodes))
                owner = rng.choice([name, None])
                body = pod(uid, devices=rng.randrange(3))
                pods[uid] = (body, where, owner)
                found.put_pod(uid, body, node=where, workload=workload(owner) if owner else None, bound=True)
            case 1 if pods:
                uid = rng.choice(sorted(pods))
                del pods[uid]
                found.remove_pod(uid)
            case 2:
                chosen = {each: rng.randrange(1, 3) for each in rng.sample(sorted(nodes), rng.randrange(1, 3))}
                seats[name] = hold(found, request(name, devices=rng.randrange(1, 3)), Admit(seats=chosen))
            case 3 if seats:
                gone = rng.choice(sorted(seats))
                del seats[gone]
                found.remove_reservation(workload(gone))
            case 4:
                found.put_node(nodes[rng.choice(sorted(nodes))])
        for each, body in nodes.items():
            want = counted(each, body, pods, seats)
            have = found.free(each)
            assert {k: v for k, v in have.items() if v} == {k: v for k, v in want.items() if v}, f"seed {seed}"


def counted(
    name: str, body: Object, pods: dict[str, tuple[Object, str, str | None]], seats: dict[str, Reservation]
) -> Resources:
    """What is left of a node, from all pods and all seats."""
    free = offered(body["status"]["allocatable"])
    for owner in {owner for _, _, owner in pods.values()} | set(seats):
        held: Resources = {}
        for each, where, whose in pods.values():
            if where == name and whose == owner:
                held = add(held, of_pod(each))
        reserved = times(seats[owner].seats.get(name, 0), seats[owner].need) if owner in seats else {}
        free = subtract(free, largest(held, reserved))
    return free
