"""The kind provider: its configuration, its command lines, and what it does when a step fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tables import table

from hostler.local import kind
from hostler.local.errors import ConfigError, LocalClusterError, PreflightError, StartError
from hostler.local.naming import names_of
from hostler.local.spec import ClusterSpec, NodeSpec, TaintSpec, default_spec
from hostler.local.stages import Stages

NAMES = names_of("demo", root=Path("/state"))
TAINTED = ClusterSpec(
    nodes=(
        NodeSpec(
            name="gpu-0",
            labels={"node.kubernetes.io/instance-type": "p4d"},
            taints=(TaintSpec(key="nvidia.com/gpu", effect="NoSchedule"),),
        ),
    )
)


def _yes() -> bool:
    return True


def _quiet() -> Stages:
    return Stages(console=Console(quiet=True))


def test_configuration_has_the_described_nodes_beside_a_control_plane() -> None:
    config = kind.config(NAMES, default_spec(), volumes=Path("/state/demo/volumes"))
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker", "worker"]
    registrations = [yaml.safe_load(node["kubeadmConfigPatches"][0]) for node in config["nodes"][1:]]
    assert [patch["nodeRegistration"]["name"] for patch in registrations] == ["system-0", "gpu-0", "ipu-0"]
    assert {patch["kind"] for patch in registrations} == {"JoinConfiguration"}
    assert config["nodes"][2]["labels"] == {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    assert config["networking"] == {"podSubnet": str(NAMES.pods), "serviceSubnet": str(NAMES.services)}


def test_all_nodes_share_one_directory_of_volumes() -> None:
    config = kind.config(NAMES, default_spec(), volumes=Path("/v"))
    mounts = [node["extraMounts"] for node in config["nodes"]]
    assert mounts == [[{"hostPath": "/v", "containerPath": "/var/local-path-provisioner"}]] * 4
    assert '\\"sharedFileSystemPath\\": \\"/var/local-path-provisioner\\"' in kind.storage_commands(NAMES)[0][-1]


def test_taints_register_with_the_node_and_restricted_labels_come_later() -> None:
    worker = kind.config(NAMES, TAINTED, volumes=Path("/v"))["nodes"][1]
    patch = yaml.safe_load(worker["kubeadmConfigPatches"][0])
    assert patch["nodeRegistration"]["taints"] == [{"key": "nvidia.com/gpu", "value": "", "effect": "NoSchedule"}]
    assert worker["labels"] == {}, "a kubelet may not give itself labels of kubernetes.io"
    assert kind.label_commands(NAMES, TAINTED) == [
        [
            *("kubectl", "--kubeconfig", "/state/demo/kubeconfig"),
            *("label", "--overwrite", "node", "gpu-0", "node.kubernetes.io/instance-type=p4d"),
        ]
    ]


def test_command_lines() -> None:
    assert " ".join(kind.create_command(NAMES, config_file=Path("/c.yaml"))) == (
        "kind create cluster --name demo --config /c.yaml --kubeconfig /state/demo/kubeconfig --wait 120s"
    )
    assert " ".join(kind.delete_command(NAMES)) == (
        "kind delete cluster --name demo --kubeconfig /state/demo/kubeconfig"
    )
    assert " ".join(kind.load_image_command(NAMES, "localhost/hostler/base:1")) == (
        "kind load docker-image localhost/hostler/base:1 --name demo"
    )
    assert " ".join(kind.load_archive_command(NAMES, Path("a.tar"))) == "kind load image-archive a.tar --name demo"


class Recorder:
    """Runs nothing; fails at the command that starts with `fails_at`."""

    def __init__(self, *, fails_at: tuple[str, ...] = ("never",)) -> None:
        self.commands: list[list[str]] = []
        self._fails_at = fails_at

    def __call__(self, argv: Sequence[str]) -> str:
        self.commands.append(list(argv))
        if tuple(argv[: len(self._fails_at)]) == self._fails_at:
            raise StartError("it failed")
        return ""


def test_up_creates_labels_and_shares_storage_in_this_order(tmp_path: Path) -> None:
    run = Recorder()
    names = names_of("demo", root=tmp_path)
    kind.KindCluster(names, run=run, find=lambda program: f"/bin/{program}", engine=_yes).up(
        default_spec(), stages=_quiet()
    )
    verbs = [" ".join(argv[:3]) if argv[0] == "kind" else argv[3] for argv in run.commands]
    assert verbs == ["kind create cluster", *["label", "annotate"] * 2, "--namespace", "--namespace"]
    assert kind.is_ours(names)
    assert yaml.safe_load((names.state / "kind.yaml").read_text())["name"] == "demo"


def test_a_failed_create_leaves_nothing(tmp_path: Path) -> None:
    run = Recorder(fails_at=("kind", "create"))
    names = names_of("demo", root=tmp_path)
    with pytest.raises(StartError, match="it failed"):
        kind.KindCluster(names, run=run, find=lambda program: program, engine=_yes).up(default_spec(), stages=_quiet())
    assert run.commands[-1] == kind.delete_command(names)
    assert not names.state.exists()


@table(
    ("find", "control_plane_only", "error", "message"),
    {
        "no docker": (lambda program: None, False, PreflightError, "no Docker engine answers: .*--provider native"),
        "no nodes wanted": (lambda program: program, True, ConfigError, "no control plane without nodes"),
    },
)
def test_what_kind_cannot_do_is_said(
    *, find: kind.Find, control_plane_only: bool, error: type[LocalClusterError], message: str, tmp_path: Path
) -> None:
    cluster = kind.KindCluster(
        names_of("demo", root=tmp_path), run=Recorder(), find=find, engine=lambda: find("docker") is not None
    )
    with pytest.raises(error, match=message):
        cluster.up(default_spec(), stages=_quiet(), control_plane_only=control_plane_only)
    assert list(tmp_path.iterdir()) == []
