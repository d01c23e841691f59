"""The embedded Kubernetes cluster: `up`, `down`, `status` for tests, demo and development."""

from hostler.local.cluster import ClusterHandle, ClusterStatus, down, handle, load_archive, load_image, status, up
from hostler.local.errors import LocalClusterError
from hostler.local.spec import AcceleratorSpec, ClusterSpec, NodeSpec, TaintSpec, default_spec, load_spec
from hostler.local.stages import Stages

__all__ = [
    "AcceleratorSpec",
    "ClusterHandle",
    "ClusterSpec",
    "ClusterStatus",
    "LocalClusterError",
    "NodeSpec",
    "Stages",
    "TaintSpec",
    "default_spec",
    "down",
    "handle",
    "load_archive",
    "load_image",
    "load_spec",
    "status",
    "up",
]
