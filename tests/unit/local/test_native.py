"""The native provider's pure parts: configurations, command lines, and what belongs to a cluster."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import yaml
from tables import table

from hostler.local.errors import ConfigError, PreflightError
from hostler.local.naming import names_of
from hostler.local.native import cgroups, cleanup, controlplane, network, node, preflight, processes
from hostler.local.native.controlplane import Layout
from hostler.local.native.node import Node
from hostler.local.spec import NodeSpec, TaintSpec, default_spec

NAMES = names_of("demo", root=Path("/state"))
MACHINE = {"cpu": 8.0, "memory": 32 * 2.0**30}


def make_node(spec: NodeSpec | None = None, *, index: int = 0) -> Node:
    return Node(
        NAMES,
        spec or NodeSpec(name=f"node-{index}"),
        index,
        kubernetes=Path("/bin/k"),
        containerd=Path("/bin/c"),
        snapshotter="overlayfs",
    )


def kubelet_config(spec: NodeSpec) -> dict[str, object]:
    text = node.kubelet_yaml(make_node(spec), pki=Path("/pki"), resolv_conf=Path("/r"), machine=MACHINE)
    loaded: dict[str, object] = yaml.safe_load(text)
    return loaded


def test_nodes_share_a_bridge_and_its_gateway_but_no_address() -> None:
    confs = [json.loads(node.cni_conflist(make_node(index=index)))["plugins"][0] for index in range(3)]
    ranges = [conf["ipam"]["ranges"][0][0] for conf in confs]
    assert {conf["bridge"] for conf in confs} == {"cni0"}
    assert {(entry["gateway"], entry["subnet"]) for entry in ranges} == {(str(NAMES.pod_gateway), str(NAMES.pods))}
    assert len({(entry["rangeStart"], entry["rangeEnd"]) for entry in ranges}) == 3


def test_containerd_keeps_images_outside_of_what_down_removes() -> None:
    config = tomllib.loads(node.containerd_toml(make_node()))
    assert not Path(config["root"]).is_relative_to(NAMES.run)
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["cdi_spec_dirs"] == ["/etc/cdi", "/run/cdi"]


@table(
    ("spec", "want"),
    {
        "no cap reserves nothing": (NodeSpec(name="n"), None),
        "a cap reserves the rest": (
            NodeSpec(name="n", cpu="1500m", memory="2Gi"),
            {"cpu": "6500m", "memory": str(30 * 2**30)},
        ),
        "more than there is reserves nothing of it": (NodeSpec(name="n", cpu="64"), {"cpu": "0m"}),
    },
)
def test_caps_become_reservations(spec: NodeSpec, want: dict[str, str] | None) -> None:
    assert kubelet_config(spec).get("systemReserved") == want


def test_taints_register_with_the_kubelet() -> None:
    taint = TaintSpec(key="nvidia.com/gpu", value="a", effect="NoExecute")
    config = kubelet_config(NodeSpec(name="n", taints=(taint,)))
    assert config["registerWithTaints"] == [{"key": "nvidia.com/gpu", "value": "a", "effect": "NoExecute"}]


def test_kubelet_gives_itself_only_labels_it_may() -> None:
    spec = NodeSpec(name="n", pool="gpu", labels={"node.kubernetes.io/x": "1", "example.com/rack": "2"})
    argv = node.kubelet(make_node(spec), containerd_pid=7).argv
    assert "--node-labels=example.com/rack=2,hostler.dev/pool=gpu" in argv


def test_node_mounts_only_within_its_own_namespace() -> None:
    component = node.containerd(make_node())
    assert component.argv[:2] == ("unshare", "--mount")
    line = processes.command(NAMES, node.kubelet(make_node(), containerd_pid=7), procs=Path("/cg/cgroup.procs"))
    assert line[line.index("nsenter") : line.index("--")] == [
        "nsenter",
        "--net=/run/netns/hostler-demo",
        "--mount=/proc/7/ns/mnt",
    ]


def test_socket_paths_beyond_the_kernels_limit_are_refused() -> None:
    deep = names_of("demo", root=Path("/" + "d" * 60))
    long = Node(deep, NodeSpec(name="n" * 20), 0, kubernetes=Path(), containerd=Path(), snapshotter="overlayfs")
    with pytest.raises(ConfigError, match="shorter HOSTLER_STATE_DIR"):
        _ = long.socket


def test_every_certificate_answers_to_the_addresses_it_is_used_at() -> None:
    from hostler.local.native import pki

    made = {identity.file: identity for identity in pki.identities(NAMES, ["a", "b"])}
    assert f"IP:{NAMES.api_ip}" in made["apiserver"].alternative_names
    assert f"IP:{NAMES.api_service_ip}" in made["apiserver"].alternative_names
    assert made["kubelet-b"].alternative_names == ("DNS:b", f"IP:{NAMES.node_ip(1)}")
    assert made["kubelet-b"].subject == "/O=system:nodes/CN=system:node:b"


@table(
    ("resolv_conf", "want"),
    {
        "a real server": ("nameserver 192.0.2.1\n", ["192.0.2.1"]),
        "a stub on loopback cannot be reached from pods": ("nameserver 127.0.0.53\noptions edns0\n", []),
        "IPv6 is not routed into the namespace": ("nameserver fd00::1\nnameserver 10.1.1.1\n", ["10.1.1.1"]),
        "nothing": ("", []),
    },
)
def test_upstream_servers(resolv_conf: str, want: list[str]) -> None:
    servers = controlplane.upstream_servers(resolv_conf)
    assert servers == want
    corefile = controlplane.corefile(Layout(NAMES, Path("/bin")), upstream=bool(servers))
    assert ("forward ." in corefile) == bool(want)


V1 = """\
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nproc /proc proc rw 0 0\n"


def test_hierarchies_of_both_cgroup_versions() -> None:
    old = cgroups.parse_hierarchies(V1)
    assert (str(old.tracking), old.unified, len(old.roots)) == ("/sys/fs/cgroup/freezer", False, 4)
    new = cgroups.parse_hierarchies(V2)
    assert (str(new.tracking), new.unified) == ("/sys/fs/cgroup", True)
    with pytest.raises(PreflightError, match="no cgroup hierarchy is mounted"):
        cgroups.parse_hierarchies("proc /proc proc rw 0 0\n")


def test_mounts_of_a_cluster_are_those_below_its_directory() -> None:
    mounts = "\n".join(
        [
            "x /state/demo/run/a tmpfs rw 0 0",
            "x /state/demo/run/a/b tmpfs rw 0 0",
            "x /state/demo-2/run tmpfs rw 0 0",
            "x /state/demo\\040x tmpfs rw 0 0",
            "x / ext4 rw 0 0",
        ]
    )
    assert cleanup.mounts_below(Path("/state/demo"), mounts) == ["/state/demo/run/a/b", "/state/demo/run/a"]


@table(
    ("route", "clashes"),
    {
        "a default route leads everywhere": ({"dst": "default", "dev": "eth0"}, False),
        "a foreign network": ({"dst": "192.0.2.0/24", "dev": "eth0"}, False),
        "the block itself elsewhere": ({"dst": str(NAMES.block), "dev": "tun0"}, True),
        "a larger network around it": ({"dst": "10.0.0.0/8", "dev": "tun0"}, True),
        "one host within it": ({"dst": str(NAMES.api_ip), "dev": "eth0"}, True),
        "our own cable": ({"dst": str(NAMES.block), "dev": NAMES.veth}, False),
    },
)
def test_overlapping_routes(*, route: dict[str, str], clashes: bool) -> None:
    assert bool(network.overlapping_routes(NAMES, [route])) == clashes


@table(
    ("uid", "platform", "want"),
    {
        "a user without rights": (1000, "linux", "needs root: run the command with sudo"),
        "another system": (0, "darwin", "needs Linux, this is darwin: install Docker"),
    },
)
def test_platforms_that_cannot_run_it_are_told_what_can(uid: int, platform: str, want: str) -> None:
    with pytest.raises(PreflightError, match=want):
        preflight.check_platform(uid=uid, platform=platform)


def test_a_kernel_module_is_loaded_and_named_when_that_fails() -> None:
    loaded: list[str] = []
    missing = preflight.Requirement("br_netfilter", lambda: "br_netfilter" in loaded, "Services between pods")
    preflight.check_kernel((missing,), load=loaded.append)
    assert loaded == ["br_netfilter"]
    hopeless = preflight.Requirement("overlay", lambda: False, "container images")
    with pytest.raises(PreflightError, match=r"kernel module overlay is missing .*: run `modprobe overlay`"):
        preflight.check_kernel((hopeless,), load=lambda module: None)


def test_limits_are_raised_where_they_are_too_low_and_said(tmp_path: Path) -> None:
    (tmp_path / "max_user_instances").write_text("128\n")
    (tmp_path / "max_user_watches").write_text("1048576\n")
    said: list[str] = []
    preflight.raise_limits(said.append, root=tmp_path)
    assert said == ["raising fs.inotify.max_user_instances to 1024"]
    assert (tmp_path / "max_user_instances").read_text() == "1024"
    assert (tmp_path / "max_user_watches").read_text() == "1048576\n", "what is high enough stays"


def test_pods_of_every_default_node_have_dns() -> None:
    for entry in default_spec().nodes:
        assert kubelet_config(entry)["clusterDNS"] == [str(NAMES.dns_service_ip)]
