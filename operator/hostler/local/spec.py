"""What a local cluster looks like: its nodes, as a small YAML file describes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hostler.local.errors import ConfigError

MAX_NODES = 30
"""Each node has 256 pod addresses of the cluster's block; 30 fit and leave room for the services."""

POOL_LABEL = "hostler.dev/pool"
SIMULATED_LABEL = "hostler.dev/simulated"
SIMULATED_ANNOTATION = "hostler.dev/simulated-accelerators"

_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|Ki|Mi|Gi|Ti|k|M|G|T)?$")
_FACTORS = {
    None: 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip

NodeName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
LabelName = Annotated[str, Field(min_length=1, max_length=317)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AcceleratorSpec(_Strict):
    """Devices that the device simulator advertises on a node."""

    type: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$", description="Name in the accelerator registry")
    count: int = Field(ge=1, le=256, description="Devices on this node")
    gigaflops: float | None = Field(
        default=None, gt=0, le=1e6, description="Billions of operations in a second of each; absent means as the cores"
    )


class TaintSpec(_Strict):
    """A taint that the node registers with."""

    key: LabelName
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class NodeSpec(_Strict):
    """One node: a kubelet and a container runtime of its own."""

    name: NodeName
    pool: str | None = Field(default=None, description="Value of the node label hostler.dev/pool")
    accelerators: tuple[AcceleratorSpec, ...] = ()
    labels: dict[LabelName, str] = {}
    taints: tuple[TaintSpec, ...] = ()
    cpu: str | None = Field(default=None, description="CPU that pods may ask for; default: all of the machine")
    memory: str | None = Field(default=None, description="Memory that pods may ask for; default: all of the machine")

    @field_validator("cpu", "memory", mode="before")
    @classmethod
    def _quantity(cls, value: object) -> str | None:
        if value is None:
            return None
        if parse_quantity(str(value)) <= 0:
            raise ValueError("must be more than zero")
        return str(value)

    def all_labels(self) -> dict[str, str]:
        """The labels of the node object: its own, its pool and whether its devices are simulated."""
        labels = dict(self.labels)
        if self.pool is not None:
            labels[POOL_LABEL] = self.pool
        if self.accelerators:
            labels[SIMULATED_LABEL] = "true"
        return labels

    def annotations(self) -> dict[str, str]:
        """What the device simulator reads to know which devices it shall advertise here."""
        if not self.accelerators:
            return {}
        wanted = [accelerator.model_dump(exclude_defaults=True) for accelerator in self.accelerators]
        return {SIMULATED_ANNOTATION: json.dumps(wanted, separators=(",", ":"))}


class ClusterSpec(_Strict):
    """The nodes of a cluster, in the order in which they get their addresses."""

    nodes: tuple[NodeSpec, ...] = Field(min_length=1, max_length=MAX_NODES)

    @model_validator(mode="after")
    def _names_differ(self) -> ClusterSpec:
        names = [node.name for node in self.nodes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two nodes are named {twice[0]!r}")
        return self


def default_spec() -> ClusterSpec:
    """One system node, one GPU node with four simulated A100, one IPU node with four simulated C600."""
    return ClusterSpec(
        nodes=(
            NodeSpec(name="system-0"),
            NodeSpec(name="gpu-0", pool="gpu", accelerators=(AcceleratorSpec(type="nvidia-a100-80", count=4),)),
            NodeSpec(name="ipu-0", pool="ipu", accelerators=(AcceleratorSpec(type="graphcore-c600", count=4),)),
        )
    )


def parse_quantity(text: str) -> float:
    """The number a Kubernetes quantity stands for; raises ValueError where it is none."""
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 2, 500m or 4Gi")
    return float(match.group(1)) * _FACTORS[match.group(2)]


def parse_spec(document: object, *, source: str) -> ClusterSpec:
    """Validate a parsed YAML document; every error names the source and the field's path."""
    if not isinstance(document, dict):
        raise ConfigError(f"{source} holds no mapping", way_out="start it with `nodes:`")
    try:
        return ClusterSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{source}: {_path(first['loc'])}: {message}") from None


def load_spec(path: Path | None) -> ClusterSpec:
    """The node description in a file, or the default one."""
    if path is None:
        return default_spec()
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", way_out="give --config an existing file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML ({' '.join(str(error).split())})") from None
    spec = parse_spec(document, source=str(path))
    check_types(spec, source=str(path))
    return spec


def check_types(spec: ClusterSpec, *, source: str) -> None:
    """Refuse accelerators that the registry, and so the device simulator, does not know."""
    # Imported here, because most calls describe no nodes and need not read the registry's files.
    from hostler.accelerators import UnknownAcceleratorError, accelerator

    for i, node in enumerate(spec.nodes):
        for j, wanted in enumerate(node.accelerators):
            try:
                accelerator(wanted.type)
            except UnknownAcceleratorError as error:
                raise ConfigError(f"{source}: nodes[{i}].accelerators[{j}].type: {error}") from None


def _path(location: tuple[int | str, ...]) -> str:
    """`("nodes", 1, "name")` as `nodes[1].name`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "document"
