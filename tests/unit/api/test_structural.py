"""From pydantic models to structural schemas: what is translated, and what no CRD can say."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from hostler.api.schema import ApiModel, ByteQuantity, cel, rules
from hostler.api.structural import UnstructuralError, structural

Short = Annotated[str, Field(max_length=8)]


class Colour(StrEnum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Inner(ApiModel):
    """An inner object."""

    model_config = ConfigDict(json_schema_extra=rules(cel("self.a < 9", "too large")))

    a: int = 1
    """A number."""
    b: Short | None = None
    """A text."""


class Outer(ApiModel):
    """An outer object."""

    needed: int
    """Has no default."""
    above: Annotated[int, Field(gt=0, lt=9)] = 1
    """Bounds that exclude."""
    maybe: Short | None = None
    """May be absent."""
    kind: Literal["one"] = "one"
    """A constant."""
    choice: Annotated[str, Field(pattern=r"^(a|b-c)$", max_length=3)] = "a"
    """An alternative as a pattern."""
    colour: Colour = Colour.RED
    """An enumeration."""
    inner: Annotated[Inner, Field(json_schema_extra=rules(cel("self.a > 2", "too small")))] = Inner(a=3)
    """A reference with a default and a rule of its own."""
    items: Annotated[tuple[Short, ...], Field(max_length=4)] = ()
    """A list."""
    labels: Annotated[dict[str, Short], Field(min_length=1, max_length=4)] = Field(default={})
    """A map."""
    size: ByteQuantity = "1Gi"
    """A quantity."""


FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("needed", {"type": "integer", "format": "int64", "description": "Has no default."}),
    (
        "above",
        {
            "type": "integer",
            "format": "int64",
            "description": "Bounds that exclude.",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 9,
            "exclusiveMaximum": True,
            "default": 1,
        },
    ),
    ("maybe", {"type": "string", "maxLength": 8, "description": "May be absent."}),
    ("kind", {"type": "string", "enum": ["one"], "description": "A constant.", "default": "one"}),
    (
        "choice",
        {"type": "string", "enum": ["a", "b-c"], "description": "An alternative as a pattern.", "default": "a"},
    ),
    ("colour", {"type": "string", "enum": ["red", "blue"], "description": "An enumeration.", "default": "red"}),
    (
        "items",
        {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 8}, "description": "A list."},
    ),
    (
        "labels",
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 4,
            "additionalProperties": {"type": "string", "maxLength": 8},
            "description": "A map.",
        },
    ),
]


@pytest.mark.parametrize(("name", "want"), FIELDS, ids=[name for name, _ in FIELDS])
def test_a_field_is_said_in_the_dialect_of_crds(name: str, want: dict[str, Any]) -> None:
    assert structural(Outer, defaults=True)["properties"][name] == want


def test_a_reference_keeps_the_rules_of_both_sides_and_a_default_without_nulls() -> None:
    inner = structural(Outer, defaults=True)["properties"]["inner"]
    assert [rule["message"] for rule in inner["x-kubernetes-validations"]] == ["too large", "too small"]
    assert inner["description"] == "A reference with a default and a rule of its own."
    assert inner["default"] == {"a": 3}


def test_a_quantity_takes_integers_too() -> None:
    size = structural(Outer, defaults=True)["properties"]["size"]
    assert size["x-kubernetes-int-or-string"] is True
    assert "type" not in size
    assert Outer.model_validate({"needed": 1, "size": 1048576}).size == "1048576"


def test_only_fields_without_default_are_required() -> None:
    assert structural(Outer, defaults=True)["required"] == ["needed"]


def test_a_status_has_no_defaults() -> None:
    def defaults(node: dict[str, Any]) -> list[Any]:
        children = node.get("properties", {}).values()
        return [node["default"]] if "default" in node else [found for child in children for found in defaults(child)]

    assert len(defaults(structural(Outer, defaults=True))) == 6
    assert defaults(structural(Outer, defaults=False)) == []


def _model(annotation: Any) -> type[BaseModel]:
    return type("Odd", (ApiModel,), {"__annotations__": {"odd": annotation}, "__module__": __name__})


REFUSED = [
    ("a string of any length", str, "no maxLength"),
    ("a list of any length", tuple[Short, ...], "no maxItems"),
    ("a map of any size", dict[str, Short], "no maxProperties"),
    ("an unbounded string in a list", Annotated[tuple[str, ...], Field(max_length=2)], "odd[]: no maxLength"),
    ("a float", float, "use a string"),
    ("one of two types", int | Short, "a union of types"),
    ("anything", Any, "no type"),
    ("a list without one type", Annotated[tuple[int, Short], Field(max_length=2)], "without one type"),
]


@pytest.mark.parametrize(("annotation", "want"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_no_crd_can_say_fails_at_generation_and_names_the_field(annotation: Any, want: str) -> None:
    with pytest.raises(UnstructuralError) as caught:
        structural(_model(annotation), defaults=True)
    assert ".odd" in str(caught.value)
    assert want in str(caught.value)
