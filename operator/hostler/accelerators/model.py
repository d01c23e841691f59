"""What Hostler knows of an accelerator type: the schema of ``types/*.yaml``.

Every figure is **per advertised unit**, that is, per one of the resource that a pod requests: the MI250X unit is a
GCD, the Cloud AI 100 Ultra unit one of four SoCs. ``None`` means 'not known' or 'does not apply', never zero. A price
is never part of a type: prices are the user's, in the pool.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class Fact(BaseModel):
    """Strict base of all parts: a misspelled key in a data file is an error, not a silent default."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Contract(StrEnum):
    """How the accelerator reaches a pod."""

    SCALAR = "scalar"
    """An extended resource that nodes advertise through a device plugin."""

    CPU = "cpu"
    """No device at all: the pod's CPU cores are the accelerator."""


class Confidence(StrEnum):
    """How well a figure is known."""

    VERIFIED = "verified"
    RECALLED = "recalled"


class NodeLabel(Fact):
    """A label by which the vendor's discovery identifies the type on a node."""

    key: str
    values: tuple[str, ...] = ()
    """Values that mean this type; empty where the label only carries a figure that is read at run time."""
    unit: str | None = None


class PeakDense(Fact):
    """Peak dense throughput of one unit (no structured sparsity)."""

    fp8_tflops: float | None = Field(default=None, gt=0)
    bf16_tflops: float | None = Field(default=None, gt=0)
    fp16_tflops: float | None = Field(default=None, gt=0)
    tf32_tflops: float | None = Field(default=None, gt=0)
    fp32_tflops: float | None = Field(default=None, gt=0)
    int8_tops: float | None = Field(default=None, gt=0)


class Source(Fact):
    """One series of a vendor's exporter and how it becomes ours.

    ``ours = theirs * factor + offset``; series whose labels do not contain ``match`` are left out.
    """

    metric: str
    factor: float = 1.0
    offset: float = 0.0
    match: dict[str, str] = Field(default_factory=dict)
    plus: tuple[str, ...] = ()
    """Further series of the same device that are added (a total that a vendor only offers in parts)."""
    healthy_when: float | None = None
    """For health: the raw value that means healthy."""


class ExporterMapping(Fact):
    """How a vendor's exporter is read. What it does not offer is absent here, and absent in our metrics."""

    name: str
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    path: str = "/metrics"
    device_labels: tuple[str, ...] = ()
    """Labels that identify the device, best first; matched against the ids of the PodResources API."""
    utilization: Source | None = None
    memory_used: Source | None = None
    memory_total: Source | None = None
    power: Source | None = None
    energy: Source | None = None
    health: Source | None = None
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """The exporter's own labels for ours (``namespace``, ``pod``, ``container``), where it has them."""
    confidence: Confidence = Confidence.RECALLED


class PodRequirements(Fact):
    """What a pod on this type needs beyond asking for the resource."""

    runtime_class_name: str | None = None
    tolerations: tuple[str, ...] = ()
    """``key:Effect`` pairs of taints that such nodes usually carry."""
    privileges: tuple[str, ...] = ()
    """What goes beyond Pod Security *restricted* (``hostIPC``, ``SYS_NICE``); the pool must allow each by name."""
    shared_memory: bool = False
    """True where multi-process work needs a memory-backed /dev/shm larger than the runtime's default."""
    hugepages_2mi: str | None = None
    env: dict[str, str] = Field(default_factory=dict)


class AcceleratorType(Fact):
    """One type of accelerator, as one data file."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
    vendor: str
    model: str
    kind: str = Field(pattern=r"^(gpu|ipu|tpu|npu|fpga|cpu)$")
    contract: Contract
    resource_name: str | None = None
    """Extended resource on the node, exact case (``huawei.com/Ascend910``). Absent for ``cpu``."""
    unit: str
    """What one of the resource is, in words."""
    node_labels: tuple[NodeLabel, ...] = ()
    memory_gib: float | None = Field(default=None, gt=0)
    """Device memory of one unit. For an IPU this is SRAM; streaming memory stands beside it."""
    streaming_memory_gib: float | None = Field(default=None, gt=0)
    memory_bandwidth_gbs: float | None = Field(default=None, gt=0)
    peak_dense: PeakDense = PeakDense()
    watts: float | None = Field(default=None, gt=0)
    interconnect: str | None = None
    allowed_counts: tuple[int, ...] = ()
    """Counts per pod that the device accepts (IPU partitions are powers of two); empty means any."""
    exporter: ExporterMapping | None = None
    pod: PodRequirements = PodRequirements()
    confidence: Confidence
    spec_source: str
    notes: str | None = None

    @model_validator(mode="after")
    def _resource_follows_contract(self) -> AcceleratorType:
        if (self.contract is Contract.CPU) == (self.resource_name is not None):
            raise ValueError(f"{self.id}: a scalar type has a resourceName, cpu has none")
        return self
