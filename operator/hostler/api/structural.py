"""From a pydantic model to a structural schema, the dialect of OpenAPI v3 that CRDs are written in.

The API server refuses much of what JSON Schema allows (``$ref``, ``const``, ``null``, numeric ``exclusiveMinimum``). It
fills in defaults and estimates the cost of rules, for which every string, list and map must be bounded. What cannot be
said in this dialect is an error here, at generation, and not a surprise at installation.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from hostler.api import docstrings
from hostler.api.schema import UNCHANGEABLE, UNCHANGED, cel, presence_unchanged

Schema = dict[str, Any]

_RULES = "x-kubernetes-validations"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_KEPT = ("description", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf")
_EMPTY: tuple[Any, ...] = (None, [], {})
_ALTERNATIVES = re.compile(r"^\^\(([\w-]+(?:\|[\w-]+)*)\)\$$")


class UnstructuralError(ValueError):
    """A model says something that no CRD can say; the message names the field."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the model itself'}: {problem}")


def structural(model: type[BaseModel], *, defaults: bool) -> Schema:
    """The schema of a model.

    ``defaults`` is for ``spec``. In ``status`` a default would be filled in by the API server behind the operator's
    back, and the operator would see a difference to what it wrote, each time.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=_Described)
    translator = _Translator(definitions=raw.pop("$defs", {}), defaults=defaults)
    return translator.translate(raw, path="")


class _Described(GenerateJsonSchema):
    """Fields have the texts that stand under them in the source."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        for name, text in docstrings.fields(model).items():
            field = made["properties"][model.model_fields[name].alias or name]
            field.setdefault("description", text)
        return made


class _Translator:
    def __init__(self, *, definitions: Mapping[str, Schema], defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def translate(self, raw: Schema, *, path: str) -> Schema:
        node = self._flat(raw, path=path)
        schema: Schema = {} if node.get(_INT_OR_STRING) else {"type": node["type"]}
        schema.update({key: node[key] for key in _KEPT if key in node})
        schema.update(_exclusive_bounds(node))
        schema.update({key: value for key, value in node.items() if key.startswith("x-kubernetes-")})
        _prefer_enum(schema)
        match node["type"]:
            case "string":
                _bounded(schema, "maxLength", path=path)
            case "integer":
                schema["format"] = "int64"
            case "boolean":
                pass
            case "array":
                schema |= self._array(node, path=path)
            case "object":
                schema |= self._object(node, path=path)
            case other:
                raise UnstructuralError(path, f"type {other} does not survive a round trip: use a string")
        if self._defaults and node.get("default") not in _EMPTY:
            schema["default"] = _without_nulls(node["default"])
        return schema

    def _flat(self, raw: Schema, *, path: str) -> Schema:
        """One node without references, ``anyOf`` with null, and ``const``."""
        node = copy.copy(raw)
        if "anyOf" in node:
            chosen = [member for member in node.pop("anyOf") if member.get("type") != "null"]
            if len(chosen) != 1:
                raise UnstructuralError(path, "a union of types: make it an object with one member each")
            node = _merged(self._flat(chosen[0], path=path), node)
        if "$ref" in node:
            name = node.pop("$ref").rsplit("/", 1)[-1]
            node = _merged(self._flat(self._definitions[name], path=path), node)
        if "const" in node:
            node["enum"] = [node.pop("const")]
        if "type" not in node:
            raise UnstructuralError(path, "no type: a field of any type cannot be validated")
        return node

    def _array(self, node: Schema, *, path: str) -> Schema:
        if "items" not in node:
            raise UnstructuralError(path, "a list without one type for its items")
        _bounded(node, "maxItems", path=path)
        bounds = {key: node[key] for key in ("minItems", "maxItems") if key in node}
        return bounds | {"items": self.translate(node["items"], path=f"{path}[]")}

    def _object(self, node: Schema, *, path: str) -> Schema:
        if isinstance(values := node.get("additionalProperties"), dict):
            _bounded(node, "maxProperties", path=path)
            bounds = {key: node[key] for key in ("minProperties", "maxProperties") if key in node}
            return bounds | {"additionalProperties": self.translate(values, path=f"{path}[]")}
        required = {"required": node["required"]} if node.get("required") else {}
        given = node.get("properties", {})
        properties = {name: self.translate(value, path=f"{path}.{name}") for name, value in given.items()}
        fixed = _unchangeable(node, properties, required=node.get("required", ()))
        return required | {"properties": properties} | fixed


def _unchangeable(node: Schema, properties: Mapping[str, Schema], *, required: Iterable[str]) -> Schema:
    """Rules for fields that stay as they were: on each field, and on their parent for those that can be absent, because
    a rule on a field does not run when it is added or removed. ``hostler.api.compact`` makes one of them."""
    absent = []
    for name, message in node.get(UNCHANGEABLE, {}).items():
        field = properties[name]
        field[_RULES] = [*field.get(_RULES, ()), cel(UNCHANGED, message)]
        if name not in required and "default" not in field:
            absent.append(cel(presence_unchanged(name), message, field_path=f".{name}"))
    return {_RULES: [*node.get(_RULES, ()), *absent]} if absent else {}


def _merged(definition: Schema, use: Schema) -> Schema:
    """A definition as one field uses it: what the field says wins, rules add up."""
    merged = definition | use
    if _RULES in definition and _RULES in use:
        merged[_RULES] = [*definition[_RULES], *use[_RULES]]
    return merged


def _exclusive_bounds(node: Schema) -> Schema:
    """OpenAPI v3.0 has ``exclusiveMinimum`` as a flag beside ``minimum``."""
    bounds: Schema = {}
    for side in ("Minimum", "Maximum"):
        if f"exclusive{side}" in node:
            bounds |= {side.lower(): node[f"exclusive{side}"], f"exclusive{side}": True}
    return bounds


def _prefer_enum(schema: Schema) -> None:
    """``^(a|b)$`` as an enum, because the API server then lists the values instead of a regular expression."""
    if found := _ALTERNATIVES.match(schema.get("pattern", "")):
        del schema["pattern"]
        schema.pop("maxLength", None)
        schema["enum"] = found[1].split("|")


def _bounded(schema: Schema, limit: str, *, path: str) -> None:
    if limit not in schema and "enum" not in schema:
        raise UnstructuralError(path, f"no {limit}: the API server would have to assume the largest request")


def _without_nulls(default: Any) -> Any:
    """A default as a manifest would say it: what is None in the model is absent."""
    if isinstance(default, dict):
        return {key: _without_nulls(value) for key, value in default.items() if value not in _EMPTY}
    return default
