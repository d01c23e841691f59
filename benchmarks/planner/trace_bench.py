"""How long jobs wait, how full the devices are and what a pass costs, when the planner is given the jobs of a trace.

See docs/benchmarks/planner.md for the method and for public traces.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from estimates import Estimates, estimate
from figures import figures
from jobs import Node, Trace, TraceError, equal_nodes
from openb import read_nodes
from replay import Replay
from traces import make, read

COUNTS = ("left out", "jobs", "preemptions", "longest line", "passes")
_RATIOS = ("slowdown", "rho", "Jain")


def replay(
    title: str, trace: Trace, *, nodes: Sequence[Node], how: Estimates = Estimates.EXACT, seed: int = 0
) -> dict[str, float]:
    """The figures of one trace; what cannot be replayed is left out, and said. Raises :class:`TraceError`."""
    told = Replay(trace.jobs, nodes=nodes, estimates=estimate(trace.jobs, how=how, seed=seed))
    devices = sum(node.devices for node in nodes)
    large = {f"need more than {len(nodes)} nodes with {devices} devices can hold": len(told.too_large)}
    for why, count in (trace.left_out | large).items():
        if count:
            print(f"{title}: {count} jobs {why}: they are left out", file=sys.stderr)
    if not told.jobs:
        raise TraceError(
            f"{title}: no job fits into {len(nodes)} nodes with {devices} devices: give --nodes and --devices"
        )
    return {"left out": sum(trace.left_out.values()) + len(told.too_large)} | figures(told.jobs, told.run())


def markdown(found: dict[str, dict[str, float]]) -> str:
    """One column for each trace."""
    names = list(next(iter(found.values())))
    lines = ["| | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for name in names:
        cells = (shown(name, each[name]) for each in found.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(name: str, value: float) -> str:
    """A figure as its kind is written."""
    if name in COUNTS:
        return f"{value:,.0f}"
    if name.endswith("ms") or any(part in name for part in _RATIOS):
        return f"{value:,.2f}"
    return f"{value:,.0f}" if name.endswith(", s") else f"{100 * value:.1f} %"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 where the planner has broken a promise, 2 where a trace cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", type=Path, action="append", default=[], help="repeatable; made-up jobs without it")
    parser.add_argument("--throughputs", type=Path, help="steps per second by kind of job, for traces that count steps")
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--devices", type=int, default=8, help="of each node")
    parser.add_argument("--node-list", type=Path, help="the nodes of openb, in place of --nodes and --devices")
    parser.add_argument("--every", type=int, default=1, help="take one of so many nodes of the list")
    parser.add_argument("--estimates", type=Estimates, choices=list(Estimates), default=Estimates.EXACT)
    parser.add_argument("--seed", type=int, default=0, help="of made-up jobs, and of estimates that are wrong")
    parser.add_argument("--jobs", type=int, default=2000, help="made-up ones")
    parser.add_argument("--load", type=float, default=0.9, help="of made-up jobs, as a share of all devices")
    parser.add_argument("--output", type=Path, default=Path("dist/bench-planner.json"))
    options = parser.parse_args(argv)
    if min(options.nodes, options.devices, options.jobs, options.every) < 1 or options.load <= 0:
        parser.error("--nodes, --devices, --every, --jobs and --load must be above 0")
    found: dict[str, dict[str, float]] = {}
    try:
        nodes = _nodes(options)
        devices = sum(node.devices for node in nodes)
        for path in options.trace:
            trace = read(path, throughputs=options.throughputs)
            found[path.stem] = replay(path.stem, trace, nodes=nodes, how=options.estimates, seed=options.seed)
        if not options.trace:
            jobs = make(seed=options.seed, jobs=options.jobs, devices=devices, load=options.load)
            title = f"made up, seed {options.seed}, load {options.load:g}"
            found[title] = replay(title, Trace(jobs), nodes=nodes, how=options.estimates, seed=options.seed)
    except TraceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"date": date, "nodes": len(nodes), "devices": devices, "traces": found}
    options.output.write_text(json.dumps(document, indent=2) + "\n")
    print(markdown(found))
    return 0


def _nodes(options: argparse.Namespace) -> list[Node]:
    if options.node_list is not None:
        return read_nodes(options.node_list, every=options.every)
    return equal_nodes(options.nodes, devices=options.devices)


if __name__ == "__main__":
    sys.exit(main())
