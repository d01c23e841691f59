"""Devices as Prometheus families, under the contract's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hostler.exporter.facts import Device
from hostler.exporter.reading import Quantity
from hostler.kubelet.podresources import Holder
from hostler_contract import metrics as names

_INFO_LABELS = (*names.ACCELERATOR_LABELS, "resource", "model")

_GAUGES = (
    (Quantity.UTILIZATION, names.ACCELERATOR_UTILIZATION, "Share of the time that the device was busy, 0 to 1."),
    (Quantity.MEMORY_USED, names.ACCELERATOR_MEMORY_USED, "Device memory in use, in bytes."),
    (Quantity.MEMORY_TOTAL, names.ACCELERATOR_MEMORY_TOTAL, "Device memory, in bytes."),
    (Quantity.POWER, names.ACCELERATOR_POWER, "Power drawn, in watts."),
    (Quantity.HEALTH, names.ACCELERATOR_HEALTHY, "1 if device plugin and vendor's exporter call it healthy, else 0."),
)


def families(devices: Sequence[Device], *, node: str) -> Iterator[Metric]:
    """All families; one without a single value is left out."""
    for quantity, name, text in _GAUGES:
        gauge = GaugeMetricFamily(name, text, labels=names.ACCELERATOR_LABELS)
        yield from _filled(gauge, quantity, devices, node)
    energy = CounterMetricFamily(
        names.ACCELERATOR_ENERGY, "Energy since the vendor's counter began, in joules.", labels=names.ACCELERATOR_LABELS
    )
    yield from _filled(energy, Quantity.ENERGY, devices, node)
    if devices:
        yield _info(devices, node)
        yield _shares(devices, node)
    if any(device.held for device in devices):
        yield _shares_held(devices, node)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, quantity: Quantity, devices: Iterable[Device], node: str
) -> Iterator[Metric]:
    for device in devices:
        if quantity in device.values:
            family.add_metric(_labels(device, device.holder, node), device.values[quantity])
    if family.samples:
        yield family


def _info(devices: Iterable[Device], node: str) -> Metric:
    """One series for each device, shared or not, so that counting them counts devices."""
    family = GaugeMetricFamily(
        names.ACCELERATOR_INFO, "A device of this node, busy or idle; always 1.", labels=_INFO_LABELS
    )
    for device in devices:
        family.add_metric([*_labels(device, device.holder, node), device.resource, device.model], 1)
    return family


def _shares(devices: Iterable[Device], node: str) -> Metric:
    family = GaugeMetricFamily(
        names.ACCELERATOR_SHARES,
        "Shares into which the device plugin divides the device; 1 where it is handed out whole.",
        labels=names.ACCELERATOR_LABELS,
    )
    for device in devices:
        family.add_metric(_labels(device, device.holder, node), device.shares)
    return family


def _shares_held(devices: Iterable[Device], node: str) -> Metric:
    """One series for each container and device, the only ones that name every pod of a shared device."""
    family = GaugeMetricFamily(
        names.ACCELERATOR_SHARES_HELD,
        "Shares of the device that the container holds.",
        labels=names.ACCELERATOR_LABELS,
    )
    for device in devices:
        for holder in device.holders:
            family.add_metric(_labels(device, holder, node), device.held[holder])
    return family


def _labels(device: Device, holder: Holder, node: str) -> list[str]:
    """In the order of ``ACCELERATOR_LABELS``."""
    where = [node, holder.namespace, holder.pod, holder.container]
    return [device.vendor, device.type, device.device, *where, "true" if device.simulated else "false"]
