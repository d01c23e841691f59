"""The cluster of the fourth level, for every example at its full length (``make examples``), and what each reached."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import namespace, stack

__all__ = ["namespace", "reached", "stack"]

REPORT = Path(__file__).parents[2] / "dist" / "examples.json"


@pytest.fixture(scope="session")
def reached() -> Iterator[dict[str, Any]]:
    """Seconds and figures by example; written to ``dist/examples.json`` at the end."""
    found: dict[str, Any] = {}
    yield found
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    document = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "examples": found}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
