"""The API reference as Markdown, from the same schemas that the API server gets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.api.crd import schema
from hostler.api.docstrings import constants
from hostler.api.kinds import KINDS, Kind
from hostler.api.schema import API_VERSION, CATEGORY

Schema = dict[str, Any]

_INTRO = f"""\
# API reference

Group and version: `{API_VERSION}`. `kubectl get {CATEGORY}` lists the objects of all kinds but ClusterModels, which
`hostler catalog` does; `kubectl explain trainingjob.spec` shows the same texts as this page. The API server itself
enforces every bound and every rule below and names the field in its answer; what only the cluster can tell (a pool
that does not exist) is said in conditions.

Quantities are those of Kubernetes (`500m` CPU, `4Gi` bytes). Decimal numbers are strings and need quotes in YAML
(`"3e-4"`), because floats do not survive a round trip. `[]` in a path stands for each item of a list or map.
"""


@dataclass(frozen=True, kw_only=True)
class _Field:
    path: str
    schema: Schema
    required: bool


def render_reference() -> str:
    """The whole page."""
    return "\n".join([_INTRO, _contents(), *(_kind(kind) for kind in KINDS)])


def _contents() -> str:
    rows = [
        (
            f"[{kind.kind}](#{kind.singular})",
            "namespace" if kind.namespaced else "cluster",
            _code(*kind.short_names),
            kind.description,
        )
        for kind in KINDS
    ]
    return _table(("Kind", "Scope", "Short name", "What it is"), rows)


def _kind(kind: Kind) -> str:
    whole = schema(kind)
    spec, status = (whole["properties"][part] for part in ("spec", "status"))
    parts = [
        f"## {kind.kind}\n",
        f"{kind.description}\n",
        "### Spec\n",
        f"{spec['description']}\n",
        _fields("spec", spec),
        "### Rules\n",
        "Beyond the bounds of single fields:\n",
        _rules(whole),
        "### Status\n",
        f"{status['description']}\n",
        _fields("status", status),
        "### Conditions\n",
        _table(("Type", "Meaning"), [(_code(value), text) for value, text in constants(kind.conditions).items()]),
        "### Reasons\n",
        _table(("Reason", "Used by"), [(_code(value), text) for value, text in constants(kind.reasons).items()]),
    ]
    return "\n".join(parts)


def _fields(root: str, node: Schema) -> str:
    rows = [
        (
            _code(field.path),
            _type(field.schema),
            "required" if field.required else _default(field.schema),
            _bounds(field.schema),
            field.schema.get("description", ""),
        )
        for field in _walk(root, node)
    ]
    return _table(("Field", "Type", "Default", "Bounds", "Meaning"), rows)


def _walk(path: str, node: Schema) -> Iterator[_Field]:
    for name, child in node.get("properties", {}).items():
        yield _Field(path=f"{path}.{name}", schema=child, required=name in node.get("required", ()))
        yield from _walk(f"{path}.{name}{'[]' if 'items' in child else ''}", child.get("items", child))


def _rules(whole: Schema) -> str:
    rows = [(_code(path), rule["message"]) for path, rule in _walk_rules("", whole)]
    return _table(("Field", "Rule"), rows)


def _walk_rules(path: str, node: Schema) -> Iterator[tuple[str, Schema]]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield f"{path}{rule.get('fieldPath', '')}".removeprefix("."), rule
    for name, child in node.get("properties", {}).items():
        yield from _walk_rules(f"{path}.{name}", child)
    if "items" in node:
        yield from _walk_rules(f"{path}[]", node["items"])


def _type(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "items" in node:
        return f"list of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map to {_type(node['additionalProperties'])}"
    if node.get("format") in ("date", "date-time"):
        return str(node["format"])
    return str(node["type"])


def _default(node: Schema) -> str:
    if "default" not in node:
        return ""
    value = node["default"]
    if isinstance(value, dict):
        return "see its fields"
    return _code(value if isinstance(value, str) and value else json.dumps(value))


_RANGES = (
    ("", "minimum", "maximum"),
    ("length ", "minLength", "maxLength"),
    ("items: ", "minItems", "maxItems"),
    ("entries: ", "minProperties", "maxProperties"),
)


def _bounds(node: Schema) -> str:
    said = [f"{words}{_range(node.get(low), node.get(high))}" for words, low, high in _RANGES if {low, high} & {*node}]
    if "enum" in node:
        said.append(f"one of {_code(*node['enum'])}")
    if "pattern" in node:
        said.append(f"matches {_code(node['pattern'])}")
    return ", ".join(said)


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return f"at most {high}"
    if high is None:
        return f"at least {low}"
    return f"{low} to {high}"


def _code(*values: str) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split("\n")).replace("|", "\\|")
