"""Loads the data files once. Adding a type is adding a file; nothing here names one."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

from hostler.accelerators.mapping import ExporterMapping
from hostler.accelerators.model import AcceleratorType

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML has it: forty files are read before the first pool is looked at."""


class UnknownAcceleratorError(LookupError):
    """No data file describes this id; the message offers the nearest ones."""

    def __init__(self, name: str) -> None:
        begun = [each for each in accelerators() if name and each.startswith(name)]
        alike = difflib.get_close_matches(name, accelerators(), n=3, cutoff=0.5)
        near = list(dict.fromkeys(begun + alike))[:3]
        hint = f"did you mean {', '.join(near)}?" if near else "`hostler accelerators` lists them"
        super().__init__(f"unknown accelerator type {name!r}: {hint}")
        self.name = name


@functools.cache
def exporters() -> Mapping[str, ExporterMapping]:
    """Every exporter mapping by file name, sorted. Raises ``ValueError`` naming the file that does not fit."""
    found: dict[str, ExporterMapping] = {}
    for name, data in _files("exporters"):
        try:
            found[name] = ExporterMapping.model_validate(data)
        except ValueError as error:
            raise ValueError(f"exporters/{name}.yaml: {error}") from error
    return MappingProxyType(found)


@functools.cache
def accelerators() -> Mapping[str, AcceleratorType]:
    """Every known type by id, sorted. Raises ``ValueError`` naming the file that does not fit the schema."""
    return MappingProxyType({name: parse_type(name, data) for name, data in _files("types")})


def parse_type(name: str, data: dict[str, Any]) -> AcceleratorType:
    """One type from the content of ``<name>.yaml``. Raises ``ValueError`` naming the file."""
    try:
        kind = AcceleratorType.model_validate(_with_exporter(data))
    except ValueError as error:
        raise ValueError(f"types/{name}.yaml: {error}") from error
    if name != kind.id:
        raise ValueError(f"types/{name}.yaml: the file is named after its id, here {kind.id}.yaml")
    return kind


def accelerator(name: str) -> AcceleratorType:
    """One type by id. Raises :class:`UnknownAcceleratorError`."""
    try:
        return accelerators()[name]
    except KeyError:
        raise UnknownAcceleratorError(name) from None


def types_of_resource(name: str) -> tuple[AcceleratorType, ...]:
    """Every type that nodes may advertise under this extended resource: one, several (``nvidia.com/gpu``) or none."""
    return tuple(kind for kind in accelerators().values() if kind.accepts_resource(name))


def _files(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in sorted(resources.files("hostler.accelerators").joinpath(folder).iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            yield entry.name.removesuffix(".yaml"), yaml.load(entry.read_text(encoding="utf-8"), Loader=_Loader)


def _with_exporter(data: dict[str, Any]) -> dict[str, Any]:
    """Puts a shared mapping in the place of its name: one exporter serves every type of a vendor."""
    named = data.get("exporter")
    if not isinstance(named, str):
        return data
    if named not in exporters():
        raise ValueError(f"exporter {named!r} has no file; there are {', '.join(exporters())}")
    return {**data, "exporter": exporters()[named]}
