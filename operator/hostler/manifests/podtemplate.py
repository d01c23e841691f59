"""The pod that every workload of ours shares: Pod Security restricted, the pool's nodes, the type's needs.

Nothing here depends on the operator's version, so that an upgrade of the operator changes no pod template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hostler.api.common import PodResources
from hostler.manifests.configfile import CONFIG_DIRECTORY
from hostler.manifests.naming import Manifest
from hostler.manifests.podoptions import PodOptions, scratch_volume
from hostler.planning import quantities
from hostler.planning.demand import HTTP_PORT, container_resources
from hostler.planning.pools import Pool
from hostler.planning.seats import GATE, on_node

USER = 65532
_CAPABILITIES = frozenset({"SYS_NICE", "IPC_LOCK"})


@dataclass(frozen=True, kw_only=True)
class Image:
    """What runs."""

    reference: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """Secrets that an administrator keeps in every namespace of workloads, with credentials of its registry."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume and where it appears."""

    name: str
    path: str
    source: Manifest
    read_only: bool = True
    sub_path: str = ""
    """Directory of the volume that appears instead of its root."""
    pull_secret: str | None = None
    """Secret of the namespace with credentials of the registry, where the volume is an image."""


@dataclass(frozen=True, kw_only=True)
class PodPlan:
    """Everything in which trainers and servers differ."""

    container: str
    image: Image
    module: str
    """Python module of the runtime that the container runs."""
    labels: Mapping[str, str]
    pool: Pool
    per_pod: int
    resources: PodResources
    config: Manifest
    """Volume with the configuration file."""
    env: Sequence[Manifest]
    mounts: Sequence[Mount]
    restart_policy: str
    grace_seconds: int
    processes: int = 1
    probes: Manifest = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    subdomain: str | None = None
    node: str | None = None
    """The one node that all pods of this template go to."""
    gated: bool = False
    """Whether each pod is told its own node, once it is there."""
    options: PodOptions = field(default_factory=PodOptions)


def pod_template(plan: PodPlan) -> Manifest:
    """A pod template: metadata and spec."""
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": plan.restart_policy,
        "terminationGracePeriodSeconds": plan.grace_seconds,
        "nodeSelector": dict(sorted(plan.pool.spec.node_selector.items())),
        "securityContext": pod_security(),
        "containers": [_container(plan)],
        "volumes": [{"name": mount.name, **mount.source} for mount in _mounts(plan)],
    }
    if plan.pool.tolerations:
        spec["tolerations"] = plan.pool.tolerations
    if plan.subdomain is not None:
        spec["subdomain"] = plan.subdomain
    if plan.node is not None:
        spec["affinity"] = {"nodeAffinity": on_node(plan.node)}
    if plan.gated:
        spec["schedulingGates"] = [{"name": GATE}]
    spec.update(plan.options.spec_fields(of_image=(*plan.image.pull_secrets, *pull_secrets(plan.mounts))))
    spec.update(_beyond_restricted(plan.pool))
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(HTTP_PORT),
        "prometheus.io/path": "/metrics",
        **plan.options.pod_annotations,
        **plan.annotations,
    }
    labels = {**plan.options.pod_labels, **plan.labels}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


def pod_security() -> Manifest:
    """The pod's half of Pod Security restricted."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security(capabilities: Manifest) -> Manifest:
    """The container's half."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": capabilities}


def pull_secrets(mounts: Sequence[Mount]) -> list[str]:
    """Secrets that volumes need."""
    return [mount.pull_secret for mount in mounts if mount.pull_secret is not None]


def value(name: str, text: str | int) -> Manifest:
    """An environment variable with a fixed value."""
    return {"name": name, "value": str(text)}


def _container(plan: PodPlan) -> Manifest:
    return {
        "name": plan.container,
        "image": plan.image.reference,
        "imagePullPolicy": plan.image.pull_policy,
        "command": ["python", "-m", plan.module],
        "env": _environment(plan),
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": _resources(plan),
        "securityContext": container_security(_capabilities(plan.pool)),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [volume_mount(mount) for mount in _mounts(plan)],
        **plan.probes,
    }


def volume_mount(mount: Mount) -> Manifest:
    """Where a volume appears in the container."""
    found: Manifest = {"name": mount.name, "mountPath": mount.path}
    if mount.read_only:
        found["readOnly"] = True
    if mount.sub_path:
        found["subPath"] = mount.sub_path
    return found


def _environment(plan: PodPlan) -> list[Manifest]:
    threads = max(1, quantities.cores(plan.resources.cpu) // plan.processes)
    common = [
        value("OMP_NUM_THREADS", threads),
        # Nothing may be looked up on a model hub behind the user's back.
        value("HF_HUB_OFFLINE", 1),
        # The root file system is read-only, and libraries keep caches below the home directory.
        value("HOME", "/tmp"),
    ]
    kind = plan.pool.kind
    of_type = [value(name, text) for name, text in sorted(kind.pod.env.items())] if kind else []
    return [*common, *of_type, *plan.env]


def _resources(plan: PodPlan) -> Manifest:
    scratch = plan.options.scratch
    return dict(container_resources(plan.resources, per_pod=plan.per_pod, pool=plan.pool, scratch=scratch))


def _capabilities(pool: Pool) -> Manifest:
    added = sorted(_CAPABILITIES.intersection(pool.kind.pod.privileges if pool.kind else ()))
    return {"drop": ["ALL"], **({"add": added} if added else {})}


def _mounts(plan: PodPlan) -> list[Mount]:
    config = Mount(name="config", path=CONFIG_DIRECTORY, source=plan.config)
    scratch = Mount(name="tmp", path="/tmp", source=scratch_volume(plan.options.scratch_limit), read_only=False)
    mounts = [config, *plan.mounts, scratch]
    room = plan.options.shared_memory
    if plan.processes > 1 or room or (plan.pool.kind is not None and plan.pool.kind.pod.shared_memory):
        # The runtime's default is 64 MiB. Its use counts against the container's memory limit.
        memory = {"emptyDir": {"medium": "Memory", **({"sizeLimit": room} if room else {})}}
        mounts.append(Mount(name="shm", path="/dev/shm", source=memory, read_only=False))
    if plan.pool.kind is not None and plan.pool.kind.pod.hugepages_2mi is not None:
        pages = {"emptyDir": {"medium": "HugePages-2Mi"}}
        mounts.append(Mount(name="hugepages", path="/dev/hugepages", source=pages, read_only=False))
    return mounts


def _beyond_restricted(pool: Pool) -> Manifest:
    """What the type needs and the pool allows in so many words; acceptance has compared the two."""
    if pool.kind is None:
        return {}
    found: Manifest = {}
    if pool.kind.pod.runtime_class_name is not None:
        found["runtimeClassName"] = pool.kind.pod.runtime_class_name
    if "hostIPC" in pool.kind.pod.privileges:
        found["hostIPC"] = True
    if "hostNetwork" in pool.kind.pod.privileges:
        found |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return found
