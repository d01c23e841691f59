"""The standard loads, and whether a job is one of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from hostler.accelerators import AcceleratorType
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning.benchmarks.pictures import webdataset
from hostler.planning.benchmarks.text import json_lines
from hostler.planning.estimate.jobs import units_of_step

Object = dict[str, Any]

_TEXT, _PICTURES = "text", "pictures"
_FORMATS = {_TEXT: "jsonl", _PICTURES: "webdataset"}
_KEYS = {_TEXT: "data.jsonl", _PICTURES: "data.tar"}
SMALL, BASE = "small", "base"
PACKED, UNPACKED = "packed", "unpacked"
_MODES = {PACKED: "auto", UNPACKED: "off"}
_FREE = (
    "suspend",
    "priority_class_name",
    "ttl_seconds_after_finished",
    "estimated_duration",
    "active_deadline_seconds",
    "max_restarts",
    "max_disruptions",
    "image_pull_secrets",
    "service_account_name",
    "storage",
)
"""Fields of a job that make none of its steps faster or slower."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """How the data of a load is made."""

    kind: str
    """text or pictures."""
    count: int
    """Documents, or pictures."""
    size: int
    """Words of a document in the middle, or pixels of a side."""
    seed: int
    sha256: str
    """Of the bytes that come out, which the pods tell: a job that read others is no benchmark."""

    @property
    def format(self) -> str:
        """As jobs call it."""
        return _FORMATS[self.kind]

    @property
    def key(self) -> str:
        """Of the ConfigMap."""
        return _KEYS[self.kind]

    def content(self) -> bytes:
        """The bytes themselves."""
        if self.kind == _PICTURES:
            return webdataset(count=self.count, side=self.size, seed=self.seed)
        return json_lines(count=self.count, words=self.size, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Load:
    """One standard load."""

    family: str
    size: str
    """small takes seconds on a core; base is as large as published networks, for real accelerators."""
    variant: str
    """packed or unpacked in families that pack sequences, else empty."""
    body: Mapping[str, Any]
    """Fields of the job's spec."""
    data: Data

    @property
    def name(self) -> str:
        """As labels and tables have it."""
        return "-".join(part for part in (self.family, self.size, self.variant) if part)

    @property
    def config_map(self) -> str:
        """Name of the ConfigMap with the data; by its content, so that another release makes another one."""
        return f"benchmark-{self.family}-{self.data.sha256[:8]}"

    def spec(self, *, pool: str, per_pod: int = 1) -> Object:
        """The spec of the job, in wire names."""
        body = dict(self.body)
        training = dict(body.pop("training"))
        if self.variant:
            training["packing"] = {"mode": _MODES[self.variant]}
        return {
            "family": self.family,
            **body,
            "dataset": {
                "source": {"configMap": {"name": self.config_map, "key": self.data.key}},
                "format": self.data.format,
                "license": "CC0-1.0",
            },
            "training": training,
            "accelerators": {"pool": pool, "perPod": per_pod},
        }

    def is_of(self, spec: TrainingJobSpec) -> bool:
        """Whether a job's spec is this load to the letter; the pool and what does not touch speed are free."""
        wanted, pool = spec.accelerators, spec.accelerators.pool
        if pool is None:
            return False
        own = TrainingJobSpec.model_validate(self.spec(pool=pool, per_pod=wanted.per_pod))
        return spec.model_copy(update={name: getattr(own, name) for name in _FREE}) == own

    def most_units_per_step(self) -> float:
        """No step of it can have trained on more, whatever a pod says."""
        found = units_of_step(TrainingJobSpec.model_validate(self.spec(pool="any")), base=None)
        return math.inf if found is None else found


@functools.cache
def loads() -> Mapping[str, Load]:
    """Every standard load by name."""
    folder = resources.files("hostler.planning.benchmarks").joinpath("loads")
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    found = [load for file in files for load in read_loads(yaml.safe_load(file.read_text(encoding="utf-8")))]
    return {load.name: load for load in found}


def read_loads(written: Object) -> list[Load]:
    """The loads of one family's file. Raises ``KeyError`` or ``TypeError`` where it is another file."""
    name = written["family"]
    variants = (PACKED, UNPACKED) if family(name).packs else ("",)
    return [
        Load(
            family=name,
            size=size,
            variant=variant,
            body={field: value for field, value in body.items() if field != "data"},
            data=Data(**body["data"]),
        )
        for size, body in written["sizes"].items()
        for variant in variants
    ]


def benchmarked_families() -> tuple[str, ...]:
    """Families that have a standard load."""
    return tuple(dict.fromkeys(load.family for load in loads().values()))


def size_for(kind: AcceleratorType | None, *, simulated: bool) -> str:
    """The size of network that says something of such devices: a small one keeps no real accelerator busy."""
    return SMALL if simulated or kind is None or kind.watts is None or kind.resource_name is None else BASE


def per_pod_for(kind: AcceleratorType | None) -> int:
    """Fewest devices that a pod can have."""
    return min(kind.allowed_counts) if kind is not None and kind.allowed_counts else 1
