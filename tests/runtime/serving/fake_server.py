"""The real server process over the fake family: ``python -m runtime.serving.fake_server``.

``FAKE_LOG`` names a file that gets a line for each run of the model. A prompt ``until PATH`` holds its run back until
PATH exists.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from patience import PATIENCE
from runtime.serving.fake_batch import FakeBatchModel

from hostler_runtime.server import process


def load(path: Path, **options: Any) -> FakeBatchModel:
    """The fake model, whatever the artifacts."""
    return FakeBatchModel(before=_before)


def _before(names: Sequence[str]) -> None:
    with Path(os.environ["FAKE_LOG"]).open("a") as log:
        log.write(json.dumps(list(names)) + "\n")
    deadline = time.monotonic() + PATIENCE
    for name in names:
        path = Path(name.removeprefix("until "))
        while name.startswith("until ") and not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)


if __name__ == "__main__":
    process.serving_half = lambda family: SimpleNamespace(load=load)
    sys.exit(process.main())
