"""Whether the cluster already has what we want: the server's additions are no difference, anybody's edits are."""

from __future__ import annotations

from typing import Any

import pytest

from hostler.cluster.matching import APPLIED_HASH, applied_hash, contains, satisfied, stamped

# Sentence: what the server shows, what we want, whether that is satisfied.
CASES: dict[str, tuple[Any, Any, bool]] = {
    "defaults of the server are no difference": ({"a": 1, "added": 2}, {"a": 1}, True),
    "a changed value is one": ({"a": 2}, {"a": 1}, False),
    "a removed field is one": ({}, {"a": 1}, False),
    "empty fields may be left out by the server": ({}, {"a": [], "b": "", "c": None, "d": {"e": ""}, "f": False}, True),
    "an empty object inside an absent one means something": ({}, {"volume": {"emptyDir": {}}}, False),
    "a volume without settings is there": ({"volume": {"emptyDir": {}}}, {"volume": {"emptyDir": {}}}, True),
    "a quantity may be rewritten": ({"cpu": "1"}, {"cpu": "1000m"}, True),
    "a whole number may become a quantity": ({"cpu": "2"}, {"cpu": 2}, True),
    "another quantity is a difference": ({"cpu": "2"}, {"cpu": "2000k"}, False),
    "texts that are no quantities must be equal": ({"name": "x"}, {"name": "y"}, False),
    "true is not one": ({"on": True}, {"on": 1}, True),
    "items of a list in order": ([{"name": "a", "x": 1}, {"name": "b"}], [{"name": "a"}, {"name": "b"}], True),
    "an item that others added": ([{"name": "z"}, {"name": "a"}], [{"name": "a"}], True),
    "an item that was taken away": ([{"name": "a"}], [{"name": "a"}, {"name": "b"}], False),
    "arguments are compared as a whole": (["--x", "--y"], ["--x"], False),
    "two equal items need two": ([{"name": "a"}, {"name": "c"}], [{"name": "a"}, {"name": "a"}, {"name": "a"}], False),
    "another type is a difference": ("text", {"a": 1}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_contains(case: str) -> None:
    found, wanted, want = CASES[case]
    assert contains(found, wanted) is want


WANTED = {"kind": "Job", "metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"parallelism": 2}}


def test_the_hash_depends_on_content_and_not_on_the_order_of_keys() -> None:
    shuffled = {"spec": {"parallelism": 2}, "metadata": {"labels": {"x": "1"}, "name": "a"}, "kind": "Job"}
    assert applied_hash(stamped(WANTED)) == applied_hash(stamped(shuffled))
    assert applied_hash(stamped(WANTED)) != applied_hash(stamped({**WANTED, "spec": {"parallelism": 3}}))


def test_stamping_changes_nothing_of_the_given_object() -> None:
    stamped(WANTED)
    assert "annotations" not in WANTED["metadata"]


def test_a_field_that_we_do_not_want_any_more_makes_a_difference_through_the_hash() -> None:
    before = stamped({**WANTED, "spec": {"parallelism": 2, "suspend": True}})
    assert contains(before, WANTED)
    assert not satisfied(before, stamped(WANTED))


def test_an_edit_makes_a_difference_although_the_hash_stands() -> None:
    body = stamped(WANTED)
    edited = {**body, "spec": {"parallelism": 7}}
    assert edited["metadata"]["annotations"][APPLIED_HASH] == body["metadata"]["annotations"][APPLIED_HASH]
    assert not satisfied(edited, body)
