"""Manifests and their kinds."""

from __future__ import annotations

from typing import Any

from hostler.api.kinds import KINDS, Kind

Object = dict[str, Any]


def by_kind(manifest: Object) -> Kind:
    """What we know of its kind."""
    return next(kind for kind in KINDS if kind.kind == manifest["kind"])
