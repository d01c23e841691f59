"""The planner of the queue beside other orders, on the jobs of traces, in virtual time; and what is demanded of it.

See docs/benchmarks/queue.md for the method.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from allocation import DEMANDS, allocated
from attained import LeastAttained
from demands import ATTAINED, EASY, EXACT, FIFO, NOISY, NONE, SHORTEST, Demand, of_allocation, of_order
from estimates import Estimates, estimate
from figures import figures
from folder import Folder, Replayed, look_through
from jobs import Job, Node, Trace, TraceError, equal_nodes
from orders import Easy, Fifo, Order, Planner, Shortest
from replay import Replay
from report import Report
from traces import make

_ORDERS: Mapping[str, tuple[type[Order], Estimates]] = {
    FIFO: (Fifo, Estimates.EXACT),
    EASY: (Easy, Estimates.EXACT),
    SHORTEST: (Shortest, Estimates.EXACT),
    EXACT: (Planner, Estimates.EXACT),
    NOISY: (Planner, Estimates.NOISY),
    NONE: (Planner, Estimates.NONE),
}
NAMES = (FIFO, EASY, SHORTEST, ATTAINED, EXACT, NOISY, NONE)
_ALLOCATION = "allocation"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of its own; runs share nothing, so that several go side by side."""

    trace: str
    order: str
    jobs: Sequence[Job]
    nodes: Sequence[Node]
    seed: int


def do(task: Task) -> tuple[dict[str, float], list[str]]:
    """Its figures, and the names of jobs larger than the cluster."""
    if task.order == _ALLOCATION:
        found = allocated(task.jobs, nodes=task.nodes, seed=task.seed)
        return {str(demand): share for demand, share in found.items()}, []
    if task.order == ATTAINED:
        attained = LeastAttained(task.jobs, nodes=task.nodes)
        return figures(attained.jobs, attained.run()), []
    kind, how = _ORDERS[task.order]
    said = estimate(task.jobs, how=how, seed=task.seed)
    replay = Replay(task.jobs, nodes=task.nodes, order=kind(), estimates=said)
    if not replay.jobs:
        raise TraceError(f"{task.trace}: no job fits into {len(task.nodes)} nodes")
    return figures(replay.jobs, replay.run()), [job.name for job in replay.too_large]


def tasks_of(folder: Folder, *, seed: int, seeds: int, most: int | None) -> list[Task]:
    """All runs, those that take long first. With ``most``, the first so many jobs of each trace."""
    found = []
    for each in folder.replayed:
        jobs = each.trace.jobs[:most]
        for order in NAMES:
            found.append(Task(trace=each.name, order=order, jobs=jobs, nodes=each.nodes, seed=seed))
    for name, trace in folder.task_lists.items():
        for number in range(seeds):
            found.append(Task(trace=name, order=_ALLOCATION, jobs=trace.jobs, nodes=folder.nodes, seed=seed + number))
    return sorted(found, key=lambda task: (task.order != _ALLOCATION, -len(task.jobs)))


def run_all(tasks: Sequence[Task], *, processes: int) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Figures by trace and order, of each seed."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ProcessPoolExecutor(max_workers=processes) as pool:
        waiting = {pool.submit(do, task): task for task in tasks}
        for done, future in enumerate(as_completed(waiting), start=1):
            task = waiting[future]
            try:
                got, large = future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            if large and task.order == FIFO:
                print(f"{task.trace}: {len(large)} jobs are larger than the cluster and left out", file=sys.stderr)
            found.setdefault((task.trace, task.order), []).append(got)
            print(f"[{done}/{len(tasks)}] {task.trace}, {task.order}", file=sys.stderr)
    return found


def made_up(*, seed: int, jobs: int) -> Folder:
    """A cluster that is asked for more than it has, by jobs of the published shape."""
    nodes = equal_nodes(8, devices=8)
    told = make(seed=seed, jobs=jobs, devices=64, load=1.2)
    return Folder(replayed=[Replayed(name=f"made up, seed {seed}", trace=Trace(told), nodes=nodes, demanded=True)])


def reported(folder: Folder, found: Mapping[tuple[str, str], list[dict[str, float]]]) -> Report:
    """Figures in order, and what is demanded of them."""
    runs = {each.name: {order: found[each.name, order][0] for order in NAMES} for each in folder.replayed}
    shares = {
        name: {
            demand: sum(each[str(demand)] for each in found[name, _ALLOCATION]) / len(found[name, _ALLOCATION])
            for demand in DEMANDS
        }
        for name in folder.task_lists
    }
    demands: list[Demand] = []
    for each in folder.replayed:
        if each.demanded:
            demands += of_order(each.name, runs[each.name])
    demands += of_allocation(shares)
    seeds = max((len(found[name, _ALLOCATION]) for name in folder.task_lists), default=0)
    return Report(folder=folder, runs=runs, allocation=shares, seeds=seeds, demands=demands)


def main(argv: Sequence[str] | None = None) -> int:
    """Print figures and demands; 1 where a demand is missed, 2 where there is nothing to replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="with traces; made-up jobs without it")
    parser.add_argument("--quick", action="store_true", help="the first 300 jobs of each trace and one seed")
    parser.add_argument("--only", help="traces whose name has this in it")
    parser.add_argument("--seed", type=int, default=0, help="of estimates that are wrong, of orders, of made-up jobs")
    parser.add_argument("--seeds", type=int, default=3, help="orders in which openb's tasks come")
    parser.add_argument("--jobs", type=int, default=1000, help="made-up ones")
    parser.add_argument("--processes", type=int, default=2, help="side by side")
    parser.add_argument("--page", type=Path, help="where the page with all figures is written, in Markdown")
    parser.add_argument("--output", type=Path, default=Path("dist/bench-queue.json"))
    options = parser.parse_args(argv)
    if min(options.seeds, options.jobs, options.processes) < 1:
        parser.error("--seeds, --jobs and --processes must be above 0")
    try:
        folder = look_through(options.folder) if options.folder else made_up(seed=options.seed, jobs=options.jobs)
        folder = _only(folder, options.only)
        for name, why in folder.unknown.items():
            print(f"left out: {name}: {why}", file=sys.stderr)
        seeds, most = (1, 300) if options.quick else (options.seeds, None)
        tasks = tasks_of(folder, seed=options.seed, seeds=seeds, most=most)
        report = reported(folder, run_all(tasks, processes=options.processes))
    except TraceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report.document(), indent=2) + "\n")
    print(report.tables())
    if options.page:
        options.page.write_text(report.page())
    missed = [demand for demand in report.demands if not demand.holds]
    print(f"\n{len(report.demands) - len(missed)} of {len(report.demands)} demands hold", file=sys.stderr)
    return 1 if missed else 0


def _only(folder: Folder, part: str | None) -> Folder:
    if part is None:
        return folder
    found = replace(
        folder,
        replayed=[each for each in folder.replayed if part in each.name],
        task_lists={name: trace for name, trace in folder.task_lists.items() if part in name},
    )
    if not found.replayed and not found.task_lists:
        known = ", ".join([each.name for each in folder.replayed] + list(folder.task_lists))
        raise TraceError(f"no trace has {part!r} in its name; there are {known}")
    return found


if __name__ == "__main__":
    sys.exit(main())
