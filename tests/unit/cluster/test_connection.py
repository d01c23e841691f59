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


@table(
    "kubeconfig, said",
    {
        "none anywhere": (None, "there is no ~/.kube/config"),
        "one that is named and not there": ("config", "config does not exist"),
        "a list of files of which none is there": ("one:two", "one:two does not exist"),
    },
)
async def test_without_any_one_sentence_is_all_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    kubeconfig: str | None,
    said: str,
) -> None:
    """The library would log a warning of its own, and speak of a key that its empty configuration lacks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    if kubeconfig is not None:
        monkeypatch.setenv("KUBECONFIG", kubeconfig)
    with pytest.raises(ConnectionSetupError) as error:
        await connect()
    assert str(error.value) == f"no way to the API server: {said}; set --kubeconfig or $KUBECONFIG, or run in a pod"
    assert capfd.readouterr() == ("", "")


async def test_of_a_list_of_files_one_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(WHOLE)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{tmp_path / 'config'}")
    assert (await connect()).server == "http://127.0.0.1:9"
