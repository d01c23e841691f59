"""What `make bench-planner` reads, replays and counts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tables import table

HEADER = "job_id,num_gpu,submit_time,duration\n"


def replayed(planner: SimpleNamespace, told: list[Any], *, nodes: int, devices: int) -> Any:
    """The run of these jobs on equal nodes."""
    equal, said = planner.jobs.equal_nodes(nodes, devices=devices), {job.name: job.seconds for job in told}
    return planner.replay.Replay(told, nodes=equal, estimates=said).run()


def jobs(planner: SimpleNamespace, *told: tuple[float, float, int]) -> list[Any]:
    """Jobs by arrival, seconds and devices."""
    return [
        planner.jobs.Job(name=f"job-{number}", arrives=arrives, seconds=seconds, devices=devices)
        for number, (arrives, seconds, devices) in enumerate(told)
    ]


@table(
    ("told", "starts"),
    {
        "what fits starts at once": ([(0, 10, 4), (0, 10, 4)], [0, 0]),
        "what does not fit waits for an end": ([(0, 10, 8), (1, 10, 1)], [0, 10]),
        "the older one comes first, whatever its size": ([(0, 10, 8), (1, 10, 4), (2, 10, 8)], [0, 10, 20]),
        "a small one passes one that does not fit": ([(0, 10, 4), (1, 10, 8), (2, 3, 4)], [0, 10, 2]),
        "a gang of equal pods leaves a device on each node": ([(0, 10, 6), (0, 10, 1), (0, 10, 1)], [0, 0, 0]),
    },
)
def test_when_jobs_start_on_two_nodes_of_four(
    planner: SimpleNamespace, told: list[tuple[float, float, int]], starts: list[float]
) -> None:
    run = replayed(planner, jobs(planner, *told), nodes=2, devices=4)
    assert [run.started[f"job-{number}"] for number in range(len(told))] == starts


def test_waits_use_and_fragments_are_those_of_a_count_by_hand(planner: SimpleNamespace) -> None:
    """3 of 8 devices for 10 s, and one that needs two whole nodes behind it: 5 are free, one of them beside the 3."""
    told = jobs(planner, (0, 10, 3), (0, 30, 8))
    run = replayed(planner, told, nodes=2, devices=4)
    found = planner.figures.figures(told, run)
    assert (found["wait mean, s"], found["wait p50, s"], found["wait p99, s"]) == (5, 0, 10)
    assert found["completion mean, s"] == (10 + 40) / 2
    assert found["bounded slowdown mean"] == pytest.approx((1 + 40 / 30) / 2)
    assert found["utilization"] == pytest.approx((3 * 10 + 8 * 30) / (8 * 40))
    assert found["utilization while somebody waits"] == pytest.approx(3 / 8)
    assert found["free while somebody waits"] == pytest.approx(5 / 8)
    assert found["of that on nodes in use"] == pytest.approx(1 / 5)
    assert (found["longest line"], found["passes"]) == (2, 2)


def test_made_up_jobs_are_those_of_their_seed_and_keep_the_devices_as_busy_as_they_should(
    planner: SimpleNamespace,
) -> None:
    make = planner.traces.make
    assert make(seed=3, jobs=50, devices=64, load=0.5) == make(seed=3, jobs=50, devices=64, load=0.5)
    assert make(seed=3, jobs=50, devices=64, load=0.5) != make(seed=4, jobs=50, devices=64, load=0.5)
    many = make(seed=0, jobs=4000, devices=64, load=0.5)
    work = sum(job.seconds * job.devices for job in many)
    assert work / (64 * many[-1].arrives) == pytest.approx(0.5, rel=0.1)
    assert max(job.devices for job in make(seed=0, jobs=200, devices=4, load=0.5)) == 4


def test_no_job_of_a_busy_month_is_forgotten_and_no_device_given_away_twice(planner: SimpleNamespace) -> None:
    for seed in range(3):
        told = planner.traces.make(seed=seed, jobs=300, devices=32, load=1.5)
        run = replayed(planner, told, nodes=4, devices=8)
        assert run.started.keys() == {job.name for job in told}
        assert all(run.started[job.name] >= job.arrives for job in told)


def test_a_table_of_milliseconds_is_read(planner: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(HEADER + "b,8,61000,5000\na,1,60000,1500\n")
    found = planner.traces.read(path).jobs
    assert [(job.arrives, job.seconds, job.devices) for job in found] == [(0.0, 1.5, 1), (1.0, 5.0, 8)]


def test_steps_are_made_seconds_by_the_measured_speed_of_their_kind(planner: SimpleNamespace, tmp_path: Path) -> None:
    path, speeds = tmp_path / "jobs.trace", tmp_path / "speeds.json"
    line = "{}\tpython3 main.py\t-n\t1\t{}\t{}\t{}\n"
    path.write_text(line.format("LM", 1000, 5.0, 1) + line.format("LM", 1000, 7.0, 2) + line.format("other", 9, 8.0, 1))
    kinds = {"('LM', 1)": {"null": 10.0}, "('LM', 2)": {"null": 20.0}, "('LM', 4)": {"null": 40.0}}
    speeds.write_text(json.dumps({"new": {"('LM', 1)": {"null": 90.0}}, "v100": kinds}))
    found = planner.traces.read(path, throughputs=speeds)
    assert [(job.arrives, job.seconds, job.devices) for job in found.jobs] == [(0.0, 100.0, 1), (2.0, 50.0, 2)]
    assert found.left_out == {planner.traces.NOT_MEASURED: 1}


TASKS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
)
NODES = "sn,cpu_milli,memory_mib,gpu,model\na,8000,16384,2,T4\nb,8000,16384,2,T4\nc,96000,262144,8,G2\n"


class TestOpenb:
    """Tasks and nodes as Alibaba published them in 2023."""

    @staticmethod
    def read(planner: SimpleNamespace, folder: Path, *rows: str) -> Any:
        path = folder / "tasks.csv"
        path.write_text(TASKS + "".join(f"{row}\n" for row in rows))
        return planner.traces.read(path)

    @staticmethod
    def nodes(planner: SimpleNamespace, folder: Path, **options: int) -> Any:
        path = folder / "nodes.csv"
        path.write_text(NODES)
        return planner.openb.read_nodes(path, **options)

    def test_a_task_is_one_pod_that_runs_for_as_long_as_it_did(self, planner: SimpleNamespace, tmp_path: Path) -> None:
        found = self.read(planner, tmp_path, "x,2000,1024,2,1000,T4|G2,LS,Running,100,400,150")
        (job,) = found.jobs
        assert (job.arrives, job.seconds, job.devices, job.on_one_node) == (0.0, 250.0, 2, True)
        assert (job.cpu, job.memory, job.models) == (2000, 2**30, {"T4", "G2"})

    def test_what_the_planner_cannot_be_asked_is_counted_and_said(
        self, planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = self.read(
            planner,
            tmp_path,
            "whole,1000,1024,1,1000,,LS,Running,0,10,0",
            "half,1000,1024,1,500,,LS,Running,0,10,0",
            "part,1000,1024,1,460,,LS,Running,0,10,0",
            "never,1000,1024,1,1000,,BE,Pending,0,10,",
            "none,1000,1024,0,0,,LS,Running,0,10,0",
            "no time,1000,1024,1,1000,,LS,Failed,0,0,0",
        )
        assert [job.devices for job in found.jobs] == [1, 0]
        assert sorted(found.left_out.values()) == [1, 1, 2]
        told = planner.trace_bench.replay("tasks", found, nodes=self.nodes(planner, tmp_path))
        assert (told["jobs"], told["left out"]) == (2, 4)
        assert "2 jobs share a device with others, which no request here can say" in capsys.readouterr().err

    def test_a_task_goes_only_where_its_model_of_device_is(self, planner: SimpleNamespace, tmp_path: Path) -> None:
        """Two of four T4 are free on a node each that has one task, and the third has to wait beside eight idle G2."""
        rows = [f"{name},100,1024,2,1000,T4,LS,Running,{name},{name + 100},{name}" for name in (0, 1, 2)]
        run = planner.replay.Replay(self.read(planner, tmp_path, *rows).jobs, nodes=self.nodes(planner, tmp_path)).run()
        assert [run.started[f"job-00000{number}"] for number in range(3)] == [0, 1, 100]

    def test_a_task_without_devices_takes_the_cores_that_others_need(
        self, planner: SimpleNamespace, tmp_path: Path
    ) -> None:
        rows = [
            "cores,90000,1024,0,0,,LS,Running,0,50,0",
            "devices,8000,1024,1,1000,G2,LS,Running,1,60,1",
        ]
        run = planner.replay.Replay(self.read(planner, tmp_path, *rows).jobs, nodes=self.nodes(planner, tmp_path)).run()
        assert run.started == {"job-000000": 0, "job-000001": 50}

    def test_what_no_node_of_the_cluster_can_hold_is_left_out(self, planner: SimpleNamespace, tmp_path: Path) -> None:
        found = self.read(planner, tmp_path, "x,100,1024,8,1000,T4,LS,Running,0,9,0", "y,1,1,1,1000,,LS,Running,0,9,0")
        replay = planner.replay.Replay(found.jobs, nodes=self.nodes(planner, tmp_path))
        assert [job.name for job in replay.too_large] == ["job-000000"]

    def test_a_part_of_the_nodes_is_every_so_manieth(self, planner: SimpleNamespace, tmp_path: Path) -> None:
        assert [node.name for node in self.nodes(planner, tmp_path, every=2)] == ["a", "c"]

    @table(
        ("text", "said"),
        {
            "no times": (
                "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nx,1,1,1,1000\n",
                "take a list of tasks with times",
            ),
            "a device and a half": (TASKS + "x,1,1,1.5,1000,,LS,Running,0,9,0\n", "line 2: num_gpu is '1.5'"),
            "nothing that ran": (TASKS + "x,1,1,1,1000,,LS,Pending,0,9,\n", "has no job that can be replayed"),
        },
    )
    def test_a_list_that_says_too_little_is_refused(
        self, planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
    ) -> None:
        path = tmp_path / "tasks.csv"
        path.write_text(text)
        assert planner.trace_bench.main([f"--trace={path}"]) == 2
        assert said in capsys.readouterr().err

    def test_a_list_of_tasks_is_no_list_of_nodes(
        self, planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "tasks.csv"
        path.write_text(TASKS)
        assert planner.trace_bench.main([f"--trace={path}", f"--node-list={path}"]) == 2
        assert "is no list of nodes: it lacks the columns sn, gpu, model" in capsys.readouterr().err


@table(
    ("text", "said"),
    {
        "another table": ("a,b\n1,2\n", "lacks the columns num_gpu, submit_time, duration: it has a, b"),
        "no number": (HEADER + "a,one,0,1\n", "line 2: num_gpu is 'one' and not a number"),
        "half a device": (HEADER + "a,0.5,0,1\n", "line 2: num_gpu is '0.5' and not a whole number, 1 or more"),
        "no time at all": (HEADER + "a,1,0,0\n", "line 2: duration is '0', and nothing takes no time"),
        "for ever": (HEADER + "a,1,0,inf\n", "line 2: duration is 'inf' and not a finite number"),
        "a line that ends early": (HEADER + "a,1\n", "line 2: submit_time is None and not a number"),
        "no line": (HEADER, "has no job that can be replayed"),
        "steps without speeds": ("LM\tx\t-n\t1\t10\t0.0\t1\n", "counts steps and not seconds: give --throughputs"),
        "only what is larger than the cluster": (HEADER + "a,65,0,1\n", "no job fits into 8 nodes with 64 devices"),
    },
)
def test_what_is_no_trace_is_refused_with_the_place_and_the_way_out(
    planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    assert planner.trace_bench.main([f"--trace={path}", f"--output={tmp_path / 'out.json'}"]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(
    planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planner.trace_bench.main([f"--trace={tmp_path / 'none.csv'}"]) == 2
    assert "none.csv cannot be read" in capsys.readouterr().err


def test_anybody_has_figures_without_a_trace(
    planner: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out" / "planner.json"
    assert planner.trace_bench.main(["--jobs=40", "--seed=2", f"--output={output}"]) == 0
    written = json.loads(output.read_text())
    assert written["traces"]["made up, seed 2, load 0.9"]["jobs"] == 40
    assert "| wait p95, s |" in capsys.readouterr().out
