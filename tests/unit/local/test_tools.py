"""What is looked for, what is installed, and which provider is chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tables import table

from hostler.local import cluster, tools
from hostler.local.errors import ConfigError, PreflightError, ToolError
from hostler.local.kubeapi import wait_for


def test_packages_of_missing_programs_are_named_once() -> None:
    absent = {"nsenter", "/usr/lib/cni/bridge"}
    assert tools.missing_packages(lambda program: None if program in absent else program) == [
        "containernetworking-plugins",
        "util-linux",
    ]
    assert tools.missing_packages(lambda program: program) == []


@pytest.mark.parametrize(
    ("output", "want"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.19.8 linux/amd64", (1, 19)),
        ("go version devel go1.27-abc", (1, 27)),
        ("bash: go: command not found", None),
    ],
)
def test_go_version(output: str, want: tuple[int, int] | None) -> None:
    assert tools.go_version(output) == want


def test_binaries_are_keyed_by_modules_and_flags() -> None:
    keys = {module.key() for module in tools.MODULES}
    assert len(keys) == len(tools.MODULES)
    stamped = tools.GoModule("kubernetes", "other flags", stamps=(("a", "b"),))
    assert stamped.key() != tools.KUBERNETES.key()
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in tools.KUBERNETES.ldflags


def test_modules_name_the_programs_that_the_cluster_runs() -> None:
    listed = (tools.KUBERNETES.directory / "go.mod").read_text() + (tools.CONTAINERD.directory / "go.mod").read_text()
    for program in ("cmd/kube-apiserver", "cmd/kubelet", "cmd/containerd", "cmd/ctr", "cmd/helm", "coredns/coredns"):
        assert f"{program}\n" in listed, program


def test_an_unknown_program_is_answered_with_the_known_ones(tmp_path: object) -> None:
    from pathlib import Path

    directory = Path(str(tmp_path))
    (directory / "kubectl").touch()
    with pytest.raises(ToolError, match="no program 'kubctl' was built: choose one of kubectl"):
        tools.Binaries(directory, directory).program("kubctl")


def _only(*programs: str) -> Callable[[str], str | None]:
    return lambda program: program if program in programs else None


@table(
    ("wanted", "engine", "want"),
    {
        "auto with a Docker engine": ("auto", True, "kind"),
        "auto without one": ("auto", False, "native"),
        "native is forced": ("native", True, "native"),
        "kind is forced": ("kind", False, "kind"),
    },
)
def test_choice_of_provider(wanted: str, *, engine: bool, want: str) -> None:
    assert cluster.choose_provider(wanted, lambda: engine) == want


def test_an_unknown_provider_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown provider 'minikube': choose one of auto, native, kind"):
        cluster.choose_provider("minikube", lambda: True)


def test_waiting_ends_at_once_when_it_has_become_pointless() -> None:
    def dead() -> None:
        raise PreflightError("etcd stopped")

    with pytest.raises(PreflightError, match="etcd stopped"):
        wait_for(lambda: False, what="x", timeout=3600, alive=dead, way_out="")
