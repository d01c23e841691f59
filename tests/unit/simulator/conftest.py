"""A folder for sockets: pytest's own paths do not fit into the 107 bytes of a unix socket's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def sockets() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hs-") as folder:
        yield Path(folder)
