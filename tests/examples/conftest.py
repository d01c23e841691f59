"""The cluster of the fourth level, for every example at its full length (``make examples``)."""

from __future__ import annotations

from e2e.conftest import namespace, stack

__all__ = ["namespace", "stack"]
