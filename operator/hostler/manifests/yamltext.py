"""Manifests as YAML that every parser reads alike.

PyYAML speaks YAML 1.1 with its own idea of numbers: it leaves ``3e-4`` bare, because it takes only ``3.0e-4`` for a
number, and the API server then reads a float where a string was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

_NUMBER_ELSEWHERE = re.compile(r"[-+]?[0-9.][0-9a-fA-FxXoO_.eE+-]*")
_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Block style, indented lists, no anchors, numbers that are strings in quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if _NUMBER_ELSEWHERE.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(manifest: Mapping[str, Any] | Sequence[Any]) -> str:
    """One document, keys in the order given."""
    plain = dict(manifest) if isinstance(manifest, Mapping) else list(manifest)
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def to_yaml_documents(manifests: Iterable[Mapping[str, Any]]) -> str:
    """Several documents with separators."""
    return "---\n".join(to_yaml(manifest) for manifest in manifests)
