"""How fast jobs become pods, and what that costs: Hostler beside plain Jobs and Kubeflow Trainer, in one run.

Fails where a demand is missed. See docs/benchmarks/reconcile.md for the method.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import demands
import programs
import report
import systems
from client import Api, BenchError
from measure import Load, Measured, clear, controllers, measure
from peers import Installed, install
from plane import ControlPlane, working_directory
from processes import DiedError, stop_on_signals

from hostler.local import tools
from hostler.local.errors import LocalClusterError

NODES = 64
RATE, RATED_JOBS = 4.0, 60
PEERS = {"jobset": programs.JOBSET, "trainer": programs.TRAINER}


def note(text: str) -> None:
    """Say what is going on, beside the figures."""
    print(text, file=sys.stderr, flush=True)


@asynccontextmanager
async def control_plane(*, nodes: int, pod_seconds: float, keep: bool) -> AsyncIterator[tuple[ControlPlane, Api]]:
    """Up for the time of a block; nothing of it is left behind, whatever ends the block."""
    kubernetes = tools.ensure_binaries(note).kubernetes
    kwok = programs.ensure(programs.KWOK, go=tools.ensure_go(note), note=note)
    directory = working_directory()
    plane = ControlPlane(kubernetes=kubernetes, kwok=kwok, directory=directory, pod_seconds=pod_seconds)
    try:
        api = await plane.start(nodes=nodes)
        try:
            yield plane, api
        finally:
            await api.close()
    finally:
        plane.processes.stop_all()
        if keep:
            note(f"logs are kept in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


async def _install_peers(chosen: Sequence[systems.System], plane: ControlPlane, api: Api) -> dict[str, Installed]:
    found = {}
    go = tools.ensure_go(note)
    for name in dict.fromkeys(name for system in chosen for name in system.controllers if name in PEERS):
        program = programs.ensure(PEERS[name], go=go, note=note)
        found[name] = await install(PEERS[name], program, go=go, plane=plane, api=api)
    return found


async def run(options: argparse.Namespace) -> list[Measured]:
    """Every system at every load; the systems take turns, so that whatever else the machine does meets all alike."""
    chosen = [systems.SYSTEMS[name] for name in options.systems]
    found: list[Measured] = []
    async with control_plane(nodes=options.nodes, pod_seconds=1.0, keep=options.keep) as (plane, api):
        await systems.prepare_hostler(api)
        peers = await _install_peers(chosen, plane, api)
        for load, repeats in _loads(options):
            for _ in range(repeats):
                for system in chosen:
                    if load.jobs > options.largest_for_peers and system.controllers and system is not systems.HOSTLER:
                        continue
                    async with controllers(system, plane=plane, api=api, peers=peers):
                        figures = await measure(system, load, plane=plane, api=api)
                    found.append(figures)
                    note(_brief(figures))
                    await clear(api)
    return found


def _loads(options: argparse.Namespace) -> list[tuple[Load, int]]:
    bursts = [(Load(jobs=jobs, patience=options.patience), options.repeats if jobs <= 100 else 1) for jobs in options.n]
    return bursts + ([(Load(jobs=RATED_JOBS, rate=RATE), 1)] if options.rate else [])


def _brief(run: Measured) -> str:
    return (
        f"{run.load.title:24} {run.system:8} all pods {run.all_pods:6.1f} s ({run.pods_per_second:5.1f}/s)  "
        f"p95 {run.to_pod_p95:6.2f} s  CPU {demands.cpu(run):6.1f} ms/job  writes {demands.writes(run):4.1f}/job  "
        f"peak {sum(run.peak_mib.values()):4.0f} MiB  ended {run.ended}" + (f"  {run.died}" if run.died else "")
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", type=_names, default=list(systems.SYSTEMS), help="comma-separated")
    parser.add_argument("--n", type=_numbers, default=[100, 500, 2000], help="jobs at once, comma-separated")
    parser.add_argument("--no-rate", dest="rate", action="store_false", help="leave out the run at 4 jobs/s")
    parser.add_argument("--repeats", type=int, default=3, help="turns at up to 100 jobs")
    parser.add_argument("--nodes", type=int, default=NODES, help="fake nodes with 8 devices each")
    parser.add_argument(
        "--largest-for-peers", type=int, default=500, help="jobs at once up to which Trainer takes part"
    )
    parser.add_argument("--patience", type=float, default=400.0, help="seconds until a run is given up")
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    parser.add_argument("--output", type=Path, default=Path("dist/bench-reconcile.json"))
    return parser.parse_args()


def _names(text: str) -> list[str]:
    if unknown := set(text.split(",")) - set(systems.SYSTEMS):
        raise argparse.ArgumentTypeError(f"{unknown.pop()!r} is none of {', '.join(systems.SYSTEMS)}")
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def main() -> int:
    """Print tables and demands; 1 where a demand is missed, 2 where nothing could be measured."""
    stop_on_signals()
    options = _options()
    try:
        found = asyncio.run(run(options))
    except (BenchError, DiedError, LocalClusterError) as error:
        note(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    report.save(options.output, {"runs": [asdict(each) for each in found]})
    judged = demands.judge(found)
    print(report.markdown(found) + "\n")
    print("\n".join(map(str, judged)))
    return 0 if all(demand.holds for demand in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
