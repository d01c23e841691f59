"""What of a folder can be replayed: each file by what is in it, and not by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import allocation
import openb
from jobs import Node, Trace, TraceError, equal_nodes, opened
from traces import PHILLY_COLUMNS, nodes_for, read

_NODES, _DEVICES = 8, 8
"""Of the cluster for which Philly's jobs were prepared."""
_LOAD = 0.9
_SUFFIXES = (".csv", ".trace", ".json", ".tsv", ".txt")
_SPEEDS = '"null"'


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A trace with the nodes that it is for."""

    name: str
    trace: Trace
    nodes: Sequence[Node]
    demanded: bool
    """Whether the planner has to be so much better than others on it."""


@dataclass(kw_only=True)
class Folder:
    """What was found."""

    replayed: list[Replayed] = field(default_factory=list)
    task_lists: dict[str, Trace] = field(default_factory=dict)
    """Lists of tasks for openb's nodes."""
    nodes: list[Node] = field(default_factory=list)
    published: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    """Per cent allocated by list, policy and demand."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Files that are none of this, with why."""


def look_through(folder: Path) -> Folder:
    """Everything below a folder. Raises :class:`TraceError` where there is nothing to replay."""
    if not folder.is_dir():
        raise TraceError(f"{folder} is no folder: give one with traces")
    found = Folder()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _SUFFIXES)
    speeds = next((path for path in files if _is_speeds(path)), None)
    for path in files:
        name = str(path.relative_to(folder))
        if path == speeds:
            continue
        try:
            _take(found, path, speeds)
        except TraceError as error:
            found.unknown[name] = str(error).replace(str(path), name)
    if found.task_lists and not found.nodes:
        lists = ", ".join(found.task_lists)
        raise TraceError(f"{folder} has tasks ({lists}) and no list of nodes, such as openb_node_list_gpu_node.csv")
    if not found.replayed and not found.task_lists:
        why = "".join(f"\n  {name}: {text}" for name, text in found.unknown.items())
        raise TraceError(f"{folder} has no trace of a known format{why}")
    return found


def _take(found: Folder, path: Path, speeds: Path | None) -> None:
    with opened(path) as lines:
        head = next(lines, "").rstrip("\r\n")
    columns = set(head.split(","))
    if "\t" in head:
        trace = read(path, throughputs=speeds)
        nodes = nodes_for(trace.jobs, load=_LOAD, devices=_DEVICES)
        found.replayed.append(Replayed(name=path.stem, trace=trace, nodes=nodes, demanded=False))
    elif columns.issuperset(PHILLY_COLUMNS):
        nodes = equal_nodes(_NODES, devices=_DEVICES)
        found.replayed.append(Replayed(name=path.stem, trace=read(path), nodes=nodes, demanded=True))
    elif columns.issuperset(openb.POD_COLUMNS):
        found.task_lists[path.stem] = openb.tasks(path)
    elif columns.issuperset(openb.NODE_COLUMNS):
        found.nodes = openb.read_nodes(path)
    elif allocation.is_expected(path):
        found.published |= allocation.published(path)
    else:
        raise TraceError(f"no trace of a known format: it begins with {head[:80]!r}")


def _is_speeds(path: Path) -> bool:
    if path.suffix != ".json":
        return False
    with opened(path) as lines:
        return any(_SPEEDS in line for line in _first(lines, 10))


def _first(lines: Iterator[str], count: int) -> Iterator[str]:
    for _, line in zip(range(count), lines, strict=False):
        yield line
