"""The entries that the chart brings: one file each in ``entries/``, the spec of a ClusterModel.

Adding an entry is adding a file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

from hostler.api.model import ModelSpec
from hostler.api.schema import API_VERSION

Manifest = dict[str, Any]


@functools.cache
def entries() -> Mapping[str, Manifest]:
    """Every entry by name, sorted: a ClusterModel with what its file says, and no default filled in. Raises
    ``ValueError`` naming the file that does not fit the schema."""
    return MappingProxyType({name: _entry(name, spec) for name, spec in _files()})


def _entry(name: str, spec: Manifest) -> Manifest:
    try:
        ModelSpec.model_validate(spec)
    except ValueError as error:
        raise ValueError(f"catalog/entries/{name}.yaml: {error}") from error
    return {"apiVersion": API_VERSION, "kind": "ClusterModel", "metadata": {"name": name}, "spec": spec}


def _files() -> Iterator[tuple[str, Manifest]]:
    for file in sorted(
        resources.files("hostler.catalog").joinpath("entries").iterdir(), key=lambda each: each.name[:-5]
    ):
        if file.name.endswith(".yaml"):
            yield file.name.removesuffix(".yaml"), yaml.safe_load(file.read_text(encoding="utf-8"))
