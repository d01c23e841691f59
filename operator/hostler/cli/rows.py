"""Objects as rows of at most 80 columns: what matters of each kind, the rest where there is room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.cli.lineview import condition, shortly
from hostler.cli.tables import Column
from hostler.planning import moments

Object = dict[str, Any]
Cell = Callable[[Object, str], str]
"""Of an object, at a moment (RFC 3339)."""
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One column and what stands in it."""

    column: Column
    cell: Cell


def columns_of(kind: str, *, namespaces: bool) -> tuple[Shown, ...]:
    """Of a kind's table; with the namespace first where objects of several are shown."""
    return ((_NAMESPACE,) if namespaces else ()) + (_NAME, *_COLUMNS[kind], _AGE)


def rows_of(shown: Sequence[Shown], objects: Sequence[Object], *, now: str) -> list[tuple[str, ...]]:
    """Rows in the order of the objects."""
    return [tuple(each.cell(obj, now) for each in shown) for obj in objects]


def _at(path: str) -> Cell:
    """What stands at a path; empty where nothing does."""

    def cell(obj: Object, _now: str) -> str:
        value: Any = obj
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return "" if value is None else str(value)

    return cell


def _state(obj: Object, _now: str) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "BeingDeleted"
    return str(condition(obj, "Ready").get("reason") or "Unseen")


def _percent(obj: Object, now: str) -> str:
    value = _at("status.progress.percent")(obj, now)
    return f"{value}%" if value else ""


def _ready_replicas(obj: Object, now: str) -> str:
    return f"{_at('status.readyReplicas')(obj, now) or 0}/{_at('spec.replicas')(obj, now) or 1}"


def _line(obj: Object, now: str) -> str:
    position = _at("status.queue.position")(obj, now)
    return f"<={position}" if position and int(position) > 10 else position


def _age(obj: Object, now: str) -> str:
    created = obj["metadata"].get("creationTimestamp")
    return shortly(max(0.0, moments.elapsed(str(created), now=now))) if created else ""


def _short(path: str) -> Cell:
    """A large count with its unit."""

    def cell(obj: Object, now: str) -> str:
        text = _at(path)(obj, now)
        return short_count(int(text)) if text else ""

    return cell


def short_count(value: int) -> str:
    """Three figures and a decimal unit: ``1.24G``."""
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


_NAMESPACE = Shown(column=Column(name="NAMESPACE", wraps=True), cell=_at("metadata.namespace"))
_NAME = Shown(column=Column(name="NAME", wraps=True), cell=_at("metadata.name"))
_AGE = Shown(column=Column(name="AGE", right=True), cell=_age)
_STATE = Shown(column=Column(name="STATE"), cell=_state)
_POOL = Shown(column=Column(name="POOL", leaves=4), cell=_at("spec.accelerators.pool"))
_LINE = Shown(column=Column(name="LINE", right=True, leaves=3), cell=_line)

_COLUMNS: Mapping[str, tuple[Shown, ...]] = {
    "TrainingJob": (
        _STATE,
        Shown(column=Column(name="DONE", right=True), cell=_percent),
        Shown(column=Column(name="LOSS", right=True, leaves=2), cell=_at("status.progress.loss")),
        Shown(column=Column(name="ETA", right=True, leaves=5), cell=_at("status.progress.eta")),
        _POOL,
        _LINE,
        Shown(column=Column(name="MODEL", leaves=1), cell=_at("status.model")),
    ),
    "InferenceService": (
        _STATE,
        Shown(column=Column(name="READY", right=True), cell=_ready_replicas),
        Shown(column=Column(name="MODEL", leaves=2), cell=_at("spec.modelRef.name")),
        _POOL,
        _LINE,
        Shown(column=Column(name="URL", leaves=1), cell=_at("status.url")),
    ),
    "Model": (
        _STATE,
        Shown(column=Column(name="FAMILY"), cell=_at("status.facts.family")),
        Shown(column=Column(name="PARAMETERS", right=True, leaves=3), cell=_short("status.facts.parameters")),
        Shown(column=Column(name="LICENSE", leaves=2), cell=_at("status.facts.license")),
        Shown(column=Column(name="TRAINED BY", leaves=1), cell=_at("spec.lineage.trainingJob")),
    ),
    "Dataset": (
        _STATE,
        Shown(column=Column(name="FORMAT"), cell=_at("spec.format")),
        Shown(column=Column(name="VERSION", right=True, leaves=1), cell=_at("status.version")),
        Shown(column=Column(name="ROWS", right=True, leaves=3), cell=_short("status.rows")),
        Shown(column=Column(name="BYTES", right=True, leaves=2), cell=_short("status.sizeBytes")),
        Shown(column=Column(name="ERRORS", right=True, leaves=4), cell=_at("status.errorCount")),
    ),
}
