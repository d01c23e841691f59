"""What is known of those who hold seats: when they saved last, and what was used before this process."""

from __future__ import annotations

from bench import Bench
from tables import table
from world import progress, running, submitted, told

from hostler.planning.verdicts import Workload

WHOLE = {"pool": "gpu", "perPod": 4}


@table(
    ("step", "saved", "want"),
    {
        "nothing saved yet": (10, None, None),
        "half of its steps ago": (10, 5, 1800.0),
        "just now": (10, 10, 3600.0),
    },
)
async def test_when_it_saved_last_is_known_from_its_steps(
    bench: Bench, step: int, saved: int | None, want: float | None
) -> None:
    (pod,) = await running(bench)
    began = bench.cluster.clock.monotonic()
    bench.cluster.clock.advance(3600)
    told(bench, pod, progress(step, checkpoint_step=saved))
    await bench.settle()
    held = bench.admitter.usage.reservation(Workload("TrainingJob", "default", "tiny"))
    assert held is not None
    assert held.started is not None
    assert abs(held.started - began) < 2
    assert (held.saved is None) is (want is None)
    assert want is None or abs((held.saved or 0) - began - want) < 2


async def test_a_new_process_knows_what_was_used_before(bench: Bench) -> None:
    await running(bench, accelerators=WHOLE)
    bench.cluster.clock.advance(100_000)
    watched = bench.admitter.usage.snapshot(["gpu"]).shares["gpu"]["default"]
    assert watched > 0.05
    bench.restart()
    await submitted(bench, "next", accelerators=WHOLE)
    found = bench.admitter.usage.snapshot(["gpu"]).shares["gpu"]["default"]
    assert abs(found - watched) < 0.01
