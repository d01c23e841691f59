"""One node: its own containerd and kubelet in a mount namespace, where it sees private copies of the system's paths.

Paths that are constants in kubelet and containerd (/var/lib/kubelet, /run, /var/log, ...) are bound to directories
of the node there, so that several nodes live on one machine and nothing is mounted in the host's own namespace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from hostler.local.errors import ConfigError
from hostler.local.naming import Names
from hostler.local.native.processes import Component
from hostler.local.spec import NodeSpec, parse_quantity

PAUSE_IMAGE = "localhost/hostler/pause:1"
CNI_PLUGINS = Path("/usr/lib/cni")

_SOCKET = "/run/containerd/containerd.sock"
_SOCKET_PATH_LIMIT = 107
PRIVATE_PATHS = ("/var/lib/kubelet", "/var/lib/cni", "/var/log", "/etc/cdi", "/run")
# The kubelet insists on these kernel settings and writes them where they differ. It shall see what it wants
# without changing the machine.
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


@dataclass(frozen=True)
class Node:
    """A node of a cluster together with its place in it."""

    names: Names
    spec: NodeSpec
    index: int
    kubernetes: Path
    containerd: Path
    snapshotter: str

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def home(self) -> Path:
        return self.names.run / "nodes" / self.name

    @property
    def socket(self) -> Path:
        """The machine's view of the path that cAdvisor in the kubelet expects, and the node itself has."""
        path = Path(f"{self.home}/root{_SOCKET}")
        if len(str(path)) > _SOCKET_PATH_LIMIT:
            raise ConfigError(
                f"the socket path {path} is longer than {_SOCKET_PATH_LIMIT} characters, the kernel's limit",
                way_out="choose a shorter HOSTLER_STATE_DIR, cluster name or node name",
            )
        return path

    @property
    def containerd_config(self) -> Path:
        return self.home / "containerd.toml"

    @property
    def kubelet_config(self) -> Path:
        return self.home / "kubelet.yaml"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    @property
    def cgroup(self) -> str:
        return f"{self.names.cgroup}/node-{self.name}"

    @property
    def containerd_component(self) -> str:
        return f"containerd-{self.name}"

    @property
    def kubelet_component(self) -> str:
        return f"kubelet-{self.name}"


def containerd_toml(node: Node) -> str:
    """containerd's configuration: everything of the node below its own directories."""
    quoted = json.dumps
    return f"""\
version = 3
root = {quoted(str(node.names.image_store(node.name)))}
state = "/run/containerd"
# The opt plugin would create /opt/containerd on the machine.
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]

[grpc]
  address = {quoted(_SOCKET)}

[plugins.'io.containerd.cri.v1.images']
  snapshotter = {quoted(node.snapshotter)}
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = {quoted(PAUSE_IMAGE)}

[plugins.'io.containerd.cri.v1.runtime']
  # Root may lack the capability to lower oom_score_adj; without this every sandbox would then fail.
  restrict_oom_score_adj = true
  cdi_spec_dirs = ["/etc/cdi", "/run/cdi"]
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = [{quoted(str(CNI_PLUGINS))}]
    conf_dir = {quoted(str(node.home / "cni"))}
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = {quoted(str(node.containerd / "containerd-shim-runc-v2"))}
"""


def cni_conflist(node: Node) -> str:
    """The bridge that all nodes share; each hands out addresses of its own range."""
    first, last = node.names.pod_range(node.index)
    address_range = {
        "subnet": str(node.names.pods),
        "rangeStart": str(first),
        "rangeEnd": str(last),
        "gateway": str(node.names.pod_gateway),
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[address_range]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}, indent=2)


def kubelet_yaml(node: Node, *, pki: Path, resolv_conf: Path, machine: dict[str, float]) -> str:
    """The kubelet's configuration; `machine` holds the host's cpu and memory, from which caps are reserved."""
    address = str(node.names.node_ip(node.index))
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "healthzBindAddress": address,
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / f"kubelet-{node.name}.crt"),
        "tlsPrivateKeyFile": str(pki / f"kubelet-{node.name}.key"),
        "clusterDNS": [str(node.names.dns_service_ip)],
        "clusterDomain": "cluster.local",
        "resolvConf": str(resolv_conf),
        "featureGates": {"ImageVolume": True},
        "failSwapOn": False,
        # A node that changes says so soon; one that does not change is quiet as by default.
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "5m",
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "serializeImagePulls": False,
        # There is no registry to fetch a collected image from again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "registerWithTaints": [taint.model_dump() for taint in node.spec.taints],
    }
    reserved = _reservation(node.spec, machine)
    if reserved:
        config["systemReserved"] = reserved
    return yaml.safe_dump(config, sort_keys=False)


def _reservation(spec: NodeSpec, machine: dict[str, float]) -> dict[str, str]:
    """What must be set aside so that the node offers no more than its caps."""
    reserved = {}
    if spec.cpu is not None:
        left = max(0.0, machine["cpu"] - parse_quantity(spec.cpu))
        reserved["cpu"] = f"{left * 1000:.0f}m"
    if spec.memory is not None:
        left = max(0.0, machine["memory"] - parse_quantity(spec.memory))
        reserved["memory"] = f"{left:.0f}"
    return reserved


def mount_script(node: Node) -> str:
    """Shell that binds the node's private paths and then becomes containerd (its arguments)."""
    root = node.home / "root"
    # Nobody may ever remove what is bound over here: that would end the binds of every running node.
    lines = ["set -e"]
    for path in PRIVATE_PATHS:
        lines.append(f"mkdir -p {root}{path} {path}; mount --bind {root}{path} {path}")
    # Volumes that the kubelet mounts have to show up in the containers that containerd starts.
    lines.append("mount --make-shared /var/lib/kubelet")
    for setting, value in _KERNEL_SETTINGS.items():
        file = root / "sysctl" / setting.replace("/", ".")
        target = f"/proc/sys/{setting}"
        lines.append(f"mkdir -p {file.parent}; echo {value} > {file}")
        lines.append(f"if [ -e {target} ]; then mount --bind {file} {target}; fi")
    lines.append('exec "$@"')
    return "\n".join(lines) + "\n"


def containerd(node: Node) -> Component:
    """containerd makes the mount namespace; the kubelet enters it."""
    script = node.home / "mounts.sh"
    program = (str(node.containerd / "containerd"), "--config", str(node.containerd_config))
    return Component(node.containerd_component, ("unshare", "--mount", "sh", str(script), *program))


def kubelet(node: Node, *, containerd_pid: int) -> Component:
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.spec.all_labels().items()) if not restricted(key))
    argv = (
        str(node.kubernetes / "kubelet"),
        f"--config={node.kubelet_config}",
        f"--kubeconfig={node.kubeconfig}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.names.node_ip(node.index)}",
        "--root-dir=/var/lib/kubelet",
        f"--node-labels={labels}",
    )
    return Component(node.kubelet_component, argv, mount_namespace_of=containerd_pid)


def restricted(label: str) -> bool:
    """Labels that a kubelet may not give itself; an administrator sets them after it has registered."""
    namespace = label.rpartition("/")[0]
    return namespace == "k8s.io" or namespace == "kubernetes.io" or namespace.endswith((".k8s.io", ".kubernetes.io"))
