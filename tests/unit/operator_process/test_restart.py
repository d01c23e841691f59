"""What a restart costs where much is under way: one look at each object, and no write."""

from __future__ import annotations

import pytest
from builders import make_training_job
from tables import table
from unit.operator_process.restarting import a_cluster_with, idle, restarted
from virtualtime import virtual


@virtual
async def test_a_restart_beside_jobs_that_run_and_wait_looks_at_each_once_and_writes_nothing() -> None:
    runs, waits = 40, 80
    async with restarted(await a_cluster_with(runs=runs, waits=waits)) as world:
        assert world.server.writes == []
        assert world.metrics.reconciles["TrainingJob"] == runs + waits
        assert world.admitter.line() == {"gpu": waits}, "all of them are in line again"
        ledgers = [each for each in world.server.asked if "hostler-cost" in each]
        assert len(ledgers) == 2, "of this month and the last one"
        assert len(world.server.asked) - len(ledgers) <= 16, "data that many jobs share is not looked for again by each"


@virtual
async def test_a_look_at_a_job_costs_the_same_in_a_pool_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job asks whether the empty pool could hold it; nobody counts a thousand nodes for each of them."""
    from hostler.planning.pools import Pool

    counted = 0
    count = Pool.whole_units

    def counting(pool: Pool, amount: dict[str, int]) -> int:
        nonlocal counted
        counted += 1
        return count(pool, amount)

    monkeypatch.setattr(Pool, "whole_units", counting)
    found = []
    for waits in (20, 60):
        cluster = await a_cluster_with(runs=20, waits=waits)
        counted = 0
        async with restarted(cluster):
            found.append(counted)
    assert found[0] == found[1], "forty jobs more, and no node was looked at more often"


@virtual
async def test_a_restart_beside_services_in_line_writes_nothing_either() -> None:
    async with restarted(await a_cluster_with(runs=5, waits=10, services=20)) as world:
        assert world.server.writes == []
        assert world.metrics.reconciles["InferenceService"] == 20
        assert world.admitter.line() == {"gpu": 30}, "all of them are in line again"


@table(
    ("runs", "waits"),
    {"only jobs that run": (20, 0), "only jobs that wait, for nodes that are gone": (0, 20)},
)
@virtual
async def test_only_another_obstacle_is_told_anew(runs: int, waits: int) -> None:
    """Where every node is gone, what they wait for is another thing than capacity."""
    async with restarted(await a_cluster_with(runs=runs, waits=waits)) as world:
        assert len(world.server.writes) == waits


@virtual
async def test_where_everything_is_deleted_at_once_nothing_is_held_and_nobody_is_written_to() -> None:
    async with restarted(await a_cluster_with(runs=40, waits=80)) as world:
        looked = world.metrics.reconciles["TrainingJob"]
        for kind in ("TrainingJob", "Job", "Pod"):
            for obj in world.store.list(kind):
                world.store.remove(kind, obj)
        await idle(world.queue)
        assert world.admitter.line() == {}
        assert list(world.admitter.usage.reservations()) == []
        view = world.admitter.view("gpu")
        assert view is not None
        assert (view.held, view.in_use) == (0, 0)
        assert set(world.server.writes) == {"replace_status gpu"}, "of the pool, whose figures are others"
        assert world.metrics.reconciles["TrainingJob"] <= looked + 2 * 120, "not once for each child"


@virtual
async def test_a_job_that_is_deleted_while_it_is_looked_at_holds_no_seat() -> None:
    """The look asks after the deletion, and nobody comes back for what it is given."""
    async with restarted(await a_cluster_with(runs=1, waits=0)) as world:
        late = make_training_job("late", accelerators={"pool": "ipu"})
        late["metadata"] |= {"uid": "uid-late", "resourceVersion": "999999"}
        world.server.question.clear()
        world.put(late)
        await world.server.question.wait()
        world.store.remove("TrainingJob", late)
        await idle(world.queue)
        held = {found.workload.name for found in world.admitter.usage.reservations()}
        assert "late" not in held
