"""What a pool says of the quotas in it."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_pool
from tables import table

SHAPE = {"accelerators": 4, "cpu": "8", "memory": "64Gi"}
A, B = {"namespaces": ["team-a", "team-b"], "nominal": 3}, {"namespaces": ["team-c"], "nominal": 1}


def quotas(*given: dict[str, Any]) -> dict[str, Any]:
    return {"queue": {"quotas": list(given)}}


@table(
    ("spec", "want"),
    {
        "they share out all there is": (
            quotas(A, B),
            ("True", "WithinCapacity", "Quotas add up to 4 of 4 nvidia.com/gpu."),
        ),
        "something is left": (
            quotas(A),
            (
                "True",
                "WithinCapacity",
                "Quotas add up to 3 of 4 nvidia.com/gpu; the rest, 1, is lent to whoever comes.",
            ),
        ),
        "more is promised than there is": (
            quotas(A, B | {"nominal": 2}),
            (
                "False",
                "QuotasExceedCapacity",
                "Quotas add up to 5 nvidia.com/gpu (team-a, team-b: 3; team-c: 2), and there are 4: not everybody can "
                "hold what is theirs at the same time. Lower nominal, or add nodes.",
            ),
        ),
        "more than Hostler may use": (
            quotas(A) | {"quota": {"accelerators": 2}},
            (
                "False",
                "QuotasExceedCapacity",
                "Quotas add up to 3 nvidia.com/gpu (team-a, team-b: 3), and there are 2: not everybody can hold what "
                "is theirs at the same time. Lower nominal, or add nodes.",
            ),
        ),
        "the pool may grow to it": (
            quotas(A, B | {"nominal": 5}) | {"scaling": {"maxNodes": 2, "nodeShape": SHAPE}},
            ("True", "WithinCapacity", "Quotas add up to 8 of 8 nvidia.com/gpu."),
        ),
    },
)
async def test_quotas_that_add_up_to_more_than_there_is_are_a_warning(
    bench: Bench, spec: dict[str, Any], want: tuple[str, str, str]
) -> None:
    bench.cluster.put(make_pool(**spec))
    await bench.settle()
    assert bench.condition("AcceleratorPool", "gpu", "QuotasFit") == want
    assert bench.condition("AcceleratorPool", "gpu", "Ready")[0] == "True", "they count as they are"


async def test_a_pool_without_quotas_says_nothing_of_them_also_when_it_had_some(bench: Bench) -> None:
    bench.cluster.put(make_pool(**quotas(A)))
    await bench.settle()
    bench.cluster.put(make_pool())
    await bench.settle()
    found = [condition["type"] for condition in bench.status("AcceleratorPool", "gpu")["conditions"]]
    assert found == ["Ready"]
