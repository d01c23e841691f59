"""What the process is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "HOSTLER_SIMULATOR_"


class SettingsError(ValueError):
    """A variable is missing or makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, with the variable that sets it."""

    node: str
    """``NODE_NAME``: the node this process runs on, from the downward API."""
    plugin_dir: Path = Path("/var/lib/kubelet/device-plugins")
    """``HOSTLER_SIMULATOR_PLUGIN_DIR``: where the kubelet's registration socket is and plugins put theirs."""
    pod_resources: str = "/var/lib/kubelet/pod-resources/kubelet.sock"
    """``HOSTLER_SIMULATOR_POD_RESOURCES``: the kubelet's PodResources socket."""
    cgroup_root: Path = Path("/host/sys/fs/cgroup")
    """``HOSTLER_SIMULATOR_CGROUP_ROOT``: the host's cgroup file system, mounted read-only."""
    state_dir: Path = Path("/run/hostler-device-simulator")
    """``HOSTLER_SIMULATOR_STATE_DIR``: a file ``unhealthy`` in it marks devices, as the annotation does."""
    cdi_dir: Path | None = None
    """``HOSTLER_SIMULATOR_CDI_DIR``: where CDI specifications go; unset means that devices come by environment only."""
    numa_nodes: int = 2
    """``HOSTLER_SIMULATOR_NUMA_NODES``: NUMA nodes that each resource's devices spread over; 0 leaves topology out."""
    interval: float = 2.0
    """``HOSTLER_SIMULATOR_INTERVAL``: seconds between two samples; metrics are constant in between."""
    port: int = 9400
    """``HOSTLER_SIMULATOR_PORT``: metrics and probes; 0 takes any free port."""
    address: str | None = None
    """``HOSTLER_SIMULATOR_ADDRESS``: address to listen on. Set it to the node's own with ``hostNetwork``, because
    several nodes may share one machine; unset means every address."""
    log_level: str = "info"
    """``LOG_LEVEL``."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables. Raises :class:`SettingsError`."""
    node = environ.get("NODE_NAME", "")
    if not node:
        raise SettingsError("NODE_NAME is not set: pass spec.nodeName through the downward API")
    base = Settings(node=node)
    cdi = environ.get(f"{PREFIX}CDI_DIR")
    return Settings(
        node=node,
        plugin_dir=Path(environ.get(f"{PREFIX}PLUGIN_DIR", base.plugin_dir)),
        pod_resources=environ.get(f"{PREFIX}POD_RESOURCES", base.pod_resources),
        cgroup_root=Path(environ.get(f"{PREFIX}CGROUP_ROOT", base.cgroup_root)),
        state_dir=Path(environ.get(f"{PREFIX}STATE_DIR", base.state_dir)),
        cdi_dir=Path(cdi) if cdi else None,
        numa_nodes=int(_number(environ, "NUMA_NODES", default=base.numa_nodes, low=0, high=64)),
        interval=_number(environ, "INTERVAL", default=base.interval, low=0.1, high=60),
        port=int(_number(environ, "PORT", default=base.port, low=0, high=65535)),
        address=environ.get(f"{PREFIX}ADDRESS") or None,
        log_level=environ.get("LOG_LEVEL", base.log_level),
    )


def _number(environ: Mapping[str, str], name: str, *, default: float, low: float, high: float) -> float:
    text = environ.get(f"{PREFIX}{name}")
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingsError(f"{PREFIX}{name} is {text!r}, not a number from {low:g} to {high:g}")
    return value
