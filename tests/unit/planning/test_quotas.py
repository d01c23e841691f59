"""What namespaces may hold of a pool."""

from __future__ import annotations

from typing import Any

from floor import need, usage
from tables import table

from hostler.planning.policy import policy_of
from hostler.planning.quotas import Accounts
from hostler.planning.verdicts import Reservation, Workload

QUOTAS = [
    {"namespaces": ["a", "a2"], "nominal": 4, "borrowingLimit": 2},
    {"namespaces": ["b"], "nominal": 2},
    {"namespaces": ["c"], "nominal": 0, "borrowingLimit": 0},
]


def accounts(gpus: int = 8, quotas: list[dict[str, Any]] = QUOTAS, **units: int) -> Accounts:
    """Of a pool of one node, where these namespaces hold so much."""
    snapshot = usage(gpus, queue={"quotas": quotas}).snapshot(["gpu"])
    pool = snapshot.pools["gpu"]
    holders = [
        Reservation(workload=Workload("TrainingJob", name, "x"), pool="gpu", need=need(), seats={"n0": count})
        for name, count in units.items()
    ]
    elsewhere = Reservation(workload=Workload("TrainingJob", "a", "y"), pool="other", need=need(), seats={"n9": 50})
    return Accounts(pool.pool, policy_of(pool.pool.spec.queue), allocatable=gpus, holders=[*holders, elsewhere])


@table(
    ("found", "namespace", "want"),
    {
        "nominal and what it may borrow": (accounts(), "a", 6),
        "less what it holds": (accounts(a=3), "a", 3),
        "namespaces of one quota share it": (accounts(a=3, a2=2), "a2", 1),
        "never below zero, when the limit was lowered": (accounts(a=8), "a", 0),
        "no limit where none is given": (accounts(b=7), "b", None),
        "nothing at all": (accounts(), "c", 0),
        "nobody limits whom no quota names": (accounts(z=7), "z", None),
    },
)
def test_how_much_more_a_namespace_may_take(found: Accounts, namespace: str, want: int | None) -> None:
    assert found.room(namespace) == want


def test_pods_within_a_limit_are_counted_whole() -> None:
    assert accounts(a=1).within("a", 9, units=2) == 2
    assert accounts().within("b", 9, units=2) == 9


@table(
    ("found", "namespace", "nominal", "borrowed"),
    {
        "within its own": (accounts(a=4), "a", 4, 0),
        "beyond it": (accounts(a=3, a2=3), "a2", 4, 2),
        "those that no quota names share what the quotas leave": (accounts(x=2, y=1), "x", 2, 1),
        "which is nothing where the quotas take all": (accounts(6, x=1), "x", 0, 1),
        "or more than all": (accounts(1, x=1), "x", 0, 1),
        "without quotas the pool is everybody's": (accounts(8, [], x=8), "x", 8, 0),
    },
)
def test_what_is_borrowed(found: Accounts, namespace: str, nominal: int, borrowed: int) -> None:
    assert (found.nominal(namespace), found.borrowed(namespace)) == (nominal, borrowed)


def test_what_is_taken_in_a_pass_counts_at_once() -> None:
    found = accounts(a=2)
    assert found.is_due("a", 2)
    found.take("a2", 1)
    assert not found.is_due("a", 2)
    assert found.is_due("a", 1)
    assert found.room("a") == 3
