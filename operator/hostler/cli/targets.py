"""The one object that a command is about, or a sentence that says where it is instead."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import click

from hostler.cli.access import Access
from hostler.cli.kindwords import WORDS
from hostler.cli.refusals import without_kind
from hostler.cluster.errors import Forbidden, NotFound
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
_LOOKED_AT = 500
"""Objects of a kind that are compared with a name which is not there."""


async def find_target(access: Access, kind: str, name: str, *, kinds: Sequence[str]) -> Object:
    """The object of this name, of this kind or, without one, of any of these. Raises ``click.ClickException``."""
    found = []
    for each in (kind,) if kind else kinds:
        resource = resource_of(each)
        try:
            obj = await access.client.get(
                resource, namespace=access.namespace if resource.namespaced else "", name=name
            )
        except NotFound as error:
            if without_kind(error):
                raise
            continue
        found.append({"apiVersion": resource.api_version, "kind": each} | obj)
    if len(found) == 1:
        return found[0]
    if found:
        ways = " or ".join(f"{word_of(obj['kind'])}/{name}" for obj in found)
        called = " and ".join(f"{a_kind(obj['kind'])}" for obj in found)
        raise click.ClickException(f"there are {called} {name} in namespace {access.namespace}: write {ways}")
    known: list[Object] = []
    for each in (kind,) if kind else kinds:
        known += await _some(access, each)
    raise click.ClickException(missing(name, known, kinds=(kind,) if kind else kinds, namespace=access.namespace))


def missing(name: str, known: Sequence[Object], *, kinds: Sequence[str], namespace: str) -> str:
    """What is said of a name that is not in its namespace, with what else there is."""
    what = " or ".join(kinds)
    namespaced = any(resource_of(kind).namespaced for kind in kinds)
    text = f"there is no {what} {name}" + (f" in namespace {namespace}" if namespaced else "")
    elsewhere = [obj for obj in known if obj["metadata"]["name"] == name]
    if elsewhere:
        places = [obj["metadata"]["namespace"] for obj in elsewhere]
        return f"{text}; {elsewhere[0]['kind']} {name} is in namespace {places[0]}: add -n {places[0]}"
    here = [obj for obj in known if obj["metadata"].get("namespace", namespace) == namespace]
    for group in (here, known):
        if near := difflib.get_close_matches(name, [obj["metadata"]["name"] for obj in group], n=1):
            found = next(obj for obj in group if obj["metadata"]["name"] == near[0])
            place = found["metadata"].get("namespace")
            aside = f" -n {place}" if place not in (None, namespace) else ""
            return f"{text}; did you mean {near[0]}{aside}?"
    words = " or ".join(WORDS[kind] for kind in kinds)
    return f"{text}: hostler get {words.split(' ')[0]} shows what is there" + (
        ", and -A of all namespaces" if namespaced else ""
    )


async def _some(access: Access, kind: str) -> list[Object]:
    """Some of all namespaces, or of the one that may be read."""
    resource = resource_of(kind)
    for namespace in ("", access.namespace):
        try:
            page = await access.client.raw(f"{resource.path(namespace=namespace)}?limit={_LOOKED_AT}")
        except Forbidden:
            continue
        return [{"kind": kind} | item for item in page.get("items") or ()]
    return []


def word_of(kind: str) -> str:
    """As it is typed before a slash."""
    return WORDS[kind].removesuffix("s")


def a_kind(kind: str) -> str:
    """With its article."""
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
