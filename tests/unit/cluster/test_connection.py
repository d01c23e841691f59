"""From a kubeconfig to a way to the API server, or one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import table

from hostler.cluster.connection import ConnectionSetupError, connect

WHOLE = """
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: a, user: {}}]
"""


@table(
    ("content",),
    {
        "one line of text": ("hostname\n",),
        "a list": ("[1, 2]",),
        "nothing": ("",),
        "no YAML": ("a: [",),
        "bytes": ("\udcff\udcfe",),
        "no context": (WHOLE.replace("current-context: a", ""),),
        "a context that is not there": (WHOLE.replace("current-context: a", "current-context: b"),),
        "a cluster that is not there": (WHOLE.replace("cluster: a,", "cluster: b,"),),
        "clusters that are none": (WHOLE.replace("clusters: [", "clusters: [1, "),),
    },
)
async def test_a_file_that_is_no_kubeconfig_is_named_with_the_way_out(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConnectionSetupError) as error:
        await connect(path)
    said = str(error.value)
    assert said.startswith(f"no way to the API server: {path} is no usable kubeconfig")
    assert said.endswith("; set --kubeconfig or $KUBECONFIG, or run in a pod")


async def test_a_whole_one_leads_to_its_server(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(WHOLE)
    assert (await connect(path)).server == "http://127.0.0.1:9"


async def test_pages_of_lists_are_not_compressed(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(WHOLE)
    async with (await connect(path)).session() as session:
        assert session.headers["Accept-Encoding"] == "identity"


async def test_without_any_the_usual_place_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    with pytest.raises(ConnectionSetupError, match="there is no usable ~/"):
        await connect()
