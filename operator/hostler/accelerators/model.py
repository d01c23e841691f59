"""What Hostler knows of an accelerator type: the schema of ``types/*.yaml``.

Every figure is **per advertised unit**, that is, per one of the resource that a pod requests: the MI250X unit is a
GCD, the Cloud AI 100 Ultra unit one of four SoCs. ``None`` means 'not known' or 'does not apply', never zero. A price
is never part of a type: prices are the user's, in the pool.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from hostler.accelerators.facts import Confidence, Fact
from hostler.accelerators.mapping import DeviceIndex, ExporterMapping, Source

__all__ = [
    "AcceleratorType",
    "Confidence",
    "Contract",
    "DeviceIndex",
    "ExporterMapping",
    "Fact",
    "NodeLabel",
    "PeakDense",
    "PodRequirements",
    "ResourceNameError",
    "Source",
]


class ResourceNameError(ValueError):
    """A pool's spec.resourceName does not fit its type, or is missing where the type needs one."""


class Contract(StrEnum):
    """How the accelerator reaches a pod."""

    SCALAR = "scalar"
    """An extended resource that nodes advertise through a device plugin."""

    CPU = "cpu"
    """No device at all: the pod's CPU cores are the accelerator."""


class NodeLabel(Fact):
    """A label by which the vendor's discovery identifies the type on a node."""

    key: str
    values: tuple[str, ...] = ()
    """Values that mean this type; empty where the label only carries a figure that is read at run time."""
    unit: str | None = None


class PeakDense(Fact):
    """Peak dense throughput of one unit (no structured sparsity)."""

    fp4_tflops: float | None = Field(default=None, gt=0)
    fp8_tflops: float | None = Field(default=None, gt=0)
    bf16_tflops: float | None = Field(default=None, gt=0)
    fp16_tflops: float | None = Field(default=None, gt=0)
    tf32_tflops: float | None = Field(default=None, gt=0)
    fp32_tflops: float | None = Field(default=None, gt=0)
    int8_tops: float | None = Field(default=None, gt=0)


class PodRequirements(Fact):
    """What a pod on this type needs beyond asking for the resource."""

    runtime_class_name: str | None = None
    tolerations: tuple[str, ...] = ()
    """``key:Effect`` pairs of taints that such nodes usually carry."""
    required_node_selectors: tuple[str, ...] = ()
    """Node labels that a pod must select by value, because the vendor's admission refuses it otherwise."""
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
    """Extended resource on the node, exact case (``huawei.com/Ascend910``). Absent for ``cpu``, and absent where the
    name depends on the installation: then every pool says its own."""
    resource_name_pattern: str | None = None
    """Regular expression of other names under which this type appears; a pool may set one that matches."""
    example_resource_name: str | None = None
    """A name that matches the pattern, for documentation and for simulated devices of a type without a fixed one."""
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
    inference_only: str | None = None
    """Why it never trains, as a sentence that users read; absent where it does train."""
    variant: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """Variant of the runtime image that drives it (``cpu``, ``cuda``, ``rocm``, ...)."""
    exporter: ExporterMapping | None = None
    """In a data file either the mapping itself or the name of one of ``exporters/*.yaml``."""
    pod: PodRequirements = PodRequirements()
    confidence: Confidence
    confidence_note: str | None = None
    spec_source: str
    notes: str | None = None

    @field_validator("resource_name_pattern")
    @classmethod
    def _pattern_compiles(cls, value: str | None) -> str | None:
        if value is not None:
            re.compile(value)
        return value

    @model_validator(mode="after")
    def _resource_follows_contract(self) -> AcceleratorType:
        named = self.resource_name is not None or self.resource_name_pattern is not None
        if (self.contract is Contract.CPU) == named:
            raise ValueError(f"{self.id}: a scalar type has a resourceName or a resourceNamePattern, cpu has neither")
        if self.resource_name_pattern and not self.accepts_resource(self.example_resource_name or ""):
            raise ValueError(f"{self.id}: exampleResourceName must match resourceNamePattern")
        return self

    @model_validator(mode="after")
    def _partly_says_which(self) -> AcceleratorType:
        if (self.confidence is Confidence.PARTLY) != (self.confidence_note is not None):
            raise ValueError(f"{self.id}: confidence 'partly' comes with a confidenceNote, the others without")
        return self

    def accepts_resource(self, name: str) -> bool:
        """True where nodes may advertise this type under that name."""
        if name and name == self.resource_name:
            return True
        return self.resource_name_pattern is not None and re.fullmatch(self.resource_name_pattern, name) is not None

    def resource_for(self, chosen: str | None) -> str | None:
        """The resource that pods request, given a pool's spec.resourceName; None for ``cpu``.

        Raises :class:`ResourceNameError` with the way out.
        """
        if chosen is None:
            if self.resource_name is None and self.contract is Contract.SCALAR:
                raise ResourceNameError(
                    f"{self.id} has no fixed resource name: set spec.resourceName to what the nodes advertise, "
                    f"such as {self.example_resource_name}"
                )
            return self.resource_name
        if not self.accepts_resource(chosen):
            wanted = self.resource_name_pattern or self.resource_name or "no resource at all"
            raise ResourceNameError(f"{chosen} is no resource of {self.id}: expected {wanted}")
        return chosen
