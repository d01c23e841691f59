"""Seats of replicas that are to be apart."""

from __future__ import annotations

from floor import answers, node, put_pool, request, usage
from tables import table

from hostler.api.inferenceservice import Spread
from hostler.planning.spreading import spread
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Seats

ROOMY = [("a", 4), ("b", 4), ("c", 4)]
ZONES = {"a": "east", "b": "east", "c": "west"}


@table(
    ("fits", "count", "beside", "zones", "want"),
    {
        "one on each node": (ROOMY, 3, {}, None, {"a": 1, "b": 1, "c": 1}),
        "and then around again": (ROOMY, 5, {}, None, {"a": 2, "b": 2, "c": 1}),
        "those that are there count": (ROOMY, 2, {"a": 1}, None, {"b": 1, "c": 1}),
        "a full node is passed over": ([("a", 0), ("b", 1), ("c", 4)], 4, {}, None, {"b": 1, "c": 3}),
        "nothing is better than what there is": ([("a", 1)], 3, {}, None, {"a": 1}),
        "zones take turns": (ROOMY, 4, {}, ZONES, {"a": 2, "c": 2}),
        "a zone goes on with its next node": ([("a", 1), ("b", 4), ("c", 4)], 4, {}, ZONES, {"a": 1, "b": 1, "c": 2}),
        "nodes without a zone are one more": ([*ROOMY, ("d", 4)], 3, {}, ZONES, {"a": 1, "c": 1, "d": 1}),
        "nobody is asked for": (ROOMY, 0, {}, None, {}),
    },
)
def test_each_seat_is_where_the_fewest_are(
    fits: list[tuple[str, int]], count: int, beside: Seats, zones: dict[str, str] | None, want: Seats
) -> None:
    assert spread(fits, count=count, beside=beside, zones=zones) == want


def zoned(*zones: str) -> PoolUsage:
    """A node of eight devices in each of these zones."""
    found = PoolUsage()
    put_pool(found, "gpu")
    for number, zone in enumerate(zones):
        found.put_node(node(f"n{number}", labels={"hostler.dev/pool": "gpu", "topology.kubernetes.io/zone": zone}))
    return found


@table(
    ("found", "asked", "want"),
    {
        "without a wish they are packed": (usage(8, 8), request("a", 2), {"n0": 2}),
        "over nodes": (usage(8, 8), request("a", 2, spread=Spread.NODE), {"n0": 1, "n1": 1}),
        "over zones": (zoned("x", "x", "y"), request("a", 2, spread=Spread.ZONE), {"n0": 1, "n2": 1}),
        "one more beside those that are there": (
            usage(8, 8),
            request("a", spread=Spread.NODE, beside={"n0": 1}),
            {"n1": 1},
        ),
        "packed where it cannot be otherwise": (usage(8), request("a", 2, spread=Spread.NODE), {"n0": 2}),
    },
)
def test_admission_keeps_replicas_apart(found: PoolUsage, asked: object, want: Seats) -> None:
    verdict = answers(found, asked)["a"]  # type: ignore[arg-type]
    assert isinstance(verdict, Admit)
    assert verdict.seats == want
