"""Readings as the text of the vendor's own exporter: the registry's mapping, read backwards. Pure.

Where a mapping has no source for a field, or a reading has no value, there is no series: never a zero that means
'not known'.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from device_simulator.inventory import Device
from hostler.accelerators import AcceleratorType
from hostler.accelerators.mapping import ExporterMapping, Source
from hostler.kubelet.podresources import Holder

GIB = 2.0**30
FIELDS = ("utilization", "memory_used", "memory_total", "power", "energy", "health")
IDENTITY = ("uuid", "serial", "accelerator_id")
"""Parts of label names that hold a device's id; other labels of a device hold its number."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device shows for one sampling interval, in our units. None is 'not known'."""

    device: Device
    holder: Holder | None = None
    utilization: float | None = None
    memory_used: float | None = None
    power: float | None = None
    energy: float | None = None

    @property
    def memory_total(self) -> float | None:
        """Bytes of device memory."""
        memory = self.device.kind.memory_gib
        return None if memory is None else memory * GIB

    @property
    def health(self) -> float:
        """1 for healthy, 0 for unhealthy."""
        return float(self.device.healthy)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the exposition format."""

    metric: str
    labels: Labels
    value: float
    counter: bool = False


def exposition(readings: Sequence[Reading]) -> str:
    """Everything that the simulator serves on /metrics."""
    families: dict[str, list[Series]] = {}
    for series in [*_info(readings), *_hardware(readings), *(s for r in readings for s in device_series(r))]:
        families.setdefault(series.metric, []).append(series)
    return "".join(line for name, members in sorted(families.items()) for line in _family(name, members))


def device_series(reading: Reading) -> list[Series]:
    """The vendor's series of one device; none where the vendor has no exporter."""
    mapping = reading.device.kind.exporter
    if mapping is None:
        return []
    common = device_labels(reading, mapping)
    sources: dict[str, Source] = {field: source for field in FIELDS if (source := getattr(mapping, field))}
    values: dict[str, float | None] = {field: getattr(reading, field) for field in sources}
    # Free memory is the total less what is used: with one unknown, a series that serves both cannot be told.
    untold = {sources[field].metric for field, value in values.items() if value is None}
    raw: dict[str, float] = {}
    found: list[Series] = []
    for field, source in sources.items():
        value = values[field]
        if value is None or untold & {source.metric, *source.plus}:
            continue
        labels = tuple({**common, **{name: text for name, text in source.match.items() if text}}.items())
        for metric, number in _split(source, _raw(source, value), known=raw):
            raw[metric] = number
            found.append(Series(metric, labels, number, counter=field == "energy"))
    return found


def device_labels(reading: Reading, mapping: ExporterMapping) -> dict[str, str]:
    """The labels by which the exporter's readers find device, model and, where the vendor says so, the pod."""
    device = reading.device
    found = _identity(device, mapping)
    model = vendor_model(device.kind)
    if mapping.model_label is not None and model is not None:
        found[mapping.model_label] = model
    if reading.holder is not None:
        found |= {theirs: getattr(reading.holder, ours) for ours, theirs in mapping.pod_labels.items()}
    return found


def _identity(device: Device, mapping: ExporterMapping) -> dict[str, str]:
    if mapping.device_index is not None:
        # One core for each simulated device, so that the core's number is the device's.
        return {mapping.device_index.label: str(device.ordinal)}
    parts = [list(string.Formatter().parse(entry)) for entry in mapping.device_labels]
    templated = {name for entry in parts for _, name, _, _ in entry if name}
    plain = [entry for entry in mapping.device_labels if "{" not in entry]
    named = [label for label in plain if any(part in label.lower() for part in IDENTITY)]
    if not named and not templated:
        named = plain[:1]
    numbers = dict.fromkeys([*templated, *plain], str(device.ordinal))
    return numbers | dict.fromkeys(named, device.id)


def vendor_model(kind: AcceleratorType) -> str | None:
    """The model as the vendor's discovery and exporter write it."""
    return next((label.values[0] for label in kind.node_labels if label.values), None)


def _raw(source: Source, value: float) -> float:
    if source.healthy_when is None:
        return (value - source.offset) / source.factor
    if value:
        return source.healthy_when
    return 1.0 if source.healthy_when == 0 else 0.0


def _split(source: Source, whole: float, *, known: dict[str, float]) -> Iterator[tuple[str, float]]:
    """A value over the series whose sum it is: known ones stay, and the first of the others takes the remainder."""
    parts = (source.metric, *source.plus)
    rest = whole - sum(known.get(part, 0.0) for part in parts)
    for part in parts:
        if part not in known:
            yield part, rest
            rest = 0.0


def _info(readings: Sequence[Reading]) -> Iterator[Series]:
    kinds = dict.fromkeys(reading.device.kind.id for reading in readings)
    for kind in kinds:
        count = sum(reading.device.kind.id == kind for reading in readings)
        yield Series("hostler_simulator_info", (("type", kind), ("devices", str(count))), 1.0)


def _hardware(readings: Sequence[Reading]) -> Iterator[Series]:
    """How many cores a device has, for exporters that only number cores."""
    mappings = {r.device.kind.exporter.name: r.device.kind.exporter for r in readings if r.device.kind.exporter}
    for mapping in mappings.values():
        if mapping.device_index is not None:
            index = mapping.device_index
            yield Series(index.per_device_metric, ((index.per_device_label, "1"),), 1.0)


def _family(name: str, members: Iterable[Series]) -> Iterator[str]:
    members = list(members)
    yield f"# TYPE {name} {'counter' if members[0].counter else 'gauge'}\n"
    for series in members:
        labels = ",".join(f'{key}="{_escape(text)}"' for key, text in series.labels)
        yield f"{name}{{{labels}}} {series.value:.12g}\n"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
