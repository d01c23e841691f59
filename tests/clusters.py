"""Clusters for tests: one per session, its name reserved by a lock, removed at the end whatever happened.

`HOSTLER_TEST_KEEP=1` leaves the cluster running for a look; the next session of the same name takes it over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hostler.local import ClusterHandle, ClusterSpec, default_spec, down, up
from hostler.local.cluster import Provider, choose_provider
from hostler.local.naming import state_root

_SLOTS = 16


@contextmanager
def reserved_name(kind: str) -> Iterator[str]:
    """A cluster name that no other running session uses.

    Names come from a small set, so that image stores are used again and leftovers of a killed session are found:
    the kernel drops the lock of the dead, and whoever gets the name next cleans up.
    """
    state_root().mkdir(parents=True, exist_ok=True)
    for slot in range(_SLOTS):
        name = f"test-{kind}-{slot}"
        with (state_root() / f".{name}.session").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield name
            return
    raise RuntimeError(f"{_SLOTS} test sessions of {kind!r} are running: end some")


def provider() -> Provider:
    """kind where a Docker engine answers, native elsewhere; `HOSTLER_TEST_PROVIDER` forces one."""
    return choose_provider(os.environ.get("HOSTLER_TEST_PROVIDER", "auto"))


@contextmanager
def running(kind: str, *, spec: ClusterSpec | None = None, control_plane_only: bool = False) -> Iterator[ClusterHandle]:
    """A cluster for the time of a block."""
    keep = bool(os.environ.get("HOSTLER_TEST_KEEP"))
    chosen = provider()
    # kind knows no control plane without nodes; tests that need none do not mind them.
    alone = control_plane_only and chosen == "native"
    with reserved_name(kind) as name:
        if not keep:
            down(name)
        try:
            yield up(name, spec=spec or default_spec(), provider=chosen, control_plane_only=alone)
        finally:
            if not keep:
                down(name)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ClusterHandle]:
    """An API server with its controllers; natively without any node."""
    with running("api", control_plane_only=True) as handle:
        yield handle


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterHandle]:
    """The default cluster: a system node, a GPU node, an IPU node."""
    with running("nodes") as handle:
        yield handle
