"""The table of kinds: fields are described, constants have their sentence, columns show fields that exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hostler.api.crd import crd, schema
from hostler.api.docstrings import MissingSentenceError, constants
from hostler.api.kinds import KINDS, Kind
from hostler.api.reference import render_reference

Schema = dict[str, Any]


def walk(path: str, node: Schema) -> Iterator[tuple[str, Schema]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from walk(f"{path}.{name}{'[]' if 'items' in child else ''}", child.get("items", child))


def fields(kind: Kind) -> dict[str, Schema]:
    whole = schema(kind)["properties"]
    return {path: node for part in ("spec", "status") for path, node in walk(f".{part}", whole[part])}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_described(kind: Kind) -> None:
    silent = [path for path, node in fields(kind).items() if not node.get("description")]
    assert silent == [], "write a docstring under the field"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_string_list_and_map_is_bounded(kind: Kind) -> None:
    limits = {"string": ("maxLength", "enum"), "array": ("maxItems",)}
    unbounded = [path for path, node in fields(kind).items() if not _has(node, limits.get(node.get("type", ""), ()))]
    assert unbounded == []


def _has(node: Schema, limits: tuple[str, ...]) -> bool:
    return not limits or any(limit in node for limit in limits)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_column_shows_a_field_that_exists(kind: Kind) -> None:
    known = {*fields(kind), ".metadata.creationTimestamp"}
    types = {"integer": "integer", "boolean": "boolean"}
    for column in kind.columns:
        if column.path.startswith(".status.conditions["):
            continue
        assert column.path in known, column.name
        if column.path in fields(kind):
            assert column.type == types.get(fields(kind)[column.path]["type"], "string"), column.name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_rule_says_what_is_wrong(kind: Kind) -> None:
    whole = schema(kind)
    everything = [whole, *fields(kind).values(), *(node.get("items", {}) for node in fields(kind).values())]
    rules = [rule for node in everything for rule in node.get("x-kubernetes-validations", ())]
    assert rules
    for rule in rules:
        assert rule["message"], rule["rule"]
        assert rule.get("fieldPath", ".").startswith(".")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_condition_and_reason_has_a_sentence(kind: Kind) -> None:
    conditions, reasons = constants(kind.conditions), constants(kind.reasons)
    assert "Ready" in conditions
    assert set(reasons) == {str(reason) for reason in kind.reasons}
    assert all(sentence.endswith(".") for sentence in (conditions | reasons).values())


def test_a_constant_without_a_sentence_is_an_error_that_names_it() -> None:
    class Silent:
        """Conditions."""

        FIRST = "First"
        """Set when it is explained."""
        SECOND = "Second"

    with pytest.raises(MissingSentenceError, match=r"Silent\.SECOND has no sentence"):
        constants(Silent)


def test_names_of_kinds_do_not_collide() -> None:
    names = [name for kind in KINDS for name in (kind.plural, kind.singular, *kind.short_names)]
    assert len(set(names)) == len(names)


def test_the_status_is_a_subresource_of_every_kind() -> None:
    for kind in KINDS:
        (version,) = crd(kind)["spec"]["versions"]
        assert version["subresources"] == {"status": {}}, kind.kind


def test_the_reference_explains_every_field_and_every_reason() -> None:
    page = render_reference()
    for kind in KINDS:
        section = page.split(f"## {kind.kind}\n", 1)[1].split("\n## ", 1)[0]
        for path, node in walk("spec", schema(kind)["properties"]["spec"]):
            assert f"`{path}`" in section, path
            assert " ".join(node["description"].split("\n")).replace("|", "\\|") in section, path
        for reason in kind.reasons:
            assert f"`{reason}`" in section, reason
