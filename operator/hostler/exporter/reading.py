"""What a vendor's exporter says of each device, in our units. Pure: a mapping and samples in, readings out."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hostler.accelerators.mapping import DeviceIndex, ExporterMapping, Source
from hostler.exporter.parse import Sample, Samples
from hostler.kubelet.podresources import Holder

OVERSHOOT = 1.05
"""Exporters average over windows that do not match and print a little above 100 %; more than this is no ratio."""


Labels = tuple[tuple[str, str], ...]


class Quantity(StrEnum):
    """What is measured; the values are the field names of a mapping."""

    UTILIZATION = "utilization"
    MEMORY_USED = "memory_used"
    MEMORY_TOTAL = "memory_total"
    POWER = "power"
    ENERGY = "energy"
    HEALTH = "health"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a series says of the device it belongs to."""

    name: str
    keys: tuple[str, ...]
    """Spellings to compare with what the kubelet's device ids stand for, best first."""
    parent: str = ""
    """For a slice, the name of the device that it is cut from."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One device as its vendor's exporter sees it. A quantity that the exporter does not offer is not in ``values``."""

    name: str
    keys: tuple[str, ...]
    values: Mapping[Quantity, float]
    model: str | None
    holders: frozenset[Holder]
    """Pods by the exporter's own labels, where it has them."""
    parent: str = ""
    """For a slice, the name of the device that it is cut from."""


def read(mapping: ExporterMapping, samples: Samples) -> list[Reading]:
    """Every device that the text speaks of, sorted by name. One whose values are all blank is still a device."""
    reader = _Reader(mapping, samples)
    found: dict[str, list[tuple[Identity, Sample]]] = {}
    for sample in reader.all_samples():
        identity = reader.identity(sample)
        if identity is not None:
            found.setdefault(identity.name, []).append((identity, sample))
    values = {quantity: reader.values(quantity) for quantity in Quantity}
    return [
        Reading(
            name=name,
            keys=tuple(dict.fromkeys(key for identity, _ in series for key in identity.keys)),
            values={quantity: by_device[name] for quantity, by_device in values.items() if name in by_device},
            model=_model(mapping, (sample for _, sample in series)),
            holders=_own_holders(mapping, (sample for _, sample in series)),
            parent=series[0][0].parent,
        )
        for name, series in sorted(found.items())
    ]


def cores_per_device(mapping: ExporterMapping, samples: Samples) -> int | None:
    """Cores of a device by the exporter's word, where it numbers cores; else None."""
    return _Reader(mapping, samples).cores


def metric_names(mappings: Iterable[ExporterMapping]) -> frozenset[str]:
    """Every metric that the mappings read, with every prefix; the rest of a text need not be parsed."""
    return frozenset(
        prefix + metric
        for mapping in mappings
        for prefix in ("", *mapping.prefixes)
        for metric in (*_Reader(mapping, {}).metrics(), *_core_metrics(mapping))
    )


def _core_metrics(mapping: ExporterMapping) -> tuple[str, ...]:
    return (mapping.device_index.per_device_metric,) if mapping.device_index is not None else ()


class _Reader:
    """The mapping applied to one text."""

    def __init__(self, mapping: ExporterMapping, samples: Samples) -> None:
        self._mapping = mapping
        self._samples = samples
        self.cores = _cores_per_device(mapping.device_index, self._series) if mapping.device_index else None

    def metrics(self) -> list[str]:
        return sorted({name for source in self._sources() for name in (source.metric, *source.plus)})

    def all_samples(self) -> Iterator[Sample]:
        for metric in self.metrics():
            yield from self._series(metric)

    def identity(self, sample: Sample) -> Identity | None:
        """None where the series belongs to no device (a total of the node, an event counter)."""
        if self._mapping.device_index is not None:
            return self._identity_by_core(self._mapping.device_index, sample)
        keys = tuple(k for entry in self._mapping.device_labels if (k := _render(entry, sample.labels)) is not None)
        if not keys:
            return None
        parts = [sample.labels[label] for label in self._mapping.partition_labels if sample.labels.get(label)]
        if not parts:
            return Identity(keys[0], keys)
        names = tuple("/".join([key, *parts]) for key in keys)
        return Identity(names[0], names, keys[0])

    def values(self, quantity: Quantity) -> dict[str, float]:
        """The quantity by device, for the devices that have it."""
        source: Source | None = getattr(self._mapping, quantity.value)
        found: dict[str, float] = {}
        while source is not None:
            found = self._converted(quantity, source) | found
            source = source.otherwise
        return found

    def _converted(self, quantity: Quantity, source: Source) -> dict[str, float]:
        if quantity is Quantity.HEALTH:
            verdicts = self._raw(source.metric, source)
            return {device: float(all(raw == source.healthy_when for raw in raws)) for device, raws in verdicts.items()}
        parts = [
            {device: _combine(source, raws) for device, raws in self._raw(metric, source).items()}
            for metric in (source.metric, *source.plus)
        ]
        whole = parts[0].keys() & set.intersection(*(set(part) for part in parts))
        converted = {device: sum(part[device] for part in parts) * source.factor + source.offset for device in whole}
        return dict(_plausible(quantity, converted))

    def _raw(self, metric: str, source: Source) -> dict[str, list[float]]:
        """Raw values by device, without those by which the exporter says that it has none.

        A series that an exporter repeats for each pod of a shared device is one measurement, so it counts once.
        """
        found: dict[str, dict[Labels, float]] = {}
        for sample in self._series(metric):
            if any(sample.labels.get(label, "") != value for label, value in source.match.items()):
                continue
            identity = self.identity(sample)
            if identity is not None and sample.value >= 0 and not self._mapping.is_blank(sample.value):
                values = found.setdefault(identity.name, {})
                labels = self._without_pods(sample)
                values[labels] = max(sample.value, values.get(labels, 0.0))
        return {device: list(values.values()) for device, values in found.items()}

    def _without_pods(self, sample: Sample) -> Labels:
        theirs = self._mapping.pod_labels.values()
        return tuple(sorted(pair for pair in sample.labels.items() if pair[0] not in theirs))

    def _series(self, metric: str) -> Iterator[Sample]:
        for prefix in ("", *self._mapping.prefixes):
            yield from self._samples.get(prefix + metric, ())

    def _sources(self) -> Iterator[Source]:
        for quantity in Quantity:
            source: Source | None = getattr(self._mapping, quantity.value)
            while source is not None:
                yield source
                source = source.otherwise

    def _identity_by_core(self, index: DeviceIndex, sample: Sample) -> Identity | None:
        core = sample.labels.get(index.label, "")
        if not core.isdigit() or not self.cores:
            return None
        device = str(int(core) // self.cores)
        return Identity(device, (device,))


def _cores_per_device(index: DeviceIndex, series: Callable[[str], Iterator[Sample]]) -> int | None:
    for sample in series(index.per_device_metric):
        count = sample.labels.get(index.per_device_label, "")
        if count.isdigit() and int(count) > 0:
            return int(count)
    return None


def _render(entry: str, labels: Mapping[str, str]) -> str | None:
    """A label's value, or a template over labels; None where a label is absent or empty."""
    if "{" not in entry:
        return labels.get(entry) or None
    fields = [name for _, name, _, _ in string.Formatter().parse(entry) if name]
    return entry.format_map(labels) if all(labels.get(name) for name in fields) else None


def _combine(source: Source, values: Sequence[float]) -> float:
    match source.combine:
        case "max":
            return max(values)
        case "sum":
            return sum(values)
        case "mean":
            return sum(values) / len(values)


def _plausible(quantity: Quantity, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for device, value in values.items():
        if quantity is not Quantity.UTILIZATION:
            yield device, value
        elif value <= OVERSHOOT:
            yield device, min(value, 1.0)


def _model(mapping: ExporterMapping, samples: Iterable[Sample]) -> str | None:
    if mapping.model_label is None:
        return None
    return next((model for sample in samples if (model := sample.labels.get(mapping.model_label))), None)


def _own_holders(mapping: ExporterMapping, samples: Iterable[Sample]) -> frozenset[Holder]:
    names = mapping.pod_labels
    if not names:
        return frozenset()
    found = (
        Holder(*(sample.labels.get(names.get(key, ""), "") for key in ("namespace", "pod", "container")))
        for sample in samples
    )
    return frozenset(holder for holder in found if holder.namespace and holder.pod)
