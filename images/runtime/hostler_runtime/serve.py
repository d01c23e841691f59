"""``python -m hostler_runtime.serve``: the entry point of the serving container."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def _end(number: int, frame: FrameType | None) -> None:
    """Nothing is being served yet, so there is nothing to finish."""
    os._exit(0)


if __name__ == "__main__":
    # Before the libraries are imported, which takes seconds: a process that is number 1 in its container, as this one
    # is, does not even end by a signal that it has no handler for. The replica puts its own in this one's place.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)

    from hostler_runtime.server.process import main

    sys.exit(main())
