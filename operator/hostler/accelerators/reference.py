"""The reference page of accelerators, written from the data files by ``make generate``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hostler.accelerators.matrix import Verb, Verdict, compatibility, rules
from hostler.accelerators.model import AcceleratorType, ExporterMapping
from hostler.accelerators.registry import accelerators, exporters
from hostler.api.common import Family

_INTRO = """\
<!-- Written by `make generate` from operator/hostler/accelerators; change the data files, not this page. -->
# Accelerators

A type is one file in `operator/hostler/accelerators/types/`; a pool names it in `spec.acceleratorType`. Every figure
is per advertised unit, that is, per one of the resource that a pod requests, and dense (no 2:4 sparsity). An empty
cell means 'not known' or 'does not apply'. A price is never built in: it is part of your pool.
"""

_TYPES = """\
## Types

Confidence says how well the figures are known: *verified* ones were read in the vendor's documents, *recalled* ones
were not read again. A name with `...` depends on the installation and stands in the pool's `spec.resourceName`.
"""

_EXPORTERS = """\
## What the vendors' exporters offer

The accelerator exporter reads these on each node and publishes one set of names, `hostler_accelerator_*`. What an
exporter does not offer is absent there, never zero. Types without an exporter have `_info` and `_healthy` only,
from the kubelet.
"""

_IDS = """\
## Which ids of device plugins the exporter understands

Beside ids that are simply a label of the exporter's. Rows of one exporter are applied in their order, each to what the
one before left; `DEVICE/SLICE` is a slice that is measured by itself, everything else a share of a device that is
measured once. Ids in another form are paired by the pods that both sides name, or counted as unmatched.
"""

_MATRIX = """\
## What runs where

*tested*: tests of this repository run it. *expected*: nothing speaks against it, but no test here ran on such
hardware. *impossible*: refused with the reason below. The word in brackets is the variant of the runtime image;
[images](../operations/images.md) has the commands that build one.
Pods that hold **simulated** devices compute on their CPU cores with the cpu variant, whatever the type; what the
real device never does is refused there too.
"""

_TYPE_HEAD = (
    *("id", "model", "resource", "unit", "memory GiB", "GB/s", "BF16 TFLOPS", "FP16 TFLOPS", "W"),
    *("per pod", "confidence"),
)

_OFFERS = (
    ("utilization", "utilization"),
    ("memory_used", "memory used"),
    ("memory_total", "memory total"),
    ("power", "power"),
    ("energy", "energy"),
    ("health", "health"),
)


def render_reference() -> str:
    """The whole page as Markdown."""
    parts = [
        *(_INTRO, _TYPES, _types_table(), _EXPORTERS, _exporters_table(), _IDS, _ids_table()),
        *(_MATRIX, _matrix_table(), _reasons()),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _types_table() -> str:
    return _table(_TYPE_HEAD, (_type_row(kind) for kind in accelerators().values()))


def _type_row(kind: AcceleratorType) -> tuple[str, ...]:
    return (
        f"`{kind.id}`",
        f"{kind.vendor} {kind.model}" if kind.vendor != "any" else kind.model,
        _resource(kind),
        kind.unit,
        _number(kind.memory_gib),
        _number(kind.memory_bandwidth_gbs),
        _number(kind.peak_dense.bf16_tflops),
        _number(kind.peak_dense.fp16_tflops),
        _number(kind.watts),
        ", ".join(map(str, kind.allowed_counts)) or "any",
        kind.confidence.value + (f": {kind.confidence_note}" if kind.confidence_note else ""),
    )


def _resource(kind: AcceleratorType) -> str:
    if kind.resource_name:
        return f"`{kind.resource_name}`"
    return f"... such as `{kind.example_resource_name}`" if kind.example_resource_name else ""


def _exporters_table() -> str:
    head = ("exporter", "port", *(title for _, title in _OFFERS), "own pod labels", "types")
    return _table(head, (_exporter_row(mapping) for mapping in exporters().values()))


def _exporter_row(mapping: ExporterMapping) -> tuple[str, ...]:
    return (
        mapping.name,
        str(mapping.port or ""),
        *(_offer(mapping, field) for field, _ in _OFFERS),
        "yes" if mapping.pod_labels else "",
        ", ".join(f"`{kind.id}`" for kind in accelerators().values() if kind.exporter == mapping),
    )


def _ids_table() -> str:
    rows = [
        (mapping.name, f"`{_cell_text(form.pattern)}`", f"`{form.becomes}`", form.written_by)
        for mapping in exporters().values()
        for form in mapping.device_ids
    ]
    rows += [
        (mapping.name, f"core numbers of `{index.resource}`", f"core / `{index.per_device_label}`", "")
        for mapping in exporters().values()
        if (index := mapping.device_index) is not None and index.resource
    ]
    return _table(("exporter", "id", "stands for", "written by"), rows)


def _cell_text(pattern: str) -> str:
    return pattern.replace("|", "\\|")


def _offer(mapping: ExporterMapping, field: str) -> str:
    source = getattr(mapping, field)
    return " + ".join(f"`{name}`" for name in (source.metric, *source.plus)) if source is not None else ""


def _matrix_table() -> str:
    groups = _alike()
    head = ["type", *(f"{', '.join(names)}: {verb}" for names in groups for verb in Verb)]
    rows = (
        (f"`{kind.id}`", *(_cell(names[0], kind, verb) for names in groups for verb in Verb))
        for kind in accelerators().values()
    )
    return _table(head, rows)


def _cell(family: str, kind: AcceleratorType, verb: Verb) -> str:
    found = compatibility(family=family, accelerator=kind, verb=verb)
    return found.verdict.value if found.verdict is Verdict.IMPOSSIBLE else f"{found.verdict.value} ({found.variant})"


def _alike() -> list[list[str]]:
    """Families whose columns would be equal share one."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for family in Family:
        column = tuple(_cell(family.value, kind, verb) for kind in accelerators().values() for verb in Verb)
        groups.setdefault(column, []).append(family.value)
    return list(groups.values())


def _reasons() -> str:
    """Each sentence once, with the types that it speaks of."""
    seen: dict[str, list[str]] = {}
    for kind in accelerators().values():
        for verb in Verb:
            for family, rule in rules().families.items():
                if rule.own:
                    continue
                reason = compatibility(family=family.value, accelerator=kind, verb=verb).reason
                names = seen.setdefault(reason, [])
                if kind.id not in names:
                    names.append(kind.id)
    everywhere = len(accelerators())
    lines = ["Reasons:", ""]
    for reason, names in seen.items():
        where = "every type" if len(names) > everywhere // 2 else ", ".join(f"`{name}`" for name in names)
        lines.append(f"- {reason} ({where})")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
