"""On which nodes the pods of one request go: domains of a gang, and nodes without devices for who needs none."""

from __future__ import annotations

from dataclasses import replace

from floor import answers, hold, need, node, put_pool, request, usage, workload
from tables import table

from hostler.api.common import Topology
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Seats, Wait

RACK = "topology.kubernetes.io/rack"
REQUIRED, PREFERRED = Topology.REQUIRED, Topology.PREFERRED


def racks(**gpus: tuple[int, ...]) -> PoolUsage:
    """A pool with so many devices on each node of each rack; nodes of ``none`` have no label."""
    found = usage(topologyKey=RACK)
    for rack, counts in gpus.items():
        for number, count in enumerate(counts):
            labels = {"hostler.dev/pool": "gpu"} | ({} if rack == "none" else {RACK: rack})
            found.put_node(node(f"{rack}{number}", gpus=count, labels=labels))
    return found


@table(
    ("found", "asked", "want"),
    {
        "one rack, although another node is roomier": (
            racks(a=(8, 1), b=(4, 4)), request("x", 8, topology=PREFERRED), {"a0": 8},
        ),
        "the rack with the least room that is enough": (
            racks(a=(4, 4, 4), b=(4, 4)), request("x", 2, devices=4, topology=PREFERRED), {"b0": 1, "b1": 1},
        ),
        "so too where nothing is said": (
            racks(a=(4, 4, 4), b=(4, 4)), request("x", 2, devices=4), {"b0": 1, "b1": 1},
        ),
        "few racks where one is not enough": (
            racks(a=(4,), b=(4, 4), c=(4,)), request("x", 3, devices=4, topology=PREFERRED),
            {"a0": 1, "b0": 1, "b1": 1},
        ),
        "as many as one rack holds where that is required": (
            racks(a=(4,), b=(4, 4)), request("x", (1, 3), devices=4, topology=REQUIRED), {"b0": 1, "b1": 1},
        ),
        "a node without the label is a rack by itself": (
            racks(none=(8, 8), a=(4,)), request("x", 2, devices=4, topology=REQUIRED), {"none0": 2},
        ),
    },
)  # fmt: skip
def test_a_gang_is_in_one_domain(found: PoolUsage, asked: Request, want: Seats) -> None:
    assert answers(found, asked)["x"] == Admit(seats=want)


@table(
    ("found", "more", "want"),
    {
        "in place of a seat whose node is gone": (
            racks(a=(4, 8), b=(4,)), {"holding": {"a0": 1, "gone": 1}}, {"a0": 1, "a1": 1},
        ),
        "all anew in another one where that one has no room": (
            racks(a=(4,), b=(4, 4)), {"holding": {"a0": 1, "gone": 1}}, {"b0": 1, "b1": 1},
        ),
        "beside pods that stay": (racks(a=(4, 8), b=(8,)), {"beside": {"a0": 1}}, {"a1": 2}),
    },
)  # fmt: skip
def test_what_must_be_in_one_domain_stays_in_it(found: PoolUsage, more: dict[str, Seats], want: Seats) -> None:
    asked = request("x", 2, devices=4, topology=REQUIRED, **more)
    there = Admit(seats={"a0": 1})
    hold(found, asked, there)
    assert answers(found, asked)["x"] == Admit(seats=want)


def test_what_must_be_in_one_domain_waits_for_room_beside_pods_that_stay() -> None:
    found = racks(a=(4,), b=(8,))
    asked = request("x", devices=4, topology=REQUIRED, beside={"a0": 1})
    hold(found, request("runs", devices=4), Admit(seats={"a0": 1}), started=0.0)
    found.foretell(workload("runs"), 100.0)
    told = answers(found, asked)["x"]
    assert isinstance(told, Wait)
    assert told.expected_seconds == 100.0


def test_a_gang_that_must_be_in_one_domain_waits_for_it() -> None:
    found = racks(a=(4, 4), none=(4, 4))
    hold(found, request("runs", devices=4), Admit(seats={"a0": 1}), started=0.0)
    found.foretell(workload("runs"), 100.0)
    gang = request("x", 2, devices=4, topology=REQUIRED, priority=1)
    told = answers(found, gang, replace(gang, workload=workload("y"), topology=PREFERRED, priority=0, estimate=1e6))
    assert isinstance(told["x"], Wait)
    assert (told["x"].fit, told["x"].expected_seconds) == (1, 100.0)
    assert told["y"] == Admit(seats={"none0": 1, "none1": 1}, backfilled=True), "and not where x is to be"


def test_pods_without_devices_go_where_none_are_left() -> None:
    """Best fit by cores alone would take the emptier cores of a node whose devices then nobody can use."""
    found = usage(8, 8, 0)
    put_pool(found, "cores", acceleratorType="cpu", nodeSelector={"hostler.dev/pool": "gpu"})
    hold(found, request("runs", devices=8, need=need(8, cpu=1000)), Admit(seats={"n1": 1}))
    small = request("x", pool="cores", need={"cpu": 60_000, "memory": 2**30, "pods": 1})
    told = answers(found, small, replace(small, workload=workload("y")), replace(small, workload=workload("z")))
    seats = [told[name].seats for name in "xyz" if isinstance(told[name], Admit)]
    assert seats == [{"n1": 1}, {"n2": 1}, {"n0": 1}]
