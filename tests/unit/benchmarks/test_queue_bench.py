"""What `make bench-queue` compares the planner with, counts and demands."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tables import table

from hostler.planning.verdicts import Preempt, Preemption

PHILLY = "job_id,num_gpu,submit_time,duration\n"
NODES = "sn,cpu_milli,memory_mib,gpu,model\na,8000,16384,4,T4\nb,8000,16384,4,T4\n"
TASKS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"


def jobs(planner: SimpleNamespace, *told: tuple[float, float, int]) -> list[Any]:
    """Jobs by arrival, seconds and devices."""
    return [
        planner.jobs.Job(name=f"job-{number}", arrives=arrives, seconds=seconds, devices=devices)
        for number, (arrives, seconds, devices) in enumerate(told)
    ]


def run(planner: SimpleNamespace, order: str, told: list[Any], *, nodes: int = 2, devices: int = 4) -> Any:
    """The run of these jobs in one of the orders, with exact estimates."""
    equal = planner.jobs.equal_nodes(nodes, devices=devices)
    if order == "LeastAttained":
        return planner.attained.LeastAttained(told, nodes=equal).run()
    said = planner.estimates.estimate(told, how=planner.estimates.Estimates.EXACT, seed=0)
    kind = getattr(planner.orders, order)
    return planner.replay.Replay(told, nodes=equal, order=kind(), estimates=said).run()


@table(
    ("order", "told", "starts"),
    {
        "first come: who does not fit keeps all behind it waiting": (
            "Fifo",
            [(0, 10, 4), (1, 10, 8), (2, 3, 4)],
            [0, 10, 20],
        ),
        "EASY: who is done before the reservation begins may pass": (
            "Easy",
            [(0, 10, 4), (1, 10, 8), (2, 8, 4)],
            [0, 10, 2],
        ),
        "EASY: who would delay the reservation may not": ("Easy", [(0, 10, 4), (1, 10, 8), (2, 9, 4)], [0, 10, 20]),
        "EASY: who leaves the reservation its seats may pass, however long it runs": (
            "Easy",
            [(0, 10, 4), (0, 30, 3), (1, 10, 4), (2, 99, 1)],
            [0, 0, 10, 2],
        ),
        "shortest first: the short one is next, whoever came before": (
            "Shortest",
            [(0, 10, 8), (1, 9, 8), (2, 5, 8)],
            [0, 15, 10],
        ),
        "shortest first: who does not fit lets the longer ones pass": (
            "Shortest",
            [(0, 10, 4), (1, 5, 8), (1, 20, 4)],
            [0, 21, 1],
        ),
    },
)
def test_when_jobs_start_in_the_orders_compared_with(
    planner: SimpleNamespace, order: str, told: list[tuple[float, float, int]], starts: list[float]
) -> None:
    found = run(planner, order, jobs(planner, *told))
    assert [found.started[f"job-{number}"] for number in range(len(told))] == starts


@table(
    ("told", "ends"),
    {
        "who has had less comes first": ([(0, 7200, 8), (1000, 100, 8)], [7300, 1100]),
        "of equals who came first runs on": ([(0, 300, 8), (100, 300, 8)], [300, 600]),
        "who fits beside the first runs too": ([(0, 300, 4), (100, 300, 4)], [300, 400]),
        "a gang takes whole nodes or waits": ([(0, 300, 1), (0, 300, 8)], [300, 600]),
    },
)
def test_least_attained_service_stops_who_has_had_most(
    planner: SimpleNamespace, told: list[tuple[float, float, int]], ends: list[float]
) -> None:
    found = run(planner, "LeastAttained", jobs(planner, *told))
    assert [found.ended[f"job-{number}"] for number in range(len(told))] == pytest.approx(ends)


def test_no_order_loses_a_job_or_does_work_that_nobody_asked_for(planner: SimpleNamespace) -> None:
    for seed in range(2):
        told = planner.traces.make(seed=seed, jobs=120, devices=32, load=1.5)
        work = sum(job.devices * job.seconds for job in told)
        for order in ("Fifo", "Easy", "Shortest", "LeastAttained", "Planner"):
            found = run(planner, order, told, nodes=4, devices=8)
            assert found.ended.keys() == {job.name for job in told}, f"{order}, seed {seed}"
            assert found.busy == pytest.approx(work, rel=1e-4), f"{order}, seed {seed}"


def test_on_made_up_jobs_the_planner_is_as_much_better_as_is_demanded_on_real_ones(planner: SimpleNamespace) -> None:
    """Twice as much is asked for as there is, with the sizes and times of public traces; over all seeds, because in a
    hundred jobs one giant decides much."""
    found: dict[str, list[dict[str, float]]] = {"Planner": [], "Easy": [], "Shortest": []}
    for seed in range(3):
        told = planner.traces.make(seed=seed, jobs=120, devices=16, load=2.0)
        for order, each in found.items():
            each.append(planner.figures.figures(told, run(planner, order, told, nodes=2, devices=8)))

    def mean(order: str, figure: str) -> float:
        return statistics.mean(each[figure] for each in found[order])

    assert mean("Planner", "completion mean, s") <= 0.8 * mean("Easy", "completion mean, s")
    assert mean("Planner", "bounded slowdown mean") <= mean("Shortest", "bounded slowdown mean")


def test_a_job_that_is_stopped_does_the_rest_of_its_work_later(planner: SimpleNamespace) -> None:
    """Stopped 50 s after it began: 30 s for its checkpoint, the other runs for 10 s, 50 s of work and 60 s to get
    there."""

    class Stops:
        """Shortest first; the first one is stopped for the second as soon as that is there."""

        def decide(self, snapshot: Any, line: Any, now: float) -> Any:
            decision = planner.orders.Shortest().decide(snapshot, line, now)
            for held in snapshot.holders:
                if held.workload.name == "job-0" and held.leaving_for is None and not decision.starts:
                    by = next(iter(line)).workload
                    leave = {held.workload: Preempt(by=by, why=Preemption.PRIORITY)}
                    return planner.orders.Decision(starts={}, leave=leave)
            return decision

    told = jobs(planner, (0, 100, 8), (50, 10, 8))
    nodes = planner.jobs.equal_nodes(2, devices=4)
    found = planner.replay.Replay(
        told,
        nodes=nodes,
        order=Stops(),
        estimates={
            "job-0": 100.0,
            "job-1": 10.0,
        },
    ).run()
    assert found.preemptions == 1
    assert found.started == {"job-0": 0, "job-1": 80}
    assert found.ended == {"job-1": 90, "job-0": 90 + 50 + 60}


def test_rho_is_the_time_here_over_that_on_an_equal_part_of_the_cluster(planner: SimpleNamespace) -> None:
    """Two of the whole cluster at once, one after the other: an equal part is half of it, so that each would take
    twice as long."""
    told = jobs(planner, (0, 10, 8), (0, 10, 8))
    found = run(planner, "Fifo", told)
    first, second = planner.figures.finish_time_fairness(told, found)
    assert first == pytest.approx(10 / (10 * 2))
    assert second == pytest.approx(20 / (10 * (2 * 10 + 1 * 10) / 20))


def test_wrong_estimates_are_wrong_by_a_factor_of_two(planner: SimpleNamespace) -> None:
    kinds, told = planner.estimates.Estimates, jobs(planner, *[(0, 100, 1)] * 500)
    said = planner.estimates.estimate(told, how=kinds.NOISY, seed=1)
    assert said == planner.estimates.estimate(told, how=kinds.NOISY, seed=1)
    assert said != planner.estimates.estimate(told, how=kinds.NOISY, seed=2)
    assert statistics.stdev(math.log2(each / 100) for each in said.values()) == pytest.approx(1, rel=0.1)
    assert planner.estimates.estimate(told, how=kinds.NONE, seed=1) == {}


@table(
    ("change", "missed"),
    {
        "all holds": ({}, []),
        "mean completion": ({"planner": {"completion mean, s": 81.0}}, ["mean completion, times EASY's"]),
        "p99": ({"planner": {"completion p99, s": 161.0}}, ["p99 of completion, times EASY's"]),
        "slowdown": (
            {"planner": {"bounded slowdown mean": 101.0}},
            ["mean bounded slowdown, times shortest first's"],
        ),
        "makespan": ({"planner": {"makespan, s": 111.0}}, ["makespan, times shortest first's"]),
        "wrong estimates": (
            {"planner, estimates x/2": {"completion mean, s": 86.0}},
            ["mean completion with estimates wrong by 2, times EASY's"],
        ),
    },
)
def test_a_demand_that_is_missed_is_named(
    planner: SimpleNamespace, change: Mapping[str, dict[str, float]], missed: list[str]
) -> None:
    names = ("completion mean, s", "completion p99, s", "bounded slowdown mean", "makespan, s")
    ours = {"completion mean, s": 80.0, "completion p99, s": 160.0, "bounded slowdown mean": 99.0, "makespan, s": 110.0}
    found = dict.fromkeys(("EASY", "shortest first"), dict.fromkeys(names, 100.0))
    found |= {name: ours | change.get(name, {}) for name in ("planner", "planner, estimates x/2")}
    judged = planner.demands.of_order("t", found)
    assert [demand.what for demand in judged if not demand.holds] == [f"t: {each}" for each in missed]


def test_devices_allocated_are_counted_when_so_many_have_been_asked_for(planner: SimpleNamespace) -> None:
    """Two nodes of four, tasks of three: two fit, and the third is asked for at 112.5 % and fits nowhere."""
    tasks = [planner.jobs.Job(name="x", arrives=0, seconds=0, devices=3, on_one_node=True)]
    nodes = planner.jobs.equal_nodes(2, devices=4)
    assert planner.allocation.allocated(tasks, nodes=nodes, seed=0) == {100: 75.0, 130: 75.0}
    (demand,) = planner.demands.of_allocation({planner.demands.WHOLE_DEVICES: {100: 95.9}})
    assert not demand.holds


class TestFolder:
    """What is found below a folder."""

    @staticmethod
    def fill(folder: Path) -> None:
        (folder / "deep").mkdir()
        lines = [f"{number},{1 + number % 8},{number * 1000},{1000 * (1 + number % 5)}\n" for number in range(20)]
        (folder / "deep" / "mine.csv").write_text(PHILLY + "".join(lines))
        (folder / "nodes.csv").write_text(NODES)
        (folder / "tasks.csv").write_text(TASKS + "x,1000,1024,2,1000\ny,1000,1024,1,500\n")
        (folder / "requests.csv").write_text("TIMESTAMP,ContextTokens\n1,2\n")

    def test_each_file_is_known_by_what_is_in_it(self, planner: SimpleNamespace, tmp_path: Path) -> None:
        self.fill(tmp_path)
        found = planner.folder.look_through(tmp_path)
        assert [(each.name, len(each.trace.jobs), each.demanded) for each in found.replayed] == [("mine", 20, True)]
        assert [job.devices for job in found.task_lists["tasks"].jobs] == [2]
        assert [node.name for node in found.nodes] == ["a", "b"]
        assert "it begins with 'TIMESTAMP,ContextTokens'" in found.unknown["requests.csv"]

    def test_all_of_it_is_replayed_judged_and_written(
        self, planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.fill(tmp_path)
        page, output = tmp_path / "queue.md", tmp_path / "out" / "queue.json"
        rc = planner.queue_bench.main([str(tmp_path), "--seeds=1", f"--page={page}", f"--output={output}"])
        written = json.loads(output.read_text())
        assert rc == (1 if any(row[-1] == "MISSED" for row in written["demands"]) else 0)
        assert written["runs"]["mine"].keys() == set(planner.queue_bench.NAMES)
        assert written["allocation"]["tasks"] == {"100": 100.0, "130": 100.0}
        assert "### mine: 20 jobs on 8 nodes with 64 devices" in page.read_text()
        assert "Left out: requests.csv: no trace of a known format" in page.read_text()
        assert "left out: requests.csv" in capsys.readouterr().err

    @table(
        ("files", "options", "said"),
        {
            "no folder": (None, [], "is no folder: give one with traces"),
            "nothing that is known": (
                {"a.csv": "x,y\n"},
                [],
                "a.csv: no trace of a known format: it begins with 'x,y'",
            ),
            "tasks without nodes": ({"a.csv": TASKS + "x,1,1,1,1000\n"}, [], "no list of nodes"),
            "a trace that is broken": ({"a.csv": PHILLY + "a,1,0,0\n"}, [], "a.csv, line 2: duration is '0'"),
            "a name that none has": ({"a.csv": PHILLY + "a,1,0,1\n"}, ["--only=b"], "no trace has 'b' in its name"),
        },
    )
    def test_where_there_is_nothing_to_replay_it_says_why(
        self,
        planner: SimpleNamespace,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        files: dict[str, str] | None,
        options: list[str],
        said: str,
    ) -> None:
        folder = tmp_path / "traces"
        if files is not None:
            folder.mkdir()
            for name, text in files.items():
                (folder / name).write_text(text)
        assert planner.queue_bench.main([str(folder), *options]) == 2
        assert said in capsys.readouterr().err
