"""Specs that the API server has let in and this release cannot read: said once, not retried for ever."""

from __future__ import annotations

from pydantic import ValidationError


def invalid_spec_sentence(error: ValidationError) -> str:
    """The first wrong field with its path, and the way out."""
    first = error.errors()[0]
    path = ".".join(map(str, first["loc"])) or "spec"
    return f"{path}: {first['msg']}. Correct it, or install CRDs and operator of the same release."
