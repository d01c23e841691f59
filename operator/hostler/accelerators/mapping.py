"""How a vendor's metrics exporter is read: the schema of ``exporters/*.yaml``.

A mapping only says what an exporter offers. What it does not offer is absent here and absent in our metrics, never
zero: a zero would be believed.
"""

from __future__ import annotations

import math
import re
import string
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

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
    resource: str | None = None
    """Extended resource whose device ids are such core numbers, where the device plugin hands out cores too."""


class DeviceIdForm(Fact):
    """One way in which a device plugin writes device ids, and the device or slice that such an id stands for.

    Forms are rewrite rules, tried in their order, each on what those before it left: the id of a share of a slice
    loses its share first.
    """

    pattern: str
    """Regular expression with named groups that the whole id matches."""
    becomes: str
    """Template over the groups, in the spelling of ``device_labels``: ``DEVICE``, or ``DEVICE/SLICE``."""
    written_by: str
    """Which plugin, in which mode, writes ids like this."""

    @model_validator(mode="after")
    def _template_uses_groups(self) -> DeviceIdForm:
        groups = re.compile(self.pattern).groupindex
        for _, name, _, _ in string.Formatter().parse(self.becomes):
            if name is not None and name not in groups:
                raise ValueError(f"becomes: {self.pattern!r} has no group {name!r}")
        return self

    def rewrite(self, device_id: str) -> str:
        """What the id stands for; an id of another form stays as it is."""
        match = re.fullmatch(self.pattern, device_id)
        return self.becomes.format_map(match.groupdict("")) if match else device_id


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
    resources: tuple[str, ...] = ()
    """Regular expressions of extended resources whose devices this exporter measures, beside those of its types:
    slices and renamed shares, which pools do not name."""
    device_ids: tuple[DeviceIdForm, ...] = ()
    """How the device plugins write ids that are not simply a value of ``device_labels``."""
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

    @field_validator("resources")
    @classmethod
    def _resources_compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            re.compile(entry)
        return value

    def measures(self, resource: str) -> bool:
        """True where ``resources`` claims the extended resource."""
        return any(re.fullmatch(pattern, resource) for pattern in self.resources)

    def device_of(self, device_id: str) -> str:
        """The device or slice that a device plugin's id stands for, in the spelling of ``device_labels``."""
        for form in self.device_ids:
            device_id = form.rewrite(device_id)
        return device_id

    def is_blank(self, raw: float) -> bool:
        """True where a raw value says 'no value'."""
        return not math.isfinite(raw) or any(low <= raw <= high for low, high in self.blanks)
