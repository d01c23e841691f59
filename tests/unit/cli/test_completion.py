"""Completion in shells: scripts that they read, names in bounded time, and silence where there are none."""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from builders import make_model, make_pool
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer
from unit.cli.lines import job

from hostler.cli import completing
from hostler.cli.completion import SHELLS
from hostler.cli.main import main


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_reads(shell: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    assert "_HOSTLER_COMPLETE" in result.stdout
    if found := shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(result.stdout)
        assert subprocess.run([found, "-n", script], check=False).returncode == 0


def test_another_shell_is_told_which_there_are() -> None:
    result = CliRunner().invoke(main, ["completion", "powershell"])
    assert result.exit_code == 2
    assert "'powershell' is not one of 'bash', 'zsh', 'fish'" in result.output


def completed(*words: str) -> list[str]:
    """What is offered for the last word, as bash asks for it."""
    asked = {"_HOSTLER_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["hostler", *words]), "COMP_CWORD": "99"}
    asked["COMP_CWORD"] = str(len(words))
    result = CliRunner().invoke(main, [], env=asked, prog_name="hostler")
    assert "Traceback" not in result.output
    return [line.partition(",")[2] for line in result.stdout.splitlines() if line]


@pytest.fixture
def objects(kube: KubeServer) -> KubeServer:
    kube.put(job("bert"), job("llama"), job("elsewhere", "team-b"), plurals="trainingjobs")
    kube.put(make_model("base", namespace="team-a"), plurals="models")
    kube.put(make_pool("gpu"), plurals="acceleratorpools")
    namespace: Any = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
    kube.put(namespace, plurals="namespaces")
    return kube


@table(
    ("words", "want"),
    {
        "commands": (("susp",), ["suspend"]),
        "kinds": (("get", "mo"), ["models"]),
        "names of a kind": (("get", "models", ""), ["base"]),
        "names of jobs": (("suspend", "be"), ["bert"]),
        "names with their kind": (("logs", "job/ll"), ["job/llama"]),
        "names of another namespace": (("explain", "-n", "team-b", ""), ["elsewhere"]),
        "pools": (("queue", ""), ["gpu"]),
        "namespaces": (("get", "jobs", "-n", "te"), ["team-a"]),
        "shells": (("completion", "z"), ["zsh"]),
        "a kind that the command does not take": (("suspend", "pool/"), []),
    },
)
def test_what_is_offered(objects: KubeServer, words: tuple[str, ...], want: list[str]) -> None:
    assert completed(*words) == want


def test_nothing_is_said_where_the_cluster_refuses(objects: KubeServer) -> None:
    objects.errors["/"] = (401, {"message": "Unauthorized"})
    assert completed("suspend", "") == []


def test_only_what_is_logged_meanwhile_is_silenced(
    objects: KubeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loud(*_: Any, **__: Any) -> None:
        logging.getLogger("hostler").error("meanwhile")
        raise OSError

    monkeypatch.setattr(completing, "_names", loud)
    assert completed("suspend", "") == []
    logging.getLogger("hostler").error("afterwards")
    assert caplog.messages == ["afterwards"]


def test_nothing_is_said_without_a_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert completed("suspend", "") == []


def test_a_cluster_that_does_not_answer_is_not_waited_for(objects: KubeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = objects.answer

    def slow(*arguments: Any) -> Any:
        time.sleep(1.0)
        return answer(*arguments)

    monkeypatch.setattr(objects, "answer", slow)
    monkeypatch.setattr(completing, "SECONDS", 0.05)
    assert completed("suspend", "") == []
