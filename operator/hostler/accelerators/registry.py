"""Loads the data files once. Adding a type is adding a file; nothing here names one."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

import yaml

from hostler.accelerators.model import AcceleratorType


class UnknownAcceleratorError(LookupError):
    """No data file describes this id; the message offers the nearest ones."""

    def __init__(self, name: str) -> None:
        near = difflib.get_close_matches(name, accelerators(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`hostler accelerators` lists them"
        super().__init__(f"unknown accelerator type {name!r}: {hint}")
        self.name = name


@functools.cache
def accelerators() -> Mapping[str, AcceleratorType]:
    """Every known type by id, sorted. Raises ``ValueError`` naming the file that does not fit the schema."""
    found: dict[str, AcceleratorType] = {}
    for entry in sorted(resources.files("hostler.accelerators").joinpath("types").iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".yaml"):
            continue
        try:
            kind = AcceleratorType.model_validate(yaml.safe_load(entry.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{entry.name}: {error}") from error
        if entry.name != f"{kind.id}.yaml":
            raise ValueError(f"{entry.name}: the file is named after its id, here {kind.id}.yaml")
        found[kind.id] = kind
    return MappingProxyType(found)


def accelerator(name: str) -> AcceleratorType:
    """One type by id. Raises :class:`UnknownAcceleratorError`."""
    try:
        return accelerators()[name]
    except KeyError:
        raise UnknownAcceleratorError(name) from None
