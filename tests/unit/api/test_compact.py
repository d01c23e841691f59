"""Many rules as one: what it says, and that nothing else of a schema changes."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from hostler.api.compact import compact
from hostler.api.crd import schema
from hostler.api.kinds import KINDS
from hostler.api.schema import ApiModel, cel, changeable_while_suspended, on_change, on_create, rules, unchangeable
from hostler.api.structural import structural

RULES = "x-kubernetes-validations"


class Inner(ApiModel):
    """A part."""

    size: int = 1
    """A number."""


class Outer(ApiModel):
    """Fields that stay, and rules between them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *on_create(
                cel("self.a > 0", "a must be above 0", field_path=".a"),
                cel("self.a < 9 || self.free", 'a "big" one isn\'t free'),
            ),
            cel("self.free", "must be free"),
            **unchangeable("a", "inner", "extra", way_out="make a new one"),
        )
    )

    a: int
    """A number."""
    inner: Inner = Inner()
    """A part."""
    extra: Inner | None = None
    """A part that may be absent."""
    free: bool = False
    """This may change."""


def compacted() -> dict[str, Any]:
    return compact(structural(Outer, defaults=True), path="spec")


def test_rules_of_the_creation_become_one_that_returns_at_once_for_an_old_object() -> None:
    (created, *_) = compacted()[RULES]
    assert created["rule"] == "oldSelf.hasValue() || ((self.a > 0) && (self.a < 9 || self.free))"
    assert created["optionalOldSelf"] is True
    assert created["messageExpression"] == (
        "(!(self.a > 0) ? \"spec.a: a must be above 0. \" : '') + "
        '(!(self.a < 9 || self.free) ? "spec: a \\"big\\" one isn\'t free. " : \'\')'
    )


def test_fields_that_stay_become_one_rule_which_names_those_that_changed() -> None:
    found = compacted()
    *_, kept = found[RULES]
    absent = "has(self.extra) != has(oldSelf.extra) || (has(self.extra) && self.extra != oldSelf.extra)"
    assert kept["rule"] == f"!(self.a != oldSelf.a) && !(self.inner != oldSelf.inner) && !({absent})"
    assert kept["messageExpression"] == (
        "(self.a != oldSelf.a ? \"a cannot be changed; \" : '') + "
        "(self.inner != oldSelf.inner ? \"inner cannot be changed; \" : '') + "
        f'({absent} ? "extra cannot be changed; " : \'\') + "make a new one"'
    )
    assert all(RULES not in found["properties"][name] for name in ("a", "inner", "extra"))


def test_other_rules_and_all_else_stay() -> None:
    before, found = structural(Outer, defaults=True), compacted()
    assert [rule["message"] for rule in found[RULES]][1] == "must be free"
    assert len(found[RULES]) == 3
    stripped = [{key: value for key, value in node.items() if key != RULES} for node in (before, found)]
    for node in stripped:
        node["properties"] = {
            name: {key: value for key, value in child.items() if key != RULES}
            for name, child in node["properties"].items()
        }
    assert stripped[0] == stripped[1]
    assert structural(Outer, defaults=True) == before, "the given schema is not changed"


class Resting(ApiModel):
    """Fields that change while it is suspended, and rules between them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *on_create(cel("self.a > 0", "a must be above 0"), cel("self.a < 9", "a must be below 9")),
            *on_change(
                cel("self.b > self.a", "b must be above a", field_path=".b"),
                cel("self.b < 9", "b must be below 9", field_path=".b"),
            ),
            *changeable_while_suspended("b", "c", way_out="suspend it first"),
        )
    )

    a: int = 1
    """A number."""
    b: int = 2
    """A number that changes."""
    c: int = 3
    """Another one."""
    suspend: bool = False
    """Whether it rests."""


def test_rules_of_what_changes_while_suspended_are_one_each_and_apart_from_those_of_the_creation() -> None:
    created, changed, kept = compact(structural(Resting, defaults=True), path="spec")[RULES]
    assert created["rule"] == "oldSelf.hasValue() || ((self.a > 0) && (self.a < 9))"
    assert changed["rule"] == (
        "oldSelf.hasValue() && !oldSelf.value().suspend || ((self.b > self.a) && (self.b < 9))"
    ), "looked at anew while suspended, and at no other write"
    assert created["optionalOldSelf"] is changed["optionalOldSelf"] is True
    assert kept == {
        "rule": "oldSelf.suspend || (self.b == oldSelf.b && self.c == oldSelf.c)",
        "message": "this cannot be changed: suspend it first",
        "messageExpression": (
            "(self.b != oldSelf.b ? \"b cannot be changed; \" : '') + "
            '(self.c != oldSelf.c ? "c cannot be changed; " : \'\') + "suspend it first"'
        ),
    }


def test_no_kind_has_more_than_a_handful_of_rules_that_run_at_every_write() -> None:
    for kind in KINDS:
        transitions = [rule for rule in _all_rules(compact(schema(kind))) if "oldSelf" in rule["rule"]]
        assert len(transitions) <= 7, kind.kind


def _all_rules(node: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [*node.get("properties", {}).values(), *(node[key] for key in ("items",) if key in node)]
    return [*node.get(RULES, ()), *(rule for child in inner for rule in _all_rules(child))]
