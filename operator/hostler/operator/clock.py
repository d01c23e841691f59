"""The real ``Clock`` of ``hostler.controllers.ports``."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """This machine's time."""

    def now(self) -> str:
        """RFC 3339, UTC, whole seconds."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()
