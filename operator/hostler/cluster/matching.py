"""Whether an object in the cluster already is what we want, so that nothing needs to be written.

The hash says that we applied exactly this; the comparison says that nobody has undone it since, or added to it where
all must be ours (:mod:`hostler.cluster.drift`).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hostler.cluster.drift import drift
from hostler.planning import quantities

Object = dict[str, Any]

APPLIED_HASH = "hostler.dev/applied-hash"


def stamped(wanted: Object) -> Object:
    """A copy that carries the hash of its content as an annotation."""
    text = json.dumps(wanted, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    metadata = wanted["metadata"]
    annotations = {**(metadata.get("annotations") or {}), APPLIED_HASH: digest}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def satisfied(found: Object, body: Object) -> bool:
    """Whether ``found`` already has all that the stamped ``body`` asks for, and nothing where all must be ours."""
    return applied_hash(found) == applied_hash(body) and contains(found, body) and not drift(found, body).paths


def applied_hash(obj: Object) -> str | None:
    """The hash on an object, where it carries one."""
    value: str | None = (obj["metadata"].get("annotations") or {}).get(APPLIED_HASH)
    return value


def contains(found: Any, wanted: Any) -> bool:
    """Whether every field of ``wanted`` stands in ``found``, which may have more: defaults, and fields of others.

    What is empty in ``wanted`` may be absent in ``found``, because the server leaves empty fields out.
    """
    if isinstance(wanted, dict):
        if found is None:
            return not any(_substantial(value) for value in wanted.values())
        return isinstance(found, dict) and all(contains(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return _contains_items(found or [], wanted)
    if found is None:
        return not wanted
    return found == wanted or _same_quantity(found, wanted)


def _substantial(value: Any) -> bool:
    """Whether a value would be kept by the server: an empty object counts, for ``emptyDir: {}`` means something."""
    return value not in (None, "", [], False) or value == {}


def _contains_items(found: Any, wanted: list[Any]) -> bool:
    """In order; else each one somewhere, because others may have added theirs, and the server keeps its own order."""
    if not isinstance(found, list):
        return False
    if len(found) == len(wanted) and all(contains(there, here) for there, here in zip(found, wanted, strict=True)):
        return True
    if not all(isinstance(item, dict) for item in wanted):
        return False
    rest = list(found)
    for item in wanted:
        match = next((index for index, there in enumerate(rest) if contains(there, item)), None)
        if match is None:
            return False
        del rest[match]
    return True


def _same_quantity(found: Any, wanted: Any) -> bool:
    """The server rewrites quantities: 1000m becomes 1."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return False
    if not isinstance(found, str | int | float) or not isinstance(wanted, str | int | float):
        return False
    try:
        return quantities.parse(found) == quantities.parse(wanted)
    except ValueError:
        return False
