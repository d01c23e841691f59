"""The figures of all runs, as Markdown, and of any benchmark as a file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import machine
from demands import cpu, writes
from measure import Load, Measured

_COLUMNS: dict[str, tuple[Callable[[Measured], float], str]] = {
    "all pods, s": (lambda run: run.all_pods, ".1f"),
    "pods/s": (lambda run: run.pods_per_second, ".1f"),
    "all ended, s": (lambda run: run.all_ended, ".1f"),
    "job to pod p50, ms": (lambda run: 1000 * run.to_pod_p50, ".0f"),
    "p95, ms": (lambda run: 1000 * run.to_pod_p95, ".0f"),
    "CPU, ms/job": (cpu, ".1f"),
    "peak, MiB": (lambda run: sum(run.peak_mib.values()), ".0f"),
    "writes/job": (writes, ".1f"),
    "API server CPU, ms/job": (lambda run: run.cpu_ms_per_job["apiserver"], ".0f"),
    "foreign cores": (lambda run: run.foreign_cores, ".2f"),
}


def save(output: Path, figures: dict[str, Any]) -> None:
    """Figures with date and machine, as JSON."""
    output.parent.mkdir(parents=True, exist_ok=True)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"date": date, "machine": machine.description(), **figures}
    output.write_text(json.dumps(document, indent=2) + "\n")


def markdown(runs: Sequence[Measured]) -> str:
    """One table for each load (medians, and the range where there are several), and the writes by kind below it."""
    return "\n".join(line for load in dict.fromkeys(run.load for run in runs) for line in _table(runs, load))


def _table(runs: Sequence[Measured], load: Load) -> Iterator[str]:
    yield f"\n**{load.title}**\n"
    yield "| system | runs | " + " | ".join(_COLUMNS) + " |"
    yield "|---" * (len(_COLUMNS) + 2) + "|"
    of_load = [run for run in runs if run.load == load]
    for system in dict.fromkeys(run.system for run in of_load):
        mine = [run for run in of_load if run.system == system]
        cells = (_cell([figure(run) for run in mine], form) for figure, form in _COLUMNS.values())
        yield f"| {system}{_remark(mine)} | {len(mine)} | " + " | ".join(cells) + " |"
    yield ""
    for system in dict.fromkeys(run.system for run in of_load):
        last = [run for run in of_load if run.system == system][-1]
        for user, counts in last.writes.items():
            said = ", ".join(f"{what} {number / load.jobs:.2f}" for what, number in counts.items())
            yield f"- {system}, writes of {user} for each job: {said}"


def _cell(values: list[float], form: str) -> str:
    text = format(statistics.median(values), form)
    return text if len(values) == 1 else f"{text} ({min(values):{form}} to {max(values):{form}})"


def _remark(runs: list[Measured]) -> str:
    if died := next((run.died for run in runs if run.died), None):
        return f" (ended: {died})"
    unfinished = [run for run in runs if run.ended < run.load.jobs]
    return f" ({unfinished[0].ended} of {unfinished[0].load.jobs} ended)" if unfinished else ""
