"""A cluster in a process's memory, reached as a real one is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.cli.kubeserver import KubeServer, serving


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeServer]:
    """The server, with $KUBECONFIG leading to it; its context names namespace team-a."""
    with serving(tmp_path) as (server, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server
