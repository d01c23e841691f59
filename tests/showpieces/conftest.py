"""The cluster of the fourth level with a hub of published models, and what they reached (``make showpieces``)."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from e2e.conftest import ALLOWED_HUB, VALUES, installed, namespace
from showpieces.report import PAGE
from showpieces.yard import Yard, open_yard
from stack import Stack

from hostler.local import ClusterHandle

__all__ = ["namespace", "stack", "yard"]


@pytest.fixture(scope="session")
def stack(cluster: ClusterHandle) -> Iterator[Stack]:
    """The hub of this cluster stands for the public one, so that the catalog's entries are had from it."""
    imports = {**VALUES["imports"], "hubEndpoint": ALLOWED_HUB}
    with installed(cluster, values={**VALUES, "imports": imports}) as found:
        yield found


@pytest.fixture(scope="session")
def yard(stack: Stack, namespace: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A hub with what the index has. At the end, what was measured is written down."""
    found = open_yard(stack, namespace, tmp_path_factory.mktemp("models"))
    yield found
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    machine = f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}"
    date = datetime.now(UTC).date().isoformat()
    # Some of the tests alone leave the page as it is.
    if found.report.is_complete(found.missing):
        PAGE.write_text(found.report.page(missing=found.missing, machine=machine, date=date), encoding="utf-8")
