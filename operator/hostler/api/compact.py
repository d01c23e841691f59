"""Many CEL rules of one node as one: for the API server, the number of rules costs, not what they say.

Every rule of a CRD that sees an old object is evaluated at every write, also of the status, and each evaluation costs
the API server some 25 microseconds and the garbage of a program of its own before the first comparison. A hundred of
them were a third of a status write of a TrainingJob (docs/decisions/2026-11-29-one-rule-for-many.md). So rules that are
looked at on creation become one, which returns at once where there is an old object, and so do those that keep fields
as they are. Its message names every field that is to blame; the reference lists the rules one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hostler.api.schema import CREATED, SETTLED, UNCHANGED, WHILE_SUSPENDED, guarded, presence_unchanged

Schema = dict[str, Any]

_RULES = "x-kubernetes-validations"


def compact(node: Schema, *, path: str = "") -> Schema:
    """The schema with fewer rules and the same meaning. ``path`` is that of the node, such as ``spec``."""
    found = dict(node)
    if "properties" in found:
        found["properties"] = {
            name: compact(child, path=f"{path}.{name}".removeprefix(".")) for name, child in found["properties"].items()
        }
    for inner in ("items", "additionalProperties"):
        if isinstance(found.get(inner), dict):
            found[inner] = compact(found[inner], path=f"{path}[]")
    _merge_unchanged(found)
    if _RULES in found:
        for guard in (SETTLED, CREATED):
            found[_RULES] = _merge_guarded(found[_RULES], path=path, guard=guard)
        found[_RULES] = _merge_suspended(found[_RULES])
    return found


def _merge_guarded(rules: Sequence[Schema], *, path: str, guard: str) -> list[Schema]:
    """All rules that begin with the same guard, such as those that are looked at on creation, as the first one."""
    conditions = [(condition, rule) for rule in rules if (condition := guarded(rule["rule"], by=guard)) is not None]
    # The rules of the root are about the name, whose length is not bounded there: they are few, and stay apart, because
    # the API server estimates what they would cost in a message.
    if len(conditions) < 2 or not path:
        return list(rules)
    texts = {condition: _blaming(rule, path=path) for condition, rule in conditions}
    merged = {
        "rule": f"{guard} || ({' && '.join(f'({condition})' for condition in texts)})",
        "message": "some fields do not fit together",
        "messageExpression": _texts({f"!({condition})": f"{text}. " for condition, text in texts.items()}),
        "optionalOldSelf": True,
    }
    return [merged, *(rule for rule in rules if guarded(rule["rule"], by=guard) is None)]


def _merge_suspended(rules: Sequence[Schema]) -> list[Schema]:
    """All rules on fields that change only while the object is suspended as one, in the place of the first."""
    frozen = [rule for rule in rules if rule["rule"].startswith(WHILE_SUSPENDED)]
    if len(frozen) < 2:
        return list(rules)
    kept = {rule["fieldPath"].removeprefix("."): rule for rule in frozen}
    (way_out,) = {rule["message"].partition(" cannot be changed: ")[2] for rule in frozen}
    same = " && ".join(rule["rule"].removeprefix(WHILE_SUSPENDED) for rule in frozen)
    blame = _texts({f"self.{name} != oldSelf.{name}": f"{name} cannot be changed; " for name in kept})
    merged = {
        "rule": f"{WHILE_SUSPENDED}({same})",
        "message": f"this cannot be changed: {way_out}",
        "messageExpression": f"{blame} + {json.dumps(way_out)}",
    }
    return [merged if rule is frozen[0] else rule for rule in rules if rule is frozen[0] or rule not in frozen]


def _merge_unchanged(node: Schema) -> None:
    """All rules that keep fields of a node as they are as the last one of the node."""
    properties: Mapping[str, Schema] = node.get("properties", {})
    kept = {name: rule for name, child in properties.items() for rule in child.get(_RULES, ()) if _keeps(rule)}
    if len(kept) < 2:
        return
    own: Sequence[Schema] = node.get(_RULES, ())
    optional = {name for name in kept if any(rule["rule"] == presence_unchanged(name) for rule in own)}
    changed = {name: _changed(name, optional=name in optional) for name in kept}
    (way_out,) = {rule["message"].partition(" cannot be changed: ")[2] for rule in kept.values()}
    blame = _texts({condition: f"{name} cannot be changed; " for name, condition in changed.items()})
    merged = {
        "rule": " && ".join(f"!({condition})" for condition in changed.values()),
        "message": f"this cannot be changed: {way_out}",
        "messageExpression": f"{blame} + {json.dumps(way_out)}",
    }
    node["properties"] = {
        name: _without(child, [rule]) if (rule := kept.get(name)) else child for name, child in properties.items()
    }
    gone = {presence_unchanged(name) for name in optional}
    node[_RULES] = [*(rule for rule in own if rule["rule"] not in gone), merged]


def _keeps(rule: Schema) -> bool:
    return bool(rule["rule"] == UNCHANGED)


def _changed(name: str, *, optional: bool) -> str:
    differs = f"self.{name} != oldSelf.{name}"
    if not optional:
        return differs
    return f"has(self.{name}) != has(oldSelf.{name}) || (has(self.{name}) && {differs})"


def _without(node: Schema, rules: Iterable[Schema]) -> Schema:
    kept = [rule for rule in node[_RULES] if rule not in rules]
    return {key: value for key, value in node.items() if key != _RULES} | ({_RULES: kept} if kept else {})


def _blaming(rule: Schema, *, path: str) -> str:
    """The message, with the field to blame in front."""
    return f"{path}{rule.get('fieldPath', '')}".removeprefix(".") + f": {rule['message']}"


def _texts(texts: Mapping[str, str]) -> str:
    """CEL for the texts whose conditions hold, one after the other.

    String literals of CEL have the escapes of JSON. A list that is filtered and joined would say it in less, but the
    API server estimates its cost by the longest list that there could be, and refuses it.
    """
    return " + ".join(f"({condition} ? {json.dumps(text)} : '')" for condition, text in texts.items())
