"""How a vendor's metrics exporter is read: the schema of ``exporters/*.yaml``.

A mapping only says what an exporter offers. What it does not offer is absent here and absent in our metrics, never
zero: a zero would be believed.
"""

from __future__ import annotations

import math
import string
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hostler.accelerators.facts import Confidence, Fact


class Source(Fact):
    """One series of a vendor's exporter and how it becomes ours: ``ours = theirs * factor + offset``."""

    metric: str
    factor: float = 1.0
    offset: float = 0.0
    match: dict[str, str] = Field(default_factory=dict)
    """Only series with exactly these label values count; an empty value matches an absent label."""
    plus: tuple[str, ...] = ()
    """Further series of the same device that are added; the sum is absent where one of them is."""
    combine: Literal["max", "sum", "mean"] = "max"
    """How several series of one device become one: ``max`` for repetitions, ``mean`` for cores, ``sum`` for shares."""
    healthy_when: float | None = None
    """For health: the raw value that means healthy; every other one means unhealthy."""
    otherwise: Source | None = None
    """Where a device has no such series, this one is tried."""


class DeviceIndex(Fact):
    """For exporters that only number cores: the device is the core's number divided by the cores of a device."""

    label: str
    """Label with the core's number."""
    per_device_metric: str
    """Series that says how many cores a device has, ..."""
    per_device_label: str
    """... in this label."""


class ExporterMapping(Fact):
    """How a vendor's exporter is read."""

    name: str
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """Port on the node, where the vendor documents one."""
    path: str = "/metrics"
    prefixes: tuple[str, ...] = ()
    """Prefixes that installations put before every metric name."""
    device_labels: tuple[str, ...] = ()
    """What identifies a device, best first: a label, or a template such as ``Ascend910-{id}`` over labels.

    The first that a series has names the device; all of them are compared with the kubelet's device ids.
    """
    partition_labels: tuple[str, ...] = ()
    """Labels that a slice of a device carries beside the device's own; a slice is a device of its own."""
    device_index: DeviceIndex | None = None
    """For exporters that number cores; takes the place of ``device_labels``."""
    model_label: str | None = None
    """Label with the model, which tells apart the types of one resource name (compared with their node labels)."""
    utilization: Source | None = None
    memory_used: Source | None = None
    memory_total: Source | None = None
    power: Source | None = None
    energy: Source | None = None
    health: Source | None = None
    pod_labels: dict[Literal["namespace", "pod", "container"], str] = Field(default_factory=dict)
    """The exporter's own labels for ours, where it has them."""
    blanks: tuple[tuple[float, float], ...] = ()
    """Closed ranges of raw values by which the exporter says 'no value'."""
    confidence: Confidence = Confidence.RECALLED
    source: str
    """Where the names and units were read."""
    notes: str | None = None

    @field_validator("device_labels")
    @classmethod
    def _templates_parse(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            list(string.Formatter().parse(entry))  # Raises ValueError on an unbalanced brace.
        return value

    def is_blank(self, raw: float) -> bool:
        """True where a raw value says 'no value'."""
        return not math.isfinite(raw) or any(low <= raw <= high for low, high in self.blanks)
