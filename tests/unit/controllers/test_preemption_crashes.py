"""A preemption and a process that dies between any two writes of it."""

from __future__ import annotations

from bench import Bench, make_bench
from builders import make_priority_class, make_training_job
from crashing import final, settle_one_write_at_a_time, settle_through_crash
from world import jobs, preempted, running

WHOLE = {"pool": "gpu", "perPod": 4}


async def _scenario(bench: Bench) -> None:
    """A job of up to four pods shrinks for one, leaves for another, and is done."""
    bench.cluster.put(make_priority_class("urgent", 1000))
    bench.cluster.put(make_training_job("tiny", pods={"min": 1, "max": 4}))
    await settle_through_crash(bench)
    await _start(bench, "tiny-0")
    two = {"pool": "gpu", "perPod": 2}
    bench.cluster.put(make_training_job("now", accelerators=two, priorityClassName="urgent"))
    await settle_through_crash(bench)
    await _start(bench, "now-0")
    await _start(bench, "tiny-1")
    bench.cluster.put(make_training_job("too", accelerators=two, priorityClassName="urgent"))
    await settle_through_crash(bench)
    await _start(bench, "too-0")


async def _start(bench: Bench, name: str) -> None:
    for pod in bench.cluster.make_pods(name, node="gpu-1"):
        bench.cluster.run(pod)
    await settle_through_crash(bench)


async def test_a_crash_after_any_write_changes_nothing_in_the_end() -> None:
    clean = make_bench()
    await _scenario(clean)
    assert (preempted(clean)["count"], jobs(clean)) == (2, ["now-0", "too-0"])
    want = final(clean)
    for number, write in enumerate(clean.writer.writes, start=1):
        bench = make_bench()
        bench.writer.crash_after = number
        await _scenario(bench)
        assert final(bench) == want, f"after write {number}: {write}"


async def test_a_new_process_for_each_single_write_counts_once_and_ends_the_same(urgent: Bench) -> None:
    await running(urgent, accelerators=WHOLE)
    urgent.cluster.put(make_training_job("now", accelerators=WHOLE, priorityClassName="urgent"))
    await settle_one_write_at_a_time(urgent)
    assert jobs(urgent) == ["now-0"]
    assert preempted(urgent)["count"] == 1
