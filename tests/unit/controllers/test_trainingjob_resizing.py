"""Jobs of variable size: with fewer pods where others need them, and with more where nobody waits."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_pool
from world import completed, jobs, preempted, running, submitted

from hostler.planning.growing import LEAST_SECONDS

Object = dict[str, Any]
WHOLE = {"pool": "gpu", "perPod": 4}
ONE_TO_FOUR = {"min": 1, "max": 4}


class TestShrinking:
    async def test_it_goes_on_with_fewer_pods_at_once(self, urgent: Bench) -> None:
        assert len(await running(urgent, pods=ONE_TO_FOUR)) == 4
        await submitted(urgent, "now", accelerators={"pool": "gpu", "perPod": 2}, priorityClassName="urgent")
        assert jobs(urgent) == ["now-0", "tiny-1"]
        assert urgent.status("TrainingJob", "tiny")["placement"]["pods"] == 2
        assert preempted(urgent)["keeps"] == [{"name": "gpu-1", "pods": 2}]
        assert urgent.cluster.object("Job", "tiny-1")["spec"]["parallelism"] == 2

    async def test_and_takes_nothing_that_others_wait_for(self, urgent: Bench) -> None:
        await running(urgent, pods=ONE_TO_FOUR)
        await submitted(urgent, "now", accelerators={"pool": "gpu", "perPod": 2}, priorityClassName="urgent")
        await submitted(urgent, "later", accelerators={"pool": "gpu", "perPod": 3})
        urgent.cluster.make_pods("now-0", node="gpu-1")
        await completed(urgent, "now")
        await running(urgent, attempt=1)
        urgent.cluster.clock.advance(10 * LEAST_SECONDS)
        await urgent.settle()
        assert jobs(urgent) == ["now-0", "tiny-1"]


class TestGrowing:
    async def _small(self, bench: Bench) -> Object:
        """A job that could use four pods, and has two of them because a stranger was there."""
        stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "2"})
        assert len(await running(bench, pods={"min": 1, "max": 4})) == 2
        return stranger

    async def test_it_goes_on_with_more_pods_where_there_is_room(self, bench: Bench) -> None:
        stranger = await self._small(bench)
        bench.cluster.clock.advance(LEAST_SECONDS)
        bench.cluster.remove(stranger)
        await bench.settle()
        assert jobs(bench) == ["tiny-1"]
        assert bench.cluster.object("Job", "tiny-1")["spec"]["parallelism"] == 4
        status = bench.status("TrainingJob", "tiny")
        assert (status["restarts"], status["disruptions"], "preempted" in status) == (0, 0, False)

    async def test_not_so_soon_after_it_has_begun(self, bench: Bench) -> None:
        stranger = await self._small(bench)
        bench.cluster.remove(stranger)
        await bench.settle()
        assert jobs(bench) == ["tiny-0"]
        assert bench.admitter.usage.next_moment(bench.cluster.clock.monotonic(), waiting=False) is not None
        bench.cluster.clock.advance(LEAST_SECONDS)
        await bench.settle()
        assert jobs(bench) == ["tiny-1"]

    async def test_not_beyond_what_its_batch_can_be_shared_by(self, bench: Bench) -> None:
        await running(bench, pods={"min": 1, "max": 4}, training={"steps": 20, "batchSize": 2})
        bench.cluster.clock.advance(LEAST_SECONDS)
        await bench.settle()
        assert jobs(bench) == ["tiny-0"]

    async def test_not_out_of_the_domain_in_which_it_must_be(self, bench: Bench) -> None:
        bench.cluster.put(make_pool("gpu", topologyKey="rack"))
        stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "2"})
        where = {"pool": "gpu", "topology": "required"}
        assert len(await running(bench, pods={"min": 1, "max": 4}, accelerators=where)) == 2
        bench.cluster.remove(stranger)
        bench.cluster.clock.advance(LEAST_SECONDS)
        await bench.settle()
        assert jobs(bench) == ["tiny-0"]

    async def test_not_while_somebody_waits_for_what_there_is(self, bench: Bench) -> None:
        stranger = await self._small(bench)
        await submitted(bench, "large", accelerators=WHOLE)
        bench.cluster.remove(stranger)
        bench.cluster.clock.advance(LEAST_SECONDS)
        await bench.settle()
        assert jobs(bench) == ["tiny-0"]
